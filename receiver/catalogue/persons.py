"""A person in the index: where they are named, and taking them out of what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.deliveries import pieces
from receiver.catalogue.erased_persons import KEY, digest_of
from receiver.catalogue.holds import held_among, hold_on_person
from receiver.catalogue.indexing import reindex
from receiver.catalogue.rows import load_by_id
from receiver.records import KeptPlace, Person, RecordingId
from receiver.tables import (
    Database,
    attendees,
    candidate_meetings,
    digest_keys,
    erased_persons,
    participants,
    recordings,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from receiver.records import Hold, PersonTombstone, Recording

_HOST = ("host_id", "host_name", "host_login", "host_email")


class Persons:
    """Each is asked by what names them: `Person`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, asked: int | str) -> Person:
        """Return all that the index knows a person by, who is asked for by user id or e-mail."""
        return await self._database.read(lambda tx: _find(tx, asked))

    async def holds(self, person: Person) -> tuple[Hold, ...]:
        """Return what holds the person themselves."""

        def read(tx: sa.Connection) -> tuple[Hold, ...]:
            by_id = [one for user_id in person.user_ids for one in hold_on_person(tx, user_id=user_id, email=None)]
            by_email = [one for email in person.emails for one in hold_on_person(tx, user_id=None, email=email)]
            return tuple({one.id: one for one in (*by_id, *by_email)}.values())

        return await self._database.read(read)

    async def hosted(self, person: Person) -> list[RecordingId]:
        """Return the recordings of meetings that they host."""
        return await self._database.read(
            lambda tx: _ids(tx, [sa.select(recordings.c.id).where(_is_host(recordings, person))])
        )

    async def attended(self, person: Person) -> list[RecordingId]:
        """Return the recordings that name them otherwise: as participant, invited, host of a meeting named for it."""
        return await self._database.read(lambda tx: _ids(tx, _beside(person)))

    async def load(self, ids: Sequence[RecordingId]) -> tuple[list[Recording], Mapping[RecordingId, tuple[Hold, ...]]]:
        """Return these recordings but for those that are held, and what holds those."""

        def load(tx: sa.Connection) -> tuple[list[Recording], Mapping[RecordingId, tuple[Hold, ...]]]:
            held = held_among(tx, ids)
            return load_by_id(tx, [one for one in ids if one not in held]), held

        return await self._database.read(load)

    async def strip(self, ids: Sequence[RecordingId], person: Person) -> None:
        """Take the person out of recordings that stay. What is held by now stays as it is. Safe to repeat."""

        def strip(tx: sa.Connection) -> None:
            lock = sa.select(recordings.c.id).order_by(recordings.c.id).with_for_update()
            for piece in pieces(sorted(ids)):
                tx.execute(lock.where(recordings.c.id.in_(piece)))
            held = held_among(tx, ids)
            free = [one for one in ids if one not in held]
            for piece in pieces(free):
                _strip(tx, piece, person)
            reindex(tx, free)

        await self._database.write(strip)

    async def digest_key(self, fresh: bytes) -> bytes:
        """Return the key of digests; where there is none yet, `fresh` becomes it."""

        def keep(tx: sa.Connection) -> bytes:
            add = self._database.insert(digest_keys).values(name=KEY, key=fresh)
            tx.execute(add.on_conflict_do_nothing(index_elements=["name"]))
            return bytes(tx.execute(sa.select(digest_keys.c.key).where(digest_keys.c.name == KEY)).scalar_one())

        return await self._database.write(keep)

    async def replace_digest_key(self, key: bytes) -> None:
        """Take the bucket's key: it is that of the tombstones there."""
        await self._database.write(
            lambda tx: tx.execute(sa.update(digest_keys).where(digest_keys.c.name == KEY).values(key=key))
        )

    async def bury(self, tombstones: Sequence[PersonTombstone]) -> None:
        """Note erased persons; safe to repeat."""
        rows = [
            {"digest": one.digest, "erased_at": one.erased_at, "also_attended": one.also_attended} for one in tombstones
        ]
        if rows:
            add = self._database.insert(erased_persons).on_conflict_do_nothing(index_elements=["digest"])
            await self._database.write(lambda tx: tx.execute(add, rows))

    async def come_again(self, key: bytes) -> list[tuple[Person, bool]]:
        """Return erased persons whom the index names again, and whether what they attended goes too."""

        def read(tx: sa.Connection) -> list[tuple[Person, bool]]:
            c = erased_persons.c
            erased = {row.digest: row.also_attended for row in tx.execute(sa.select(c.digest, c.also_attended))}
            if not erased:
                return []
            named = {one: erased[digest] for one in _everybody(tx) if (digest := digest_of(key, one)) in erased}
            return [(_find(tx, one), also_attended) for one, also_attended in named.items()]

        return await self._database.read(read)

    async def kept(self, person: Person) -> list[KeptPlace]:
        """Return what the index has of the person, the oldest recording first."""

        def read(tx: sa.Connection) -> list[KeptPlace]:
            ids = _ids(tx, [sa.select(recordings.c.id).where(_is_host(recordings, person)), *_beside(person)])
            found = sorted(load_by_id(tx, ids), key=lambda one: (one.vendor.created_at or one.first_seen_at, one.id))
            return [kept for one in found for kept in _kept_in(one, person)]

        return await self._database.read(read)


def _find(tx: sa.Connection, asked: int | str) -> Person:
    r, a = recordings.c, attendees.c
    if isinstance(asked, int):
        hosts = sa.select(*(r[name] for name in _HOST)).where(r.host_id == asked).distinct()
        invited = sa.select(a.user_id, a.email).where(a.user_id == asked).distinct()
    else:
        asked = asked.strip().casefold()
        hosts = sa.select(*(r[name] for name in _HOST)).where(sa.func.lower(r.host_email) == asked).distinct()
        invited = sa.select(a.user_id, a.email).where(sa.func.lower(a.email) == asked).distinct()
    rows, beside = tx.execute(hosts).all(), tx.execute(invited).all()
    ids = {row.host_id for row in rows} | {row.user_id for row in beside}
    emails = {row.host_email for row in rows} | {row.email for row in beside}
    if isinstance(asked, int):
        ids.add(asked)
    else:
        emails.add(asked)
        known = sa.select(*(r[name] for name in _HOST)).where(r.host_id.in_([one for one in ids if one is not None]))
        rows = [*rows, *tx.execute(known.distinct()).all()]
    texts = {text for row in rows for text in (row.host_login, row.host_name)}
    return Person(
        user_ids=frozenset(one for one in ids if one is not None),
        emails=frozenset(one.strip().casefold() for one in emails if one),
        texts=frozenset(one.strip().casefold() for one in texts if one and one.strip()),
    )


def _is_host(table: sa.Table, person: Person) -> sa.ColumnElement[bool]:
    c = table.c
    return sa.or_(c.host_id.in_(person.user_ids), sa.func.lower(c.host_email).in_(person.emails))


def _is_invited(person: Person) -> sa.ColumnElement[bool]:
    c = attendees.c
    return sa.or_(c.user_id.in_(person.user_ids), sa.func.lower(c.email).in_(person.emails))


def _beside(person: Person) -> list[sa.Select[Any]]:
    return [
        sa.select(participants.c.recording_id).where(participants.c.user_id.in_(person.user_ids)),
        sa.select(attendees.c.recording_id).where(_is_invited(person)),
        sa.select(candidate_meetings.c.recording_id).where(_is_host(candidate_meetings, person)),
    ]


def _ids(tx: sa.Connection, queries: Sequence[sa.Select[Any]]) -> list[RecordingId]:
    return sorted({RecordingId(one) for query in queries for one in tx.execute(query).scalars()})


def _strip(tx: sa.Connection, ids: Collection[str], person: Person) -> None:
    c = candidate_meetings.c
    tx.execute(
        sa.delete(participants).where(participants.c.recording_id.in_(ids), participants.c.user_id.in_(person.user_ids))
    )
    tx.execute(sa.delete(attendees).where(attendees.c.recording_id.in_(ids), _is_invited(person)))
    theirs = sa.update(candidate_meetings).where(c.recording_id.in_(ids), _is_host(candidate_meetings, person))
    tx.execute(theirs.values(dict.fromkeys(_HOST)))


def _everybody(tx: sa.Connection) -> Iterator[int | str]:
    """Yield every id and e-mail that the index names."""
    for column in (recordings.c.host_id, participants.c.user_id, attendees.c.user_id, candidate_meetings.c.host_id):
        yield from tx.execute(sa.select(column).where(column.is_not(None)).distinct()).scalars()
    for text in (recordings.c.host_email, attendees.c.email, candidate_meetings.c.host_email):
        for email in tx.execute(sa.select(text).where(text.is_not(None)).distinct()).scalars():
            yield email.strip().casefold()


def _kept_in(one: Recording, person: Person) -> Iterator[KeptPlace]:
    def kept(role: str, **says: Any) -> KeptPlace:
        told = {
            "meeting_id": one.meeting.id,
            "meeting_name": one.meeting.name,
            "recording_state": one.state.value,
        } | says
        if one.archive is not None:
            told["key"] = one.archive.key
        return KeptPlace(where="recording", id=one.id, role=role, recording_id=one.id, says=told)

    host = one.host
    if person.is_user(host.id or -1) or (host.email or "").casefold() in person.emails:
        yield kept("host", id=host.id, name=host.name, login=host.login, email=host.email)
    for user_id in one.vendor.participant_ids:
        if person.is_user(user_id):
            yield kept("participant", id=user_id)
    for invited in one.attendees:
        if person.is_user(invited.id or -1) or (invited.email or "").casefold() in person.emails:
            yield kept("attendee", id=invited.id, email=invited.email)
