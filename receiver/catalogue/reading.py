"""What operators ask of the index."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue import audit_log
from receiver.catalogue.counts import count_states, sum_archived
from receiver.catalogue.history import History, LogQuery, load_entries, load_history, read_act
from receiver.catalogue.holding import HoldsQuery, load_holds
from receiver.catalogue.holds import covering
from receiver.catalogue.listing import PageQuery
from receiver.catalogue.order import Mark, Order, read_cursor, write_cursor
from receiver.catalogue.rows import load_by_id, load_deliveries, one_recording
from receiver.errors import DownloadHostsUnsetError, InvalidQueryError, NotFoundError, SourceUrlForbiddenError
from receiver.records import (
    Delivery,
    DeliveryId,
    DeliveryStatus,
    Hold,
    LoggedAct,
    Page,
    Recording,
    RecordingId,
    RefusedSource,
    State,
)
from receiver.tables import Database, deliveries, delivery_recordings, recordings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from receiver.catalogue.filters import Filters
    from receiver.records import RetentionPeriod

MAX_LIMIT = 1000
MOST_LISTED = 20
"""Recordings of a delivery that a listing of deliveries names; the others it counts."""
_MOST_REJECTED_BYTES = 8192
"""Of what an older release stored of rejected records a listing reads no more; this one stores less."""


class Catalogue:
    """Reads only; listings are by keyset (a page costs the same wherever it lies).

    The first of `cursor_keys` signs the cursors that are given out, each of them is good for one that comes back.
    `period` says when recordings expire.
    """

    def __init__(
        self,
        database: Database,
        *,
        cursor_keys: Callable[[], Sequence[bytes]] = lambda: (b"",),
        period: RetentionPeriod | None = None,
    ) -> None:
        self._database = database
        self._cursor_keys = cursor_keys
        self._period = period

    async def recording(self, recording_id: RecordingId) -> Recording:
        """Return one recording; raises `NotFoundError`."""
        return self._expiring(await self._database.read(lambda tx: one_recording(tx, recording_id)))

    async def page(
        self, filters: Filters, *, sort: str = "-created_at", limit: int = 100, cursor: str | None = None
    ) -> Page[Recording]:
        """Return a page of recordings; rows that arrive meanwhile neither shift nor repeat others.

        Raises `InvalidQueryError` for an unknown sort, a limit out of 1..1000, or a cursor of another listing.
        """
        order = Order(sort)
        after = None if cursor is None else read_cursor(self._cursor_keys(), sort, cursor)
        _limit(limit)

        def load(tx: sa.Connection) -> tuple[list[Mark], list[Recording]]:
            marks = PageQuery(tx, filters, order, limit + 1, after).marks()
            return marks, load_by_id(tx, [RecordingId(mark.id) for mark in marks[:limit]])

        marks, items = await self._database.read(load)
        more = len(marks) > limit
        return Page(
            items=tuple(map(self._expiring, items)),
            next_cursor=write_cursor(self._cursor_keys(), sort, marks[limit - 1]) if more else None,
        )

    async def following(self, filters: Filters, *, sort: str, cursor: str, most: int) -> int:
        """Return how many recordings come after a page, counted no further than `most`; raises as `page` does."""
        order, after = Order(sort), read_cursor(self._cursor_keys(), sort, cursor)
        return await self._database.read(lambda tx: len(PageQuery(tx, filters, order, most, after).marks()))

    async def deliveries(
        self, *, limit: int = 100, cursor: str | None = None, status: DeliveryStatus | None = None
    ) -> Page[Delivery]:
        """Return a page of deliveries, newest first, without their bodies, and of long ones the first records."""
        query = _listed_deliveries()
        place = (deliveries.c.received_at, deliveries.c.id)
        query = query.order_by(*(c.desc() for c in place)).limit(_limit(limit) + 1)
        if status is not None:
            query = query.where(deliveries.c.status == status)
        if cursor is not None:
            mark = read_cursor(self._cursor_keys(), "deliveries", cursor)
            there = sa.tuple_(sa.literal(mark.value, deliveries.c.received_at.type), sa.literal(mark.id))
            query = query.where(sa.tuple_(*place) < there)

        def load(tx: sa.Connection) -> tuple[Sequence[sa.Row[Any]], list[Delivery]]:
            rows = tx.execute(query).all()
            return rows, load_deliveries(tx, rows[:limit], most_named=MOST_LISTED)

        rows, items = await self._database.read(load)
        last = rows[limit - 1] if len(rows) > limit else None
        more = write_cursor(self._cursor_keys(), "deliveries", Mark(last.received_at, last.id)) if last else None
        return Page(items=tuple(items), next_cursor=more)

    async def delivery(self, delivery_id: DeliveryId) -> Delivery:
        """Return one delivery with its body; raises `NotFoundError`."""
        query = sa.select(deliveries).where(deliveries.c.id == delivery_id)
        found = await self._database.read(lambda tx: load_deliveries(tx, tx.execute(query).all()))
        if not found:
            raise NotFoundError(f"there is no delivery {delivery_id}")
        return found[0]

    async def history(self, recording_id: RecordingId) -> History:
        """Return what is on record of a recording from first sight on; raises `NotFoundError`."""
        found = await self._database.read(lambda tx: load_history(tx, recording_id))
        return replace(found, recording=self._expiring(found.recording))

    async def acts(self, asked: LogQuery, *, limit: int = 100, cursor: str | None = None) -> Page[LoggedAct]:
        """Return a page of the log, newest first; what was written until now is sealed before.

        Raises `InvalidQueryError`.
        """
        place = None if cursor is None else int(read_cursor(self._cursor_keys(), "audit-log", cursor).id)
        most = _limit(limit) + 1
        await audit_log.seal(self._database, wait=True)
        rows = await self._database.read(lambda tx: load_entries(tx, asked, before=place, limit=most))
        last = rows[limit - 1] if len(rows) > limit else None
        mark = write_cursor(self._cursor_keys(), "audit-log", Mark(last.at, str(last.id))) if last else None
        return Page(items=tuple(map(read_act, rows[:limit])), next_cursor=mark)

    async def holds(self, asked: HoldsQuery, *, limit: int = 100, cursor: str | None = None) -> Page[Hold]:
        """Return a page of the holds that stand, newest first; raises `InvalidQueryError`."""
        place = None if cursor is None else int(read_cursor(self._cursor_keys(), "holds", cursor).id)
        most = _limit(limit) + 1
        found = await self._database.read(lambda tx: load_holds(tx, asked, before=place, limit=most))
        last = found[limit - 1] if len(found) > limit else None
        mark = write_cursor(self._cursor_keys(), "holds", Mark(last.at, str(last.id))) if last else None
        return Page(items=tuple(found[:limit]), next_cursor=mark)

    async def holds_of(self, recording_id: RecordingId) -> tuple[Hold, ...]:
        """Return the holds that cover a recording."""
        found = await self._database.read(lambda tx: covering(tx, [recording_id]))
        return found.get(recording_id, ())

    async def counts(self) -> dict[State, int]:
        """Return how many recordings stand in each state."""
        return await count_states(self._database)

    async def archived_bytes(self) -> int:
        """Return how many bytes the archived recordings have in all."""
        return await sum_archived(self._database)

    async def error_codes(self, *states: State) -> list[dict[str, int]]:
        """Return for each state how many recordings stand there with each error code, the most frequent first.

        All that have a code are looked at, once for any number of states.
        """
        state, code, many = recordings.c.state, recordings.c.error_code, sa.func.count().label("many")
        query = sa.select(state, code, many).where(state.in_(states), code.is_not(None))
        query = query.group_by(state, code).order_by(many.desc(), code)
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        return [{row.error_code: row.many for row in rows if row.state == one} for one in states]

    async def source_hosts(self) -> dict[str, int]:
        """Return how many recordings come from each download host (with its port, where a URL had one)."""
        host = recordings.c.source_host
        query = sa.select(host, sa.func.count().label("many")).where(host.is_not(None)).group_by(host)
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        return {row.source_host: row.many for row in rows}

    async def refused_sources(self) -> list[RefusedSource]:
        """Return where the recordings' files would have come from whose URL was not allowed, each source once."""
        c = recordings.c
        query = sa.select(c.error_origin, c.error_setting, c.source_host).distinct()
        query = query.where(c.error_code.in_((SourceUrlForbiddenError.code, DownloadHostsUnsetError.code)))
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        return [RefusedSource(*row) for row in rows]

    async def waiting(self) -> dict[str, int]:
        """Return how many recordings wait to be tried again, by the code of what ended their last run."""
        query = sa.select(recordings.c.error_code, sa.func.count().label("many"))
        query = query.where(recordings.c.state == State.WAITING, recordings.c.error_code.is_not(None))
        rows = await self._database.read(lambda tx: tx.execute(query.group_by(recordings.c.error_code)).all())
        return {row.error_code: row.many for row in rows}

    async def missed_webhooks(self) -> int:
        """Return how many recordings a reconciliation found before any webhook named them."""
        found = sa.select(sa.func.count()).where(recordings.c.first_seen_via == sa.literal_column("'reconcile'"))
        return await self._database.read(lambda tx: tx.execute(found).scalar_one())

    def _expiring(self, recording: Recording) -> Recording:
        if self._period is None or recording.archive is None:
            return recording
        return replace(recording, expires_at=self._period.due_at(recording))


def _listed_deliveries() -> sa.Select[Any]:
    """Select what a listing shows: no bodies, and counts of what an older release did not count."""
    c, of = deliveries.c, delivery_recordings.c
    named = sa.select(sa.func.count()).where(of.delivery_id == c.id).scalar_subquery()
    size = sa.func.length(sa.cast(c.rejected, sa.Text))
    computed = {
        "recordings_count": sa.func.coalesce(c.recordings_count, named),
        "rejected_count": sa.func.coalesce(c.rejected_count, sa.func.json_array_length(c.rejected)),
        "rejected": sa.case((size <= _MOST_REJECTED_BYTES, c.rejected)),
    }
    return sa.select(*(computed.get(one.name, one).label(one.name) for one in c if one.name != "body"))


def _limit(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQueryError(f"limit={limit} is out of range", f"choose 1 to {MAX_LIMIT}")
    return limit
