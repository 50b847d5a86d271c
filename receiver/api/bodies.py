"""The API's JSON: wire models of the records, field by field as documented."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from receiver.records import ID_PATTERN, Fixity, State, UrlOrigin, VendorFacts, Via

if TYPE_CHECKING:
    from receiver.operators import FoundMeeting
    from receiver.records import Page, Recording, StoredFile


class Body(BaseModel):
    """Base of the wire models. Times leave as ISO 8601 in UTC with Z; a number that is not finite leaves as null."""

    # each is built when it is first used: together they take 0.4 MB of a process that nobody asks anything
    model_config = ConfigDict(frozen=True, from_attributes=True, ser_json_inf_nan="null", defer_build=True)


class InvitedBody(Body):
    """Somebody who was invited, by user id, e-mail or both."""

    id: int | None
    email: str | None


class MeetingBody(Body):
    """The meeting that was recorded, and who was invited to it as far as deliveries said."""

    id: str
    name: str | None
    start_date: datetime | None
    end_date: datetime | None
    attendees: tuple[InvitedBody, ...]


class HostBody(Body):
    """Who created the meeting."""

    id: int | None
    name: str | None
    login: str | None
    email: str | None


class ErrorBody(Body):
    """Why the last run failed."""

    code: str
    message: str
    at: datetime


class ProofBody(Body):
    """How the copy was proven: by which value, who compared the bytes with it (`store` or `read_back`), and when."""

    method: str
    algorithm: str
    value: str
    verified_by: str
    at: datetime | None


class ArchiveBody(Body):
    """Where the proven copy lies. `checksum` is the store's, `sha256` our own.

    `file_version` is 1, and higher where the key held another file already: the earlier ones lie beside this one.
    `incomplete` says what the file lacks by its own word: its end, or what a player needs.
    `fixity` is how its bytes were found when they were last read again, `verified_at` when they were last found intact.
    """

    bucket: str
    key: str
    file_version: int
    version_id: str | None
    size_bytes: int
    sha256: str
    checksum: str
    content_type: str
    archived_at: datetime | None
    verified_at: datetime | None
    fixity: Fixity | None
    incomplete: str | None
    proof: ProofBody | None


class TransferBody(Body):
    """How far the upload is. `bytes_done` lie in the store; rate and time left are known while a run sends.

    `read_back_bytes` of them were read back, where that is what proves the copy.
    """

    bytes_done: int
    size_bytes: int
    rate_bytes_s: float | None
    eta_s: float | None
    read_back_bytes: int | None


class FirstSeenBody(Body):
    """How and when the recording became known."""

    via: Via
    at: datetime


class RecordingBody(Body):
    """One recording."""

    id: str
    meeting: MeetingBody
    host: HostBody
    participant_ids: tuple[int, ...]
    participants_count: int | None
    file_uid: str | None
    duration_s: float | None
    vendor_size: float | None
    created_at: datetime | None
    updated_at: datetime | None
    state: State
    attempts: int
    next_attempt_at: datetime | None
    error: ErrorBody | None
    archive: ArchiveBody | None
    transfer: TransferBody | None
    hold: bool
    expires_at: datetime | None
    url_origin: UrlOrigin | None
    first_seen: FirstSeenBody

    @classmethod
    def of(cls, recording: Recording) -> RecordingBody:
        """Make the body of a record."""
        return cls.model_validate(_shown(recording))

    @classmethod
    def written(cls, recording: Recording) -> bytes:
        """Return the JSON of a record's body; see `RecordingsBody.written`."""
        return to_json(_shown(recording), inf_nan_mode="null")


class RecordingsBody(Body):
    """A page of recordings; `next` is the cursor of the following one."""

    items: tuple[RecordingBody, ...]
    next: str | None

    @classmethod
    def of(cls, page: Page[Recording]) -> RecordingsBody:
        """Make the body of a page."""
        return cls.model_validate(_shown_page(page))

    @classmethod
    def written(cls, page: Page[Recording]) -> bytes:
        """Return the JSON of a page's body as the model writes it, which is not made: that took half of the time."""
        return to_json(_shown_page(page), inf_nan_mode="null")


class MeetingRecordingsBody(MeetingBody):
    """A meeting as its newest recording has it, and a page of its recordings, newest first."""

    host: HostBody
    recordings: tuple[RecordingBody, ...]
    next: str | None

    @classmethod
    def found(cls, found: FoundMeeting) -> MeetingRecordingsBody:
        """Make the body of a meeting."""
        shown = _shown_meeting(found.newest) | {
            "host": found.newest.host,
            "recordings": [_shown(r) for r in found.page.items],
            "next": found.page.next_cursor,
        }
        return cls.model_validate(shown)


def _shown_page(page: Page[Recording]) -> dict[str, Any]:
    return {"items": [_shown(r) for r in page.items], "next": page.next_cursor}


def _shown(recording: Recording) -> dict[str, Any]:
    """Return what the body of a record holds, in the order of its fields."""
    r = recording
    return {
        "id": r.id,
        "meeting": _shown_meeting(r),
        "host": _of(r.host, _HOST),
        **_of(r.vendor, _VENDOR),
        "state": r.state,
        "attempts": r.attempts,
        "next_attempt_at": r.next_attempt_at,
        "error": r.error and _of(r.error, _ERROR),
        "archive": r.archive and _shown_archive(r, r.archive),
        "transfer": r.transfer and _of(r.transfer, _TRANSFER),
        "hold": r.hold,
        "expires_at": r.expires_at,
        "url_origin": r.url_origin,
        "first_seen": {"via": r.first_seen_via, "at": r.first_seen_at},
    }


def _shown_meeting(recording: Recording) -> dict[str, Any]:
    return _of(recording.meeting, _MEETING) | {"attendees": [_of(one, _INVITED) for one in recording.attendees]}


def _shown_archive(recording: Recording, stored: StoredFile) -> dict[str, Any]:
    return {
        "bucket": stored.bucket,
        "key": stored.key,
        "file_version": stored.version,
        "version_id": stored.version_id,
        "size_bytes": stored.size_bytes,
        "sha256": stored.sha256,
        "checksum": stored.checksum,
        "content_type": stored.content_type,
        "archived_at": recording.archived_at,
        "verified_at": recording.verified_at,
        "fixity": recording.fixity,
        "incomplete": stored.incomplete,
        "proof": stored.proof and _of(stored.proof, _PROOF),
    }


def _of(record: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}


_MEETING = ("id", "name", "start_date", "end_date")
_HOST, _INVITED = tuple(HostBody.model_fields), tuple(InvitedBody.model_fields)
_ERROR, _PROOF = tuple(ErrorBody.model_fields), tuple(ProofBody.model_fields)
_TRANSFER = tuple(TransferBody.model_fields)
_VENDOR = tuple(one.name for one in fields(VendorFacts))


class RetryAllBody(Body):
    """Which recordings to try anew: all that did not succeed and whose last run ended with this code."""

    model_config = ConfigDict(extra="forbid")

    error_code: str = Field(pattern=ID_PATTERN)
    dry_run: bool = Field(default=False, strict=True, description="Change nothing; say how many they are.")


class RetriedBody(Body):
    """How many recordings are tried anew, or would be by the same without `dry_run`."""

    error_code: str
    dry_run: bool
    count: int


class StatsBody(Body):
    """How many recordings stand in each state."""

    recordings: dict[State, int]


class ProblemBody(Body):
    """Why a request was refused (RFC 9457). `type` leads to the section that says what to do."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str


class HealthBody(Body):
    """The process lives, or is ready."""

    status: str
