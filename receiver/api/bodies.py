"""The API's JSON: wire models of the records, field by field as documented."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from receiver.records import DeliveryStatus, Fixity, State, UrlOrigin, Via

if TYPE_CHECKING:
    from receiver.records import Delivery, Page, Recording, Replayed


class Body(BaseModel):
    """Base of the wire models. Times leave as ISO 8601 in UTC with Z; a number that is not finite leaves as null."""

    model_config = ConfigDict(frozen=True, from_attributes=True, ser_json_inf_nan="null")


class MeetingBody(Body):
    """The meeting that was recorded."""

    id: str
    name: str | None
    start_date: datetime | None
    end_date: datetime | None


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
            meeting=MeetingBody.model_validate(r.meeting),
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


class RejectedBody(Body):
    """A record of a delivery that could not be used."""

    index: int
    errors: tuple[str, ...]


class DeliveryBody(Body):
    """One stored POST. `recordings` are the ids it named; `body_bytes` and `body_sha256` are of the body as sent.

    A listing names the first recordings and rejected records only, the counts are of all. `reason` says why nothing of
    it could be used.
    """

    id: str
    received_at: datetime
    status: DeliveryStatus
    body_sha256: str
    body_bytes: int
    recordings: tuple[str, ...]
    recordings_count: int
    rejected: tuple[RejectedBody, ...]
    rejected_count: int
    reason: str | None
    body: str | None
    """The text with URL signatures blanked; null in listings and for viewers, since it names people."""

    @classmethod
    def of(cls, delivery: Delivery, *, with_body: bool) -> DeliveryBody:
        """Make the body of a record."""
        raw = delivery.body if with_body else None
        return cls(
            id=delivery.id,
            received_at=delivery.received_at,
            status=delivery.status,
            body_sha256=delivery.body_sha256,
            body_bytes=delivery.body_bytes,
            recordings=delivery.recording_ids,
            recordings_count=delivery.recordings_count,
            rejected=tuple(RejectedBody.model_validate(record) for record in delivery.rejected),
            rejected_count=delivery.rejected_count,
            reason=delivery.reason,
            body=raw.decode("utf-8", "replace") if raw is not None else None,
        )


class TakenBody(Body):
    """A recording that a delivery named, and its state now."""

    id: str
    state: State


class ReplayBody(Body):
    """A stored delivery that was taken in again, in the webhook's own shape; `note` says what it cannot bring back."""

    delivery_id: str
    recordings: tuple[TakenBody, ...]
    rejected: tuple[RejectedBody, ...]
    note: str | None

    @classmethod
    def of(cls, replayed: Replayed) -> ReplayBody:
        """Make the body of a record."""
        accepted = replayed.accepted
        return cls(
            delivery_id=accepted.delivery_id,
            recordings=tuple(TakenBody(id=one, state=state) for one, state in accepted.recordings),
            rejected=tuple(RejectedBody.model_validate(record) for record in accepted.rejected),
            note=replayed.note,
        )


class DeliveriesBody(Body):
    """A page of deliveries, newest first."""

    items: tuple[DeliveryBody, ...]
    next: str | None

    @classmethod
    def of(cls, page: Page[Delivery]) -> DeliveriesBody:
        """Make the body of a page."""
        return cls(items=tuple(DeliveryBody.of(d, with_body=False) for d in page.items), next=page.next_cursor)


class StatsBody(Body):
    """How many recordings stand in each state."""

    recordings: dict[State, int]


class HealthBody(Body):
    """The process lives, or is ready."""

    status: str
