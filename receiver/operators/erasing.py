"""What an admin may have erased, by API or page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import HeldError
from receiver.operators.actions import actor_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from receiver.catalogue import Certificates
    from receiver.records import Actor, Certificate, RecordingId, Remaining
    from receiver.settings import OpsToken

_log = logs.get("operators")


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseActions:
    """`take_out` erases a recording, whatever its state, for somebody and a reason, unless it is held.

    `remains` is what no erasure here reaches.
    """

    take_out: Callable[[RecordingId, Actor, str], Awaitable[Certificate]]
    certificates: Certificates
    remains: Sequence[Remaining]

    async def erase(self, recording_id: RecordingId, reason: str, by: OpsToken) -> Certificate:
        """Erase a recording for good; what the store kept is in the certificate. Safe to repeat.

        Raises `NotFoundError`, `HeldError` where a hold keeps it, `ReasonError` for a reason that cannot be kept.
        """
        certificate = await self.take_out(recording_id, actor_of(by), reason)
        if holds := certificate.held.get(recording_id):
            named = ", ".join(str(hold.id) for hold in holds)
            raise HeldError(f"recording {recording_id} is on hold ({named})")
        _log.info("erasure_asked", recording_id=recording_id, certificate_id=certificate.id, token_name=by.name)
        return certificate
