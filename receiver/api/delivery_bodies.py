"""The JSON of deliveries: wire models of the records, field by field as documented."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from receiver.api.bodies import Body
from receiver.records import DeliveryStatus, State

if TYPE_CHECKING:
    from receiver.records import Delivery, Page, Replayed


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
