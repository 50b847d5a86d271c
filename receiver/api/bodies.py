"""The API's JSON: wire models of the records, field by field as documented."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from receiver.records import ID_PATTERN, Fixity, State, UrlOrigin, Via

if TYPE_CHECKING:
    from receiver.operators import FoundMeeting
    from receiver.records import Page, Recording


class Body(BaseModel):
    """Base of the wire models. Times leave as ISO 8601 in UTC with Z; a number that is not finite leaves as null."""

    model_config = ConfigDict(frozen=True, from_attributes=True, ser_json_inf_nan="null")


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

    @classmethod
    def of(cls, recording: Recording) -> MeetingBody:
        """Make the body of a recording's meeting."""
        known = recording.meeting
        return cls(
            id=known.id,
            name=known.name,
            start_date=known.start_date,
            end_date=known.end_date,
            attendees=tuple(InvitedBody.model_validate(one) for one in recording.attendees),
        )


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
    url_origin: UrlOrigin | None
    first_seen: FirstSeenBody

    @classmethod
    def of(cls, recording: Recording) -> RecordingBody:
        """Make the body of a record."""
        r, stored = recording, recording.archive
        return cls(
            id=r.id,
            meeting=MeetingBody.of(r),
            host=HostBody.model_validate(r.host),
            **{one.name: getattr(r.vendor, one.name) for one in fields(r.vendor)},
            state=r.state,
            attempts=r.attempts,
            next_attempt_at=r.next_attempt_at,
            error=ErrorBody.model_validate(r.error) if r.error else None,
            archive=stored
            and ArchiveBody(
                bucket=stored.bucket,
                key=stored.key,
                file_version=stored.version,
                version_id=stored.version_id,
                size_bytes=stored.size_bytes,
                sha256=stored.sha256,
                checksum=stored.checksum,
                content_type=stored.content_type,
                archived_at=r.archived_at,
                verified_at=r.verified_at,
                fixity=r.fixity,
                incomplete=stored.incomplete,
                proof=ProofBody.model_validate(stored.proof) if stored.proof else None,
            ),
            transfer=TransferBody.model_validate(r.transfer) if r.transfer else None,
            hold=r.hold,
            url_origin=r.url_origin,
            first_seen=FirstSeenBody(via=r.first_seen_via, at=r.first_seen_at),
        )


class RecordingsBody(Body):
    """A page of recordings; `next` is the cursor of the following one."""

    items: tuple[RecordingBody, ...]
    next: str | None

    @classmethod
    def of(cls, page: Page[Recording]) -> RecordingsBody:
        """Make the body of a page."""
        return cls(items=tuple(RecordingBody.of(r) for r in page.items), next=page.next_cursor)


class MeetingRecordingsBody(MeetingBody):
    """A meeting as its newest recording has it, and a page of its recordings, newest first."""

    host: HostBody
    recordings: tuple[RecordingBody, ...]
    next: str | None

    @classmethod
    def found(cls, found: FoundMeeting) -> MeetingRecordingsBody:
        """Make the body of a meeting."""
        return cls(
            **dict(MeetingBody.of(found.newest)),
            host=HostBody.model_validate(found.newest.host),
            recordings=tuple(RecordingBody.of(r) for r in found.page.items),
            next=found.page.next_cursor,
        )


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
