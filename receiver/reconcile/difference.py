"""What a meeting's listing and the catalogue say differently. Pure: no clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver.lifecycle import CLAIMABLE, reopened_by
from receiver.records import State, Via, is_another_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from receiver.records import KnownRecording, ListedRecording

GRACE = timedelta(seconds=30)
"""How old a recording is, by its `created_at`, before no webhook for it is under way any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Listed recordings that the catalogue lacks (`recent` ones aside), and those of it that the listing gainsays.

    `missing` had been given up as missing and are listed; `moved` are in the catalogue under another meeting, and not
    archived; `gone` have an object, work to do or were given up as missing, and are not listed; `changed` are archived,
    and the source has another file or another `updated_at` since, or another meeting.
    """

    lacking: tuple[ListedRecording, ...]
    recent: tuple[ListedRecording, ...]
    missing: tuple[ListedRecording, ...]
    moved: tuple[KnownRecording, ...]
    gone: tuple[KnownRecording, ...]
    changed: tuple[KnownRecording, ...]

    @property
    def lost(self) -> tuple[KnownRecording, ...]:
        """Return those that are gone and were never archived."""
        return tuple(one for one in self.gone if one.state is not State.ARCHIVED)

    @property
    def reopened(self) -> int:
        """Count those that are tried again since they are listed, and where."""
        return len(self.missing) + sum(one.state in reopened_by(Via.RECONCILE, moved=True) for one in self.moved)


def compare(
    known: Iterable[KnownRecording],
    listed: Sequence[ListedRecording],
    *,
    elsewhere: Iterable[KnownRecording] = (),
    now: datetime,
    grace: timedelta,
) -> Difference:
    """Compare the catalogue's recordings of a meeting, read before it was listed, with its listing.

    `elsewhere` are listed ones that the catalogue has under other meetings.
    """
    rows = {one.id: one for one in known}
    others = {one.id: one for one in elsewhere}
    here = {one.id: one for one in listed}
    lacking = [one for one in listed if one.id not in rows and one.id not in others]
    return Difference(
        lacking=tuple(one for one in lacking if not _is_recent(one, now, grace)),
        recent=tuple(one for one in lacking if _is_recent(one, now, grace)),
        missing=tuple(one for one in listed if one.id in rows and rows[one.id].state is State.MISSING),
        gone=tuple(
            row
            for row in rows.values()
            if row.id not in here
            and (row.state in {State.ARCHIVED, State.MISSING} or row.state in CLAIMABLE)
            and row.first_seen_at <= now - grace
        ),
        moved=tuple(row for row in others.values() if row.state not in {State.ARCHIVED, State.ERASED}),
        changed=(
            *(
                row
                for row in rows.values()
                if row.state is State.ARCHIVED and row.id in here and is_another_file(here[row.id].vendor, row)
            ),
            *(row for row in others.values() if row.state is State.ARCHIVED),
        ),
    )


def _is_recent(one: ListedRecording, now: datetime, grace: timedelta) -> bool:
    # a time in the future is a clock that is off, and no reason to wait for it
    created_at = one.vendor.created_at
    return created_at is not None and abs(now - created_at) < grace
