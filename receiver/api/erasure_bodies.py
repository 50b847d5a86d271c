"""The JSON of erasures: what is asked, and the certificate."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from receiver.api.bodies import Body
from receiver.records import Scope

if TYPE_CHECKING:
    from receiver.records import Certificate


class FileVersionBody(Body):
    """An object or manifest that was deleted; `version_id` is `null` in a bucket that keeps no versions."""

    key: str
    version_id: str | None


class ErasedBody(Body):
    """One recording: the versions of its files that were deleted, how many bodies of deliveries were changed.

    `refused_because` says why its files are not all deleted; the service goes on trying.
    """

    recording_id: str
    files: tuple[FileVersionBody, ...]
    bodies: int
    refused_because: str | None


class HeldBody(Body):
    """A recording that stayed, and the ids of the holds that keep it."""

    recording_id: str
    holds: tuple[int, ...]


class RemainingBody(Body):
    """What may be left where the service cannot reach, and the command that ends it."""

    where: str
    what: str
    command: str


class CertificateBody(Body):
    """What an erasure did. It names nobody but who asked for it; of a person `value` is the digest."""

    id: str
    at: datetime
    actor: str
    reason: str
    scope: Scope
    value: str
    complete: bool
    recordings: tuple[ErasedBody, ...]
    erased_before: tuple[str, ...]
    held: tuple[HeldBody, ...]
    counts: dict[str, int]
    remains: tuple[RemainingBody, ...]

    @classmethod
    def of(cls, made: Certificate) -> CertificateBody:
        """Copy a certificate."""
        refused = sum(one.refused_because is not None for one in made.recordings)
        counts = {
            "erased": len(made.recordings) - refused,
            "refused": refused,
            "held": len(made.held),
            "versions": sum(len(one.files) for one in made.recordings),
            "bodies": sum(one.bodies for one in made.recordings),
        }
        return cls(
            id=made.id,
            at=made.at,
            actor=made.actor,
            reason=made.reason,
            scope=made.scope,
            value=made.value,
            complete=made.is_complete,
            recordings=tuple(ErasedBody.model_validate(one) for one in made.recordings),
            erased_before=made.before,
            held=tuple(
                HeldBody(recording_id=one, holds=tuple(hold.id for hold in holds)) for one, holds in made.held.items()
            ),
            counts={**counts, **made.counts},
            remains=tuple(RemainingBody.model_validate(one) for one in made.remains),
        )
