"""An erasure: what it is to delete, what it did, and what is left of it where this service cannot reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from receiver.records.kinds import MeetingId

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from receiver.records.acts import Actor
    from receiver.records.holds import Hold
    from receiver.records.kinds import RecordingId
    from receiver.records.objects import OpenUpload

UNFINISHED = "erasure_unfinished"
"""The error code of an erased recording whose files are not deleted yet, with what stood in the way."""


class Scope(StrEnum):
    """What an erasure was asked for."""

    RECORDING = "recording"
    MEETING = "meeting"
    PERSON = "person"
    RECORDINGS = "recordings"
    """Several by their ids, as a schedule asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureOrder:
    """Who asked for an erasure, when and why, and under which certificate it is told of."""

    certificate_id: str
    by: Actor
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FileVersion:
    """An object or manifest in the bucket; `version_id` is None where the bucket keeps none or it is not known."""

    key: str
    version_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasing:
    """One recording's erasure under way: nothing personal is in its row any more.

    `stems` are what its files' keys begin with, up to the dot of the extension; `files` those that the row knew, and
    `uploads` what a run noted; None where no run had work with it. `is_done`: it was ended once, and its files are
    looked for once more, since a run or a repair may have been about to store one. `retained`: the store was told to
    keep one of them for a time.
    """

    recording_id: RecordingId
    meeting_id: MeetingId
    certificate_id: str
    reason: str
    actor: str
    begun_at: datetime
    stems: tuple[str, ...]
    files: tuple[FileVersion, ...]
    uploads: tuple[OpenUpload, ...] | None
    is_done: bool = False
    retained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What stays of an erased recording in the bucket, so that no path takes it in again."""

    recording_id: RecordingId
    meeting_id: MeetingId
    erased_at: datetime
    reason: str

    @classmethod
    def unreadable(cls, recording_id: RecordingId, *, at: datetime) -> Tombstone:
        """Make one of which nothing but the key can be read, which says enough."""
        unknown = MeetingId("unknown")
        return cls(recording_id=recording_id, meeting_id=unknown, erased_at=at, reason="its tombstone cannot be read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What became of one recording: its `files` were deleted, or `refused_because` says why some are not.

    `bodies`: how many deliveries' bodies were emptied or rewritten without it.
    """

    recording_id: RecordingId
    files: tuple[FileVersion, ...] = ()
    bodies: int = 0
    refused_because: str | None = None


@dataclass(frozen=True, slots=True)
class Remaining:
    """What may be left `where`, and the `command` that ends it, "" where time alone does."""

    where: str
    what: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What an erasure did. It names ids, keys, versions and times, and nobody but who asked for it.

    `value` is the id that was asked for, of a person the digest. `before` were erased already. `counts` are what else
    was changed, by name.
    """

    id: str
    at: datetime
    actor: str
    reason: str
    scope: Scope
    value: str
    recordings: tuple[Erased, ...] = ()
    before: tuple[RecordingId, ...] = ()
    held: Mapping[RecordingId, tuple[Hold, ...]]
    remains: tuple[Remaining, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Tell whether neither a hold nor the store kept anything."""
        return not self.held and all(one.refused_because is None for one in self.recordings)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSummary:
    """A certificate as it is kept: how many recordings, how many of them are `done`, versions and bodies."""

    id: str
    at: datetime
    actor: str
    reason: str
    recordings: int
    done: int
    versions: int
    bodies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateLine:
    """One recording of it; `done_at` is None while the store keeps some of its files, as `refused_because` says."""

    recording_id: RecordingId
    done_at: datetime | None
    versions: int
    bodies: int
    refused_because: str | None
