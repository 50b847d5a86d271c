"""What the rows tell of outages, of a webhook that is silent, and of a week."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.errors import Side, codes_of
from receiver.records import Account, DeliveryStatus, NoticeKind, Sighting, State, Via
from receiver.tables import Database, deliveries, recordings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

_KINDS = {
    Side.API: NoticeKind.API_AWAY,
    Side.STORE: NoticeKind.STORE_AWAY,
    Side.SOURCE: NoticeKind.SOURCE_AWAY,
}
_MOST_GROUPS = 500
_c = recordings.c


class Sights:
    """Reads them; nothing is written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def outages(self) -> list[Sighting]:
        """Return which sides failed what waits for them, and have served nobody since."""
        return await self._database.read(lambda tx: [one for side in Side for one in _outages(tx, side)])

    async def silence(self, longer_than: timedelta, *, now: datetime) -> Sighting | None:
        """Tell of a webhook that was silent so long while reconciliation found recordings that it did not bring."""
        used = deliveries.c.status != DeliveryStatus.REJECTED
        newest = sa.select(deliveries.c.received_at).where(used).order_by(deliveries.c.received_at.desc()).limit(1)
        missed = sa.select(sa.func.count(), sa.func.min(_c.first_seen_at, type_=_c.first_seen_at.type)).where(
            _c.first_seen_via == sa.literal_column("'reconcile'")  # its index is used for no parameter
        )

        def read(tx: sa.Connection) -> Sighting | None:
            delivered_at = tx.execute(newest).scalar()
            since = sa.true() if delivered_at is None else _c.first_seen_at > delivered_at
            count, first_at = tx.execute(missed.where(since)).one()
            silent_since = delivered_at or first_at
            if not count or now - silent_since < longer_than:
                return None
            detail = {"missed": count, "delivered_at": None if delivered_at is None else delivered_at.isoformat()}
            return Sighting(kind=NoticeKind.SILENCE, detail=detail)

        return await self._database.read(read)

    async def account(self, since: datetime, until: datetime) -> Account:
        """Return what that time brought: recordings by when they were made, bytes by when they were archived."""
        made = sa.and_(_c.created_at >= since, _c.created_at < until)
        counted: dict[str, sa.ColumnElement[bool]] = {
            "proven": _c.state == State.ARCHIVED,
            "missed": _c.first_seen_via == Via.RECONCILE,
            "failed": _c.state == State.FAILED,
            "lost": _c.state == State.MISSING,
            "waiting": _c.state.in_((State.PENDING, State.ARCHIVING, State.WAITING)),
        }
        sums = [
            sa.func.coalesce(sa.func.sum(sa.case((one, 1), else_=0)), 0).label(name) for name, one in counted.items()
        ]
        meetings = sa.func.count(sa.distinct(_c.meeting_id)).label("meetings")
        brought = sa.select(meetings, sa.func.count().label("recordings"), *sums).where(made)
        stored = sa.select(
            sa.func.count().label("archived"), sa.func.coalesce(sa.func.sum(_c.size_bytes), 0).label("archived_bytes")
        ).where(_c.archived_at >= since, _c.archived_at < until)

        verified = sa.select(sa.func.count().label("verified")).where(_c.verified_at >= since, _c.verified_at < until)

        def read(tx: sa.Connection) -> dict[str, Any]:
            return {
                name: n
                for query in (brought, stored, verified)
                for name, n in tx.execute(query).mappings().one().items()
            }

        values = await self._database.read(read)
        return Account(since=since, until=until, **{name: int(value) for name, value in values.items()})


def _outages(tx: sa.Connection, side: Side) -> Iterator[Sighting]:
    """Look at what waits since this side failed it: each host of files is one to itself."""
    waits = sa.and_(_c.state == State.WAITING, _c.error_code.in_(codes_of(side)), _c.error_at.is_not(None))
    host = _c.source_host if side is Side.SOURCE else sa.null()
    newest = sa.func.max(_c.error_at, type_=_c.error_at.type)
    groups = sa.select(host.label("host"), sa.func.count().label("waiting"), newest.label("at")).where(waits)
    if side is Side.SOURCE:
        groups = groups.group_by(host)
    for group in tx.execute(groups.limit(_MOST_GROUPS)).all():
        if not group.waiting:  # without hosts there is one group, be it empty
            continue
        same_host = _c.source_host.is_not_distinct_from(group.host) if side is Side.SOURCE else sa.true()
        served = sa.select(_c.id).where(_c.archived_at > group.at, same_host).limit(1)
        if tx.execute(served).first() is not None or (side is Side.API and _has_answered_since(tx, group.at)):
            continue
        last = sa.select(_c.error_code, _c.error_message).where(waits, same_host, _c.error_at == group.at).limit(1)
        error = tx.execute(last).one()
        detail = {"code": error.error_code, "message": error.error_message, "waiting": group.waiting}
        yield Sighting(kind=_KINDS[side], subject=group.host or "", detail=detail)


def _has_answered_since(tx: sa.Connection, at: datetime) -> bool:
    """Tell whether a run has got further than the Meetings API, and failed there: others may not have been let try."""
    further = [*codes_of(Side.STORE), *codes_of(Side.SOURCE)]
    later = sa.select(_c.id).where(_c.state == State.WAITING, _c.error_code.in_(further), _c.error_at > at).limit(1)
    return tx.execute(later).first() is not None
