"""What people are told of: since when it is so, when it was seen last, when they were told of it and of its end.

One process looks and tells for all (`hold`). What it tells is noted after it was sent: killed in between, the next one
tells it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from receiver.lifecycle import FINAL
from receiver.records import Fixity, Notice, NoticeKind, Sighting, State
from receiver.tables import Database, notice_holders, notices, recordings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_HOLDER = "notices"
_DEAD = frozenset({State.FAILED, State.MISSING})
_UNSOUND = [one for one in Fixity if one is not Fixity.INTACT]


class _Followed(NamedTuple):
    """Which recordings are so, of which it is over, and what says why; one may be neither."""

    begins: sa.ColumnElement[bool]
    ends: sa.ColumnElement[bool]
    why: sa.ColumnElement[Any]


_FOLLOWED = {
    NoticeKind.RECORDINGS_DEAD: _Followed(
        begins=recordings.c.state.in_(_DEAD),
        ends=recordings.c.state.in_(FINAL - _DEAD),  # one that is tried again is dead until that went well
        why=recordings.c.error_code,
    ),
    NoticeKind.OBJECTS_DAMAGED: _Followed(
        begins=sa.and_(recordings.c.state == State.ARCHIVED, recordings.c.fixity.in_(_UNSOUND)),
        ends=sa.or_(recordings.c.state != State.ARCHIVED, recordings.c.fixity == Fixity.INTACT),
        why=recordings.c.fixity,
    ),
    NoticeKind.RECORDINGS_DUE: _Followed(
        begins=sa.and_(recordings.c.due_since.is_not(None), recordings.c.state == State.ARCHIVED, ~recordings.c.hold),
        ends=sa.or_(recordings.c.due_since.is_(None), recordings.c.state != State.ARCHIVED, recordings.c.hold),
        why=sa.literal("due"),
    ),
}
FOLLOWED = tuple(_FOLLOWED)
"""What is so of single recordings."""
_c = notices.c
_IS_OPEN = _c.end_told_at.is_(None)
_IS_UNTOLD = sa.and_(_c.told_at.is_(None), _c.ended_at.is_(None), _IS_OPEN)


class Notices:
    """Every notice; one of a kind and subject at a time is open."""

    def __init__(self, database: Database) -> None:
        self._database = database
        added = database.insert(notices)
        self._add = added.on_conflict_do_update(
            index_elements=["kind", "subject"],
            index_where=_IS_OPEN,
            set_={"seen_at": added.excluded.seen_at, "ended_at": None, "detail": added.excluded.detail},
        )

    async def hold(self, holder: str, *, now: datetime, until: datetime) -> bool:
        """Be the one that looks and tells, until then; false while another is."""
        names = {"holder": holder, "held_until": until}
        row = self._database.insert(notice_holders).values(name=_HOLDER, **names)
        is_free = sa.or_(notice_holders.c.holder == holder, notice_holders.c.held_until <= now)
        taken = row.on_conflict_do_update(index_elements=["name"], set_=names, where=is_free)
        return await self._database.write(lambda tx: tx.execute(taken).rowcount == 1)

    async def release(self, holder: str, *, now: datetime) -> None:
        """Let another be the one at once."""
        mine = sa.and_(notice_holders.c.name == _HOLDER, notice_holders.c.holder == holder)
        await self._database.write(lambda tx: tx.execute(sa.update(notice_holders).where(mine).values(held_until=now)))

    async def saw(self, sightings: Sequence[Sighting], *, now: datetime) -> None:
        """Note what is so now; a kind and subject that is noted and not over by then goes on."""
        rows = [
            {"kind": one.kind, "subject": one.subject, "detail": one.detail, "began_at": now, "seen_at": now}
            for one in sightings
        ]
        if rows:
            await self._database.write(lambda tx: tx.execute(self._add, rows))

    async def end_unseen(self, kinds: Sequence[NoticeKind], *, since: datetime) -> None:
        """Note as over what of these kinds was not seen since then; what nobody was told of is forgotten."""
        unseen = sa.and_(_c.kind.in_(kinds), _IS_OPEN, _c.ended_at.is_(None), _c.seen_at < since)
        found = await self._database.read(lambda tx: tx.execute(sa.select(_c.id).where(unseen).limit(1)).first())
        if found is None:
            return

        def end(tx: sa.Connection) -> None:
            tx.execute(sa.delete(notices).where(unseen, _c.told_at.is_(None)))
            tx.execute(sa.update(notices).where(unseen).values(ended_at=_c.seen_at))

        await self._database.write(end)

    async def follow(self, kind: NoticeKind, *, now: datetime) -> None:
        """Note each recording that has become so as `kind` names it, and the end of it."""
        begins, ends, _ = _FOLLOWED[kind]
        mine = sa.and_(_c.kind == kind, _IS_OPEN)
        is_noted = sa.select(_c.id).where(mine, _c.subject == recordings.c.id).exists()
        is_new = sa.and_(begins, ~is_noted)
        has_ended = sa.select(recordings.c.id).where(recordings.c.id == _c.subject, ends).exists()
        is_over = sa.and_(mine, _c.ended_at.is_(None), has_ended)
        looks = (sa.select(recordings.c.id).where(is_new).limit(1), sa.select(_c.id).where(is_over).limit(1))
        if not await self._database.read(lambda tx: any(tx.execute(look).first() is not None for look in looks)):
            return
        at = sa.literal(now, _c.began_at.type)
        values = (sa.literal(kind.value), recordings.c.id, sa.literal({}, sa.JSON), at, at)
        names = ["kind", "subject", "detail", "began_at", "seen_at"]
        added = self._database.insert(notices).from_select(names, sa.select(*values).where(is_new))
        added = added.on_conflict_do_nothing()

        def follow(tx: sa.Connection) -> None:
            tx.execute(sa.delete(notices).where(is_over, _c.told_at.is_(None)))
            tx.execute(sa.update(notices).where(is_over).values(ended_at=now))
            tx.execute(added)

        await self._database.write(follow)

    async def to_tell(self) -> list[Notice]:
        """Return what is so, and what is over, as nobody was told yet; the first first."""
        is_over = sa.and_(_c.ended_at.is_not(None), _c.told_at.is_not(None), _IS_OPEN)
        return await self._read(sa.select(notices).where(sa.or_(_IS_UNTOLD, is_over)).order_by(_c.began_at, _c.id))

    async def open(self) -> list[Notice]:
        """Return what people were told of and is not over."""
        is_open = (_c.told_at.is_not(None), _IS_OPEN, _c.kind != NoticeKind.STATEMENT)
        return await self._read(sa.select(notices).where(*is_open).order_by(_c.began_at, _c.id))

    async def reasons(self, kind: NoticeKind, said: Sequence[Notice]) -> list[tuple[str, str]]:
        """Return why it is so of each of these recordings."""
        query = sa.select(recordings.c.id, _FOLLOWED[kind].why).order_by(recordings.c.id)
        query = query.where(recordings.c.id.in_([one.subject for one in said]))
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        return [(recording_id, why or "") for recording_id, why in rows]

    async def told(self, said: Sequence[Notice], *, now: datetime, is_end: bool) -> None:
        """Note that people were told of these, or of their end."""
        values = {"end_told_at": now} if is_end else {"told_at": now}
        ids = [one.number for one in said]
        update = sa.update(notices).where(_c.id == sa.bindparam("row_id")).values(values)
        await self._database.write(lambda tx: tx.execute(update, [{"row_id": number} for number in ids]))

    async def last_told(self, kind: NoticeKind, *, is_end: bool) -> datetime | None:
        """Return when people were last told of one of a kind, or of an end of one."""
        column = _c.end_told_at if is_end else _c.told_at
        newest = sa.select(sa.func.max(column, type_=column.type)).where(_c.kind == kind)
        return await self._database.read(lambda tx: tx.execute(newest).scalar_one())

    async def last(self) -> datetime | None:
        """Return when people were last told anything."""
        time = _c.told_at.type
        newest = sa.select(sa.func.max(_c.told_at, type_=time), sa.func.max(_c.end_told_at, type_=time))
        found = await self._database.read(lambda tx: tx.execute(newest).one())
        return max((at for at in found if at is not None), default=None)

    async def add_told(self, kind: NoticeKind, subject: str = "", *, began_at: datetime, now: datetime) -> None:
        """Note, after it, what people were told of before it could be noted."""
        row = {"kind": kind, "subject": subject, "detail": {}, "began_at": began_at, "seen_at": now, "told_at": now}
        await self._database.write(lambda tx: tx.execute(self._add, row))

    async def forget(self, *, before: datetime) -> None:
        """Delete what was over and told, and statements, before then."""
        is_old = sa.or_(_c.end_told_at < before, sa.and_(_c.kind == NoticeKind.STATEMENT, _c.began_at < before))
        await self._database.write(lambda tx: tx.execute(sa.delete(notices).where(is_old)))

    async def _read(self, query: sa.Select[Any]) -> list[Notice]:
        rows = await self._database.read(lambda tx: tx.execute(query).mappings().all())
        return [_notice(row) for row in rows]


def _notice(row: Any) -> Notice:
    values = dict(row)
    return Notice(number=values.pop("id"), kind=NoticeKind(values.pop("kind")), **values)
