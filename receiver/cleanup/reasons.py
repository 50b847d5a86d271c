"""Why a meeting's recordings stay at the source. Pure: no clock, no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from receiver.records import Fixity, NotedObject, State, is_another_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from receiver.records import ListedRecording, ObjectHead, Recording


class Kept(StrEnum):
    """`not_archived` and `changed` are reconciliation's to fetch or to tell of."""

    OBJECT_MISSING = "object_missing"
    """The bucket lacks an archived recording's object."""
    OBJECT_DIFFERS = "object_differs"
    """The object has not the size and checksum that were proven."""
    UNREADABLE = "unreadable"
    """The source's listing could not be had or read."""
    UNKNOWN_MEETING = "unknown_meeting"
    """The source knows no such meeting: it was deleted there, or the key is another account's."""
    NOT_ARCHIVED = "not_archived"
    """A recording is listed that has no archived row."""
    INCOMPLETE = "incomplete"
    """An archived file is cut or cannot be played: the source's may be all that a mended one can come from."""
    CHANGED = "changed"
    """The source has another file than the archived one, or a newer one."""
    INTERVENED = "intervened"
    """A row of the meeting was changed while it was looked at: a hold, or a new recording."""


BAD = frozenset({Kept.OBJECT_MISSING, Kept.OBJECT_DIFFERS, Kept.UNREADABLE})
"""What somebody must look at."""


def of_object(recording: Recording, head: ObjectHead | None) -> Kept | None:
    """Return why an archived recording's object is no proof, or None."""
    stored = recording.archive
    if stored is None or head is None:
        return Kept.OBJECT_MISSING
    if recording.fixity not in {None, Fixity.INTACT}:  # what the store says of it is no word on its bytes
        return Kept.OBJECT_DIFFERS
    proven = NotedObject(key=stored.key, size_bytes=stored.size_bytes, checksum=stored.checksum)
    return None if proven.matches(head) else Kept.OBJECT_DIFFERS


def of_listing(rows: Sequence[Recording], listed: Sequence[ListedRecording]) -> Kept | list[Recording]:
    """Return the rows of what the source lists, or why it must stay there; what is erased here may go there too."""
    archived = {row.id: row for row in rows if row.state is State.ARCHIVED}
    erased = {row.id: row for row in rows if row.state is State.ERASED}
    for one in listed:
        if one.id in erased:
            continue
        if one.id not in archived:
            return Kept.NOT_ARCHIVED
        if is_another_file(one.vendor, archived[one.id].vendor):
            return Kept.CHANGED
        if (stored := archived[one.id].archive) is not None and stored.incomplete is not None:
            return Kept.INCOMPLETE
    return [(archived | erased)[one.id] for one in listed]
