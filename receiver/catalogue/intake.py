"""The statements of one batch of deliveries, as few as there are tables. Every lock is taken in sorted order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.audit_log import AuditEntry, append_all
from receiver.catalogue.deliveries import DeliveryRows, pieces
from receiver.catalogue.erased_persons import ErasedPersons
from receiver.catalogue.holds import STANDING, any_may_come, mark
from receiver.catalogue.indexing import index_new, place_of, reindex, text_of_facts
from receiver.catalogue.news import Changes, News, compare_delivery, compare_listing, gather, other_meetings
from receiver.catalogue.rows import columns_of, write_attendees, write_facts, write_participants
from receiver.catalogue.states import change_state
from receiver.lifecycle import FINAL, reopened_by
from receiver.records import (
    Action,
    Actor,
    DeliveryId,
    Host,
    Meeting,
    RecordingFacts,
    RecordingId,
    State,
    Via,
    source_host,
)
from receiver.tables import add_new, attendees, candidate_meetings, deliveries, participants, recordings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from receiver.catalogue.deliveries import Incoming
    from receiver.tables import Database

    Without = Callable[[bytes, Collection[RecordingId]], bytes]
    WithoutPersons = Callable[[bytes, ErasedPersons], bytes]

_ROW_ID = recordings.c.id == sa.bindparam("row_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What became of a delivery: of one body, at once or a year apart, one is new."""

    delivery_id: DeliveryId
    is_new: bool
    states: tuple[tuple[RecordingId, State], ...]


class Intake:
    """Writes batches. `keep_urls` says that the payload's URLs are needed, since no API credentials are set.

    With credentials a delivery is a hint: once the API has listed a recording, it can say that the file is another, and
    nothing else; until then every meeting that was named is kept, so that none can hide the true one. `without` makes a
    body that names erased recordings one that does not, `without_persons` does so with erased persons.
    """

    def __init__(
        self, database: Database, *, keep_urls: bool, without: Without, without_persons: WithoutPersons
    ) -> None:
        self._keep_urls = keep_urls
        self._without = without
        self._without_persons = without_persons
        self._persons = ErasedPersons()
        self._deliveries = DeliveryRows(database, asks=not keep_urls)
        self._add_candidates = database.insert(candidate_meetings).on_conflict_do_nothing(
            index_elements=["recording_id", "meeting_id"]
        )

    def write(self, tx: sa.Connection, batch: Sequence[Incoming]) -> tuple[list[Stored | None], Changes]:
        """Write the batch; return what became of each delivery, in order, and of the recordings they name.

        None is of one that `is_kept` no more. Of a body that was stored before, what was lacking of it is added, and
        recordings that had failed or were missing are taken up again.
        """
        if not self._persons.are_none(tx):
            batch = [self._cleaned(incoming) for incoming in batch]
        added = self._deliveries.add(tx, batch)
        fresh = {id(incoming) for incoming in added}
        ids = {incoming.digest: DeliveryId(incoming.row["id"]) for incoming in added}
        again = [incoming for incoming in batch if id(incoming) not in fresh]
        ids |= self._deliveries.known(tx, [incoming for incoming in again if incoming.digest not in ids])
        again = [incoming for incoming in again if incoming.digest in ids]
        told = [*added, *(incoming for incoming in again if incoming.is_more)]
        news = gather((incoming.row["received_at"], incoming.facts) for incoming in told)
        known = _add_again(tx, news, [incoming for incoming in again if not incoming.is_more])
        changes = self._record(tx, dict(sorted(news.items())))
        if State.ERASED in changes.states.values():
            self._keep_less(tx, told, ids, changes.states)
        self._deliveries.ask(tx, [*added, *again])
        asked_by = {fact.id: incoming.by for incoming in again if incoming.by for fact in incoming.facts}
        append_all(tx, [*_replayed(again), *_reopened(changes, news, asked_by)])
        states = known | changes.states
        outcomes = [
            Stored(
                delivery_id=ids[incoming.digest],
                is_new=id(incoming) in fresh,
                states=tuple((fact.id, states[fact.id]) for fact in incoming.facts if fact.id in states),
            )
            if incoming.digest in ids
            else None
            for incoming in batch
        ]
        return outcomes, changes

    def write_found(
        self, tx: sa.Connection, facts: Sequence[RecordingFacts], *, via: Via, at: datetime
    ) -> tuple[frozenset[RecordingId], Changes]:
        """Write what a listing says of recordings; return the new ones, and what became of all.

        A known one keeps what deliveries said of it, which is more, unless they named another meeting.
        """
        if not self._persons.are_none(tx):
            facts = self._persons.cleaned(facts)
        news = {fact.id: News(latest=fact, at=at, via=via) for fact in sorted(facts, key=lambda f: f.id)}
        changes = self._record(tx, news)
        append_all(tx, _reopened(changes, news, {}))
        return frozenset(changes.new), changes

    def _cleaned(self, incoming: Incoming) -> Incoming:
        """Return a delivery without erased persons."""
        row = incoming.row
        if "body" in row:
            row = row | {"body": self._without_persons(row["body"], self._persons)}
        return replace(incoming, row=row, facts=tuple(self._persons.cleaned(incoming.facts)))

    def _keep_less(
        self,
        tx: sa.Connection,
        told: Sequence[Incoming],
        ids: Mapping[str, DeliveryId],
        states: Mapping[RecordingId, State],
    ) -> None:
        """Keep of new bodies nothing that is erased: a body of nothing else is not kept at all."""
        for one in told:
            erased = {fact.id for fact in one.facts if states.get(fact.id) is State.ERASED}
            if erased:
                this = deliveries.c.id == ids[one.digest]
                body = tx.execute(sa.select(deliveries.c.body).where(this)).scalar_one()
                tx.execute(sa.update(deliveries).where(this).values(body=self._without(bytes(body), erased)))

    def _record(self, tx: sa.Connection, news: dict[RecordingId, News]) -> Changes:
        """Add the recordings that are new, refresh those that are known."""
        if not news:
            return Changes()
        rows = [self._new_row(one) for one in news.values()]
        found = add_new(tx, recordings, rows, key="id", asked=STANDING)
        new = set(found)
        known = {recording_id: one for recording_id, one in news.items() if recording_id not in new}
        may_be_held = any(found.values()) or (bool(known) and any_may_come(tx))
        changes = self._refresh(tx, known) if known else Changes()
        added = [one.latest for key, one in news.items() if key in new]
        write_participants(tx, added + changes.refreshed)
        write_attendees(tx, added + changes.invited)
        index_new(tx, rows, new)
        reindex(tx, sorted({fact.id for fact in changes.refreshed + changes.invited}))
        if may_be_held:
            told = {fact.id for fact in changes.refreshed + changes.invited}
            mark(tx, new | told, at=max(one.at for one in news.values()))
        for key in sorted(new):
            changes.candidates += other_meetings(key, news[key].latest.meeting.id, news[key])
        if changes.candidates:
            tx.execute(self._add_candidates, changes.candidates)
        changes.new = sorted(new)
        changes.states |= dict.fromkeys(new, State.PENDING)
        changes.work = sorted([*new, *changes.reopened])
        return changes

    def _refresh(self, tx: sa.Connection, known: dict[RecordingId, News]) -> Changes:
        """Bring known recordings up to date, unless they are archived."""
        changes = _compare(tx, known, keep_urls=self._keep_urls)
        if changes.refreshed:
            rows = [{"row_id": fact.id} | self._values(fact) for fact in changes.refreshed]
            names = [name for name in rows[0] if name != "row_id"]
            update = sa.update(recordings).where(_ROW_ID).values({name: sa.bindparam(name) for name in names})
            tx.execute(update, rows)
            for ids in pieces([fact.id for fact in changes.refreshed]):
                tx.execute(sa.delete(participants).where(participants.c.recording_id.in_(ids)))
        for ids in pieces([fact.id for fact in changes.invited]):
            tx.execute(sa.delete(attendees).where(attendees.c.recording_id.in_(ids)))
        if changes.hinted:
            names = ["file_uid", "updated_at"]
            hint = sa.update(recordings).where(_ROW_ID).values({name: sa.bindparam(name) for name in names})
            tx.execute(
                hint,
                [{"row_id": fact.id} | {name: getattr(fact.vendor, name) for name in names} for fact in changes.hinted],
            )
        if changes.replaced:
            replaced = sa.update(recordings).where(_ROW_ID).values(size_bytes=None, checksum=None)
            tx.execute(replaced, [{"row_id": key} for key in changes.replaced])
        if changes.reopened:
            reopen = change_state(State.PENDING, leaving=FINAL)
            for at in {known[key].at for key in changes.reopened}:
                # each in a statement of its own: executed for many rows, none may hold a list of states
                for ids in pieces([key for key in changes.reopened if known[key].at == at]):
                    tx.execute(reopen.where(recordings.c.id.in_(ids)).values(attempts=0, next_attempt_at=at))
        return changes

    def _new_row(self, news: News) -> dict[str, Any]:
        created_at = news.latest.vendor.created_at or news.at
        return self._values(news.latest) | {
            "id": news.latest.id,
            "state": State.PENDING,
            "created_at": created_at,
            "search_text": text_of_facts(news.latest),
            "place": place_of(created_at, news.latest.id),
            "first_seen_via": news.via,
            "first_seen_at": news.at,
            "next_attempt_at": news.at,
            "source_host": source_host(news.latest.payload_url),
        }

    def _values(self, fact: RecordingFacts) -> dict[str, Any]:
        values = write_facts(fact) | {"listed_at": None}
        if self._keep_urls:
            values["payload_url"] = fact.payload_url
        return values


def _add_again(tx: sa.Connection, news: dict[RecordingId, News], again: Sequence[Incoming]) -> dict[RecordingId, State]:
    """Add to the news what bodies that were stored before may still change; return the states of what they name."""
    states = _states(tx, [fact.id for incoming in again for fact in incoming.facts if fact.id not in news])
    revived = reopened_by(Via.WEBHOOK)
    for incoming in again:
        at = incoming.row["received_at"]
        for key, one in gather([(at, incoming.facts)]).items():
            if key not in news and (key not in states or states[key] in revived):
                one.is_again = True
                news[key] = one
    return states


def _replayed(again: Sequence[Incoming]) -> list[AuditEntry]:
    """Return the log's entries of deliveries that somebody had taken in again, whether or not they could be read."""
    return [
        AuditEntry.of(
            one.by,
            Action.REPLAYED,
            one.row["id"],
            at=one.row["received_at"],
            outcome="unreadable" if one.named is None else "taken_in",
            recordings=len(one.named or ()),
        )
        for one in again
        if one.by is not None
    ]


def _reopened(changes: Changes, news: dict[RecordingId, News], asked_by: dict[RecordingId, Actor]) -> list[AuditEntry]:
    """Return the log's entries of recordings that were taken up again, by whoever brought the news."""
    return [
        AuditEntry.of(
            asked_by.get(key) or Actor(news[key].via.value),
            Action.REOPENED,
            key,
            at=news[key].at,
            outcome=State.PENDING.value,
        )
        for key in changes.reopened
    ]


def _compare(tx: sa.Connection, known: dict[RecordingId, News], *, keep_urls: bool) -> Changes:
    """Lock the rows of known recordings and decide what the news changes of each."""
    changes = Changes()
    names = ("id", "state", "file_uid", "updated_at", "listed_at", *columns_of(Meeting), *columns_of(Host))
    for ids in pieces(list(known)):
        query = sa.select(*(recordings.c[name] for name in names)).where(recordings.c.id.in_(ids))
        for row in tx.execute(query.order_by(recordings.c.id).with_for_update()):
            one = known[row.id]
            if one.via is Via.WEBHOOK:
                compare_delivery(changes, row, one, is_hint=not keep_urls and row.listed_at is not None)
            else:
                compare_listing(changes, row, one)
    return changes


def _states(tx: sa.Connection, ids: Sequence[RecordingId]) -> dict[RecordingId, State]:
    found: dict[RecordingId, State] = {}
    for piece in pieces(ids):
        query = sa.select(recordings.c.id, recordings.c.state).where(recordings.c.id.in_(piece))
        found.update({row.id: State(row.state) for row in tx.execute(query)})
    return found
