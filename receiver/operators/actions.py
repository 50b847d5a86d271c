"""What an operator may do to a recording or a delivery, by whatever surface: all of it goes on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from receiver import logs
from receiver.catalogue.audit_log import AuditEntry
from receiver.lifecycle import REPLAYABLE
from receiver.records import Action, Actor, State
from receiver.settings import OpsToken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from datetime import datetime

    from receiver.catalogue import Holds, Interventions
    from receiver.operators.query import ExportQuery
    from receiver.records import DeliveryId, Hold, HoldId, HoldScope, Recording, RecordingId, Replayed

UNDONE = REPLAYABLE - {State.CANCELLED}
"""What did not succeed, and nobody gave up."""
_log = logs.get("operators")


@dataclass(frozen=True, slots=True)
class OsUser:
    """Somebody who runs a command beside the service, by the name that the operating system has for them."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """Each raises `NotFoundError` or, where the state forbids it, `WrongStateError`; `by` is who asked."""

    interventions: Interventions
    holds: Holds
    wake: Callable[[], None]
    clock: Callable[[], datetime]
    take_in: Callable[[DeliveryId, Actor], Awaitable[Replayed]]

    async def retry(self, recording_id: RecordingId, by: OpsToken | OsUser) -> Recording:
        """Have the recording tried anew, at once."""
        recording = await self.interventions.retry(recording_id, now=self.clock(), by=actor_of(by))
        self.wake()
        return _noted("recording_retried", recording, by)

    async def retry_all(
        self,
        states: Collection[State] = UNDONE,
        *,
        error_code: str | None,
        by: OpsToken | OsUser,
        dry_run: bool = False,
    ) -> int:
        """Have all that are in one of the states tried anew, with `error_code` only those; return how many they are.

        With `dry_run` nothing is done.
        """
        count = await self.interventions.retry_all(
            states, error_code=error_code, now=self.clock(), by=actor_of(by), dry_run=dry_run
        )
        if not dry_run:
            self.wake()
            _log.info("recordings_retried", count=count, states=sorted(states), code=error_code, **_who(by))
        return count

    async def cancel(self, recording_id: RecordingId, by: OpsToken | OsUser) -> Recording:
        """Take the recording out of work."""
        changed = await self.interventions.cancel(recording_id, by=actor_of(by), now=self.clock())
        return _noted("recording_cancelled", changed, by)

    async def hold(self, recording_id: RecordingId, reason: str, by: OpsToken | OsUser) -> Recording:
        """Keep the recording from whatever deletes or replaces, until it is released; safe to repeat."""
        held = self.holds.hold_recording(recording_id, reason=reason, by=actor_of(by), now=self.clock())
        return _noted("recording_held", await held, by)

    async def release(self, recording_id: RecordingId, reason: str, by: OpsToken | OsUser) -> Recording:
        """Release the holds of this very recording; safe to repeat, unless others cover it (`WrongStateError`)."""
        released = self.holds.release_recording(recording_id, reason=reason, by=actor_of(by), now=self.clock())
        return _noted("recording_released", await released, by)

    async def add_hold(self, scope: HoldScope, value: str, reason: str, by: OpsToken | OsUser) -> Hold:
        """Do the same for all recordings of a meeting, a host or a person, future ones too; safe to repeat."""
        hold = await self.holds.add(scope, value, reason=reason, by=actor_of(by), now=self.clock())
        _log.info("hold_added", hold_id=hold.id, scope=hold.scope, **_who(by))
        return hold

    async def release_hold(self, hold_id: HoldId, reason: str | None, by: OpsToken | OsUser) -> Hold:
        """Release one hold; what others cover stays held."""
        hold = await self.holds.release(hold_id, reason=reason, by=actor_of(by), now=self.clock())
        _log.info("hold_released", hold_id=hold.id, scope=hold.scope, **_who(by))
        return hold

    async def replay(self, delivery_id: DeliveryId, by: OpsToken | OsUser) -> Replayed:
        """Take a stored delivery in again; raises `UnreadableError` where still nothing of it can be used."""
        replayed = await self.take_in(delivery_id, actor_of(by))
        recordings = len(replayed.accepted.recordings)
        _log.info("delivery_replayed", delivery_id=delivery_id, recordings=recordings, **_who(by))
        return replayed

    async def note(self, action: Action, subject: str, by: OpsToken | OsUser, **details: Any) -> None:
        """Put on record what only reads, before its answer leaves."""
        await self.interventions.note(AuditEntry.of(actor_of(by), action, subject, at=self.clock(), **details))

    async def note_export(self, asked: ExportQuery, by: OpsToken | OsUser) -> None:
        """Put an export on record before it leaves: the filters' names, since their values may be people's."""
        await self.note(Action.EXPORTED, "recordings", by, format=asked.format.value, filters=asked.names)


def actor_of(by: OpsToken | OsUser) -> Actor:
    """Return who it is as the log names them; no name of a token is one of a user or of the service's own parts."""
    return Actor(f"token:{by.name}", by.role.value) if isinstance(by, OpsToken) else Actor(f"cli:{by.name}")


def _noted(event: str, recording: Recording, by: OpsToken | OsUser) -> Recording:
    _log.info(event, recording_id=recording.id, **_who(by))
    return recording


def _who(by: OpsToken | OsUser) -> dict[str, str]:
    return {"token_name": by.name} if isinstance(by, OpsToken) else {"os_user": by.name}
