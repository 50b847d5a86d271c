"""Looks again and again at what goes wrong, and tells people of it: once when it begins, and once when it is over.

One process of the cluster does it, whichever has the lease. What is so, and what was told, is on rows: a restart, or
another process, goes on with them. Only that the database itself takes no writes is told from memory, by the process
that has the lease just then.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from receiver import logs
from receiver.backoff import growing_pause_s
from receiver.catalogue import FOLLOWED
from receiver.errors import ReceiverError, StorageUnavailableError
from receiver.notices.channels import LONGEST_SEND
from receiver.notices.texts import Message, begun, over, statement
from receiver.records import Notice, NoticeKind, Sighting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from receiver.catalogue import Notices, Sights
    from receiver.notices.channels import Channels

_SEEN = (
    NoticeKind.STORE_AWAY,
    NoticeKind.API_AWAY,
    NoticeKind.SOURCE_AWAY,
    NoticeKind.DATABASE_AWAY,
    NoticeKind.NO_WORKER,
    NoticeKind.SILENCE,
    NoticeKind.REFUSED_POSTS,
)
"""What is over when it is not seen any more."""
_AT_ONCE = frozenset({NoticeKind.SILENCE, NoticeKind.REFUSED_POSTS, *FOLLOWED})
"""What has lasted already when it is first seen."""
_GATHERED = frozenset({NoticeKind.SOURCE_AWAY, *FOLLOWED})
"""What there can be many of, also since somebody forged them: of these people are told at most once in a while."""
_MOST_REASONS = 1000
_KEPT_FOR = timedelta(days=60)
_log = logs.get("notices")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPace:
    """How often is looked, how long something must last before it is told, and be gone before its end is.

    Of single recordings, and of hosts of files, people are told at most once in `gathered_for`.
    """

    look_every: timedelta = timedelta(seconds=30)
    held_for: timedelta = timedelta(minutes=2)
    gone_for: timedelta = timedelta(minutes=2)
    gathered_for: timedelta = timedelta(hours=1)
    flood_posts: int = 100
    flood_within: timedelta = timedelta(minutes=5)

    @property
    def lease(self) -> timedelta:
        """How long after a sign of life another process takes over; no message takes longer."""
        return max(3 * self.look_every, LONGEST_SEND + self.look_every)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchParts:
    """`name` is the archive's, `has_no_worker` may raise `StorageUnavailableError`; `refused_posts` only counts up.

    Without `silence` nobody is told of a silent webhook.
    """

    name: str
    notices: Notices
    sights: Sights
    channels: Channels
    has_no_worker: Callable[[], Awaitable[bool]]
    refused_posts: Callable[[], float]
    silence: timedelta | None
    clock: Callable[[], datetime]
    is_alone: bool = False
    """Whether no other process can have the lease."""


class Watch:
    """`look` once, or `run` until told to stop."""

    def __init__(self, parts: WatchParts, pace: WatchPace | None = None) -> None:
        self._parts = parts
        self._pace = pace or WatchPace()
        self._holder = secrets.token_hex(8)
        self._holds = parts.is_alone
        self._refused: deque[tuple[datetime, float]] = deque()
        self._outage: Notice | None = None
        """Of the database: kept until its end is long enough ago."""
        self._failed_sends = 0
        self._mute_until: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Look every while until `stop`, then leave the lease to another process."""
        while not stop.is_set():
            try:
                await self.look()
            except ReceiverError as e:
                _log.warning("notices_not_looked", error=str(e))
            except Exception:  # noqa: BLE001  (one failure must not silence all that follow)
                _log.exception("notices_not_looked")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.look_every.total_seconds()):
                    await stop.wait()
        with contextlib.suppress(ReceiverError):
            await self._parts.notices.release(self._holder, now=self._parts.clock())

    async def look(self) -> None:
        """Look once, and tell what is to be told."""
        now = self._parts.clock()
        try:
            if (flood := self._flood(now)) is not None:
                await self._parts.notices.saw([flood], now=now)
            await self._note_outage(now)
            if await self._hold():
                await self._note(now)
                await self._tell(now)
        except StorageUnavailableError as e:
            await self._without_database(e, now)

    async def _hold(self) -> bool:
        """Be the one process that looks and tells, for as long as one message may take."""
        now = self._parts.clock()
        self._holds = await self._parts.notices.hold(self._holder, now=now, until=now + self._pace.lease)
        return self._holds

    async def _note(self, now: datetime) -> None:
        parts = self._parts
        seen = await parts.sights.outages()
        if await parts.has_no_worker():
            seen.append(Sighting(kind=NoticeKind.NO_WORKER))
        if parts.silence is not None and (silent := await parts.sights.silence(parts.silence, now=now)) is not None:
            seen.append(silent)
        await parts.notices.saw(seen, now=now)
        for kind in FOLLOWED:
            await parts.notices.follow(kind, now=now)
        await parts.notices.end_unseen(_SEEN, since=now - self._pace.gone_for)

    async def _tell(self, now: datetime) -> None:
        if self._is_muted(now):
            return
        to_tell = await self._parts.notices.to_tell()
        for kind in dict.fromkeys(one.kind for one in to_tell):
            if not await self._hold():
                return
            of_kind = [one for one in to_tell if one.kind is kind]
            await self._tell_ends(kind, [one for one in of_kind if one.ended_at is not None], now)
            held_for = timedelta(0) if kind in _AT_ONCE else self._pace.held_for
            new = [one for one in of_kind if one.ended_at is None and one.seen_at - one.began_at >= held_for]
            await self._tell_begun(kind, new, now)
        await self._give_account(now)

    async def _tell_ends(self, kind: NoticeKind, ended: Sequence[Notice], now: datetime) -> None:
        if ended and await self._may_tell(kind, now, is_end=True) and await self._sent(over(self._parts.name, ended)):
            await self._parts.notices.told(ended, now=now, is_end=True)

    async def _tell_begun(self, kind: NoticeKind, new: Sequence[Notice], now: datetime) -> None:
        if new and await self._may_tell(kind, now, is_end=False) and await self._sent(await self._begun(kind, new)):
            await self._parts.notices.told(new, now=now, is_end=False)

    async def _begun(self, kind: NoticeKind, new: Sequence[Notice]) -> Message:
        if kind not in FOLLOWED:
            return begun(self._parts.name, new)
        reasons = await self._parts.notices.reasons(kind, new[:_MOST_REASONS])
        return begun(self._parts.name, new, reasons)

    async def _may_tell(self, kind: NoticeKind, now: datetime, *, is_end: bool) -> bool:
        """Let what befalls one recording or host after the other gather."""
        if kind not in _GATHERED:
            return True
        last = await self._parts.notices.last_told(kind, is_end=is_end)
        return last is None or now - last >= self._pace.gathered_for

    async def _give_account(self, now: datetime) -> None:
        """Send the statement of the week that ended last Monday at 7, UTC; after the first start only later ones."""
        notices, until = self._parts.notices, _last_monday(now)
        last = await notices.last_told(NoticeKind.STATEMENT, is_end=False)
        if last is not None and last >= until:
            return
        if last is not None:
            account = await self._parts.sights.account(until - timedelta(days=7), until)
            if not await self._sent(statement(self._parts.name, account, await notices.open())):
                return
        await notices.add_told(NoticeKind.STATEMENT, f"{until:%Y-%m-%d}", began_at=until, now=now)
        await notices.forget(before=now - _KEPT_FOR)

    async def _sent(self, message: Message) -> bool:
        """Send a message; true where a channel took it. Where none did, nothing is sent for a while that grows."""
        outcomes = await self._parts.channels.send(message)
        if any(outcome.error is None for outcome in outcomes):
            _log.info("notice_sent", title=message.title)
            self._failed_sends, self._mute_until = 0, None
            return True
        self._failed_sends += 1
        pause_s = growing_pause_s(self._failed_sends, self._pace.look_every.total_seconds(), 900)
        self._mute_until = self._parts.clock() + timedelta(seconds=pause_s)
        return False

    def _is_muted(self, now: datetime) -> bool:
        return self._mute_until is not None and now < self._mute_until

    async def _without_database(self, error: StorageUnavailableError, now: datetime) -> None:
        """Tell from memory that the database takes no writes, by the one process that looked for all until now."""
        if not self._holds:
            return
        if self._outage is None:
            detail = {"reason": logs.redact(error.reason)}
            self._outage = Notice(
                number=0, kind=NoticeKind.DATABASE_AWAY, subject="", detail=detail, began_at=now, seen_at=now
            )
        self._outage = replace(self._outage, seen_at=now, ended_at=None)
        is_due = self._outage.told_at is None and now - self._outage.began_at >= self._pace.held_for
        if is_due and not self._is_muted(now) and await self._sent(begun(self._parts.name, [self._outage])):
            self._outage = replace(self._outage, told_at=now)

    async def _note_outage(self, now: datetime) -> None:
        """Have the end of the database's outage told as any other, now that it can be noted."""
        outage = self._outage
        if outage is None:
            return
        if outage.told_at is not None and outage.ended_at is None:
            await self._parts.notices.add_told(outage.kind, began_at=outage.began_at, now=outage.seen_at)
            self._outage = replace(outage, ended_at=now)
        elif now - outage.seen_at >= self._pace.gone_for:
            self._outage = None

    def _flood(self, now: datetime) -> Sighting | None:
        """Tell whether this process refused many posts lately."""
        seen = self._refused
        seen.append((now, self._parts.refused_posts()))
        while len(seen) > 1 and now - seen[1][0] >= self._pace.flood_within:
            seen.popleft()
        count = seen[-1][1] - seen[0][1]
        if count < self._pace.flood_posts:
            return None
        detail = {"count": int(count), "within_s": self._pace.flood_within.total_seconds()}
        return Sighting(kind=NoticeKind.REFUSED_POSTS, detail=detail)


def _last_monday(now: datetime) -> datetime:
    """Return the last Monday at 7 o'clock, UTC."""
    now = now.astimezone(UTC)
    seven = now.replace(hour=7, minute=0, second=0, microsecond=0)
    monday = seven - timedelta(days=seven.weekday())
    return monday if monday <= now else monday - timedelta(days=7)
