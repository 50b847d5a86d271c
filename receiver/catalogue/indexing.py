"""How recordings are found: the tokens of each, and where it stands in their postings.

A row's `search_text` holds its tokens, `place` says where it stands; the postings follow from both. They are written
with the row, or soon afterwards (`index_left`) where a release before the postings wrote it.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue import words
from receiver.catalogue.deliveries import pieces
from receiver.catalogue.rows import load_attendees, load_participants
from receiver.tables import recordings
from receiver.tables.postings import add_postings, remove_postings, tokens_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from receiver.records import Attendee, RecordingFacts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPREAD_BITS = 21
_LAST_MS = (1 << 42) - 1  # in 2109
_TEXTS = ("meeting_name", "host_name", "host_login", "host_email")
_ROW_ID = recordings.c.id == sa.bindparam("row_id")
_UPDATE = sa.update(recordings).where(_ROW_ID)
_UPDATE = _UPDATE.values(place=sa.bindparam("new_place"), search_text=sa.bindparam("new_text"))


def first_place(created_at: datetime) -> int:
    """Return the least place of recordings of this millisecond; later ones have greater places."""
    since = created_at - _EPOCH
    ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    return min(max(ms, 0), _LAST_MS) << _SPREAD_BITS


def last_place(created_at: datetime) -> int:
    """Return the greatest place of recordings of this millisecond."""
    return first_place(created_at) | ((1 << _SPREAD_BITS) - 1)


def place_of(created_at: datetime, recording_id: str) -> int:
    """Return where a recording stands; very few of one millisecond share a place, which costs a look at their rows."""
    return first_place(created_at) | (zlib.crc32(recording_id.encode()) & ((1 << _SPREAD_BITS) - 1))


def text_of_facts(facts: RecordingFacts) -> str:
    """Return the `search_text` of a new recording's row."""
    host = facts.host
    return search_text(
        (facts.meeting.name, host.name, host.login, host.email), facts.vendor.participant_ids, facts.attendees or ()
    )


def search_text(texts: Sequence[str | None], taking_part: Sequence[int], invited: Sequence[Attendee]) -> str:
    """Return all tokens of a recording, each between spaces."""
    found = words.tokens((*texts, *(one.email for one in invited)))
    people = [words.participant(user_id).token for user_id in taking_part]
    people += [words.attendee(key).token for one in invited for key in (one.id, one.email) if key is not None]
    return f" {' '.join((*found, *dict.fromkeys(people)))} "


def index_new(tx: sa.Connection, rows: Sequence[dict[str, Any]], new: Collection[str]) -> None:
    """Write the postings of those of the rows that are new."""
    add_postings(tx, [(r["place"], r["search_text"]) for r in rows if r["id"] in new])


def reindex(tx: sa.Connection, ids: Sequence[str]) -> None:
    """Bring tokens, places and postings of these rows up to date, after anything that they follow from has changed."""
    names = ("id", "created_at", "place", "search_text", *_TEXTS)
    for piece in pieces(ids):
        found = tx.execute(sa.select(*(recordings.c[n] for n in names)).where(recordings.c.id.in_(piece))).all()
        taking_part, invited = load_participants(tx, piece), load_attendees(tx, piece)
        updates, gone, added = [], [], []
        for row in found:
            texts = [row._mapping[name] for name in _TEXTS]  # noqa: SLF001  (SQLAlchemy's public name)
            text = search_text(texts, taking_part.get(row.id, ()), invited.get(row.id, ()))
            place = place_of(row.created_at, row.id)
            if (row.place, row.search_text) == (place, text):
                continue
            updates.append({"row_id": row.id, "new_place": place, "new_text": text})
            added.append((place, text))
            if row.place is not None:
                gone.append((row.place, row.search_text))
        if updates:
            tx.execute(_UPDATE, updates)
            _replace(tx, gone, added)


def _replace(tx: sa.Connection, gone: list[tuple[int, str]], added: list[tuple[int, str]]) -> None:
    kept = {(place, token) for place, text in added for token in tokens_of(text)}
    unwanted = [(place, t) for place, text in gone for t in tokens_of(text) if (place, t) not in kept]
    if unwanted:
        remove_postings(tx, unwanted)
        places = sorted({place for place, _ in unwanted})
        for piece in pieces(places):  # of others that share such a place
            query = sa.select(recordings.c.place, recordings.c.search_text).where(recordings.c.place.in_(piece))
            added = [*added, *((row.place, row.search_text) for row in tx.execute(query))]
    add_postings(tx, added)


def index_left(tx: sa.Connection, most: int) -> int:
    """Index up to `most` rows that are not yet; return how many there were. Killed, it goes on where it was."""
    query = sa.select(recordings.c.id).where(recordings.c.place.is_(None)).limit(most).with_for_update(skip_locked=True)
    ids = list(tx.execute(query).scalars())
    reindex(tx, ids)
    return len(ids)


def count_left(tx: sa.Connection) -> int:
    """Count the rows that are not indexed yet."""
    return tx.execute(sa.select(sa.func.count()).where(recordings.c.place.is_(None))).scalar_one()
