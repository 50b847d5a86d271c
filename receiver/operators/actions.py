"""What an operator may do to a recording, by whatever surface: every change, and every URL given out, is logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import WrongStateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from receiver.catalogue import Catalogue
    from receiver.records import Recording, RecordingId
    from receiver.settings import OpsToken

_log = logs.get("operators")


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """Each raises `NotFoundError` or, where the state forbids it, `WrongStateError`; `by` is who asked.

    `presign` gives a URL good for at most 15 minutes.
    """

    catalogue: Catalogue
    presign: Callable[[Recording], Awaitable[str]]
    wake: Callable[[], None]
    clock: Callable[[], datetime]

    async def retry(self, recording_id: RecordingId, by: OpsToken) -> Recording:
        """Have the recording tried anew, at once."""
        recording = await self.catalogue.retry(recording_id, now=self.clock())
        self.wake()
        return _noted("recording_retried", recording, by)

    async def cancel(self, recording_id: RecordingId, by: OpsToken) -> Recording:
        """Take the recording out of work."""
        return _noted("recording_cancelled", await self.catalogue.cancel(recording_id, now=self.clock()), by)

    async def hold(self, recording_id: RecordingId, by: OpsToken) -> Recording:
        """Have retention and erasure leave the recording alone until it is released; safe to repeat."""
        return _noted("recording_held", await self.catalogue.set_hold(recording_id, True), by)

    async def release(self, recording_id: RecordingId, by: OpsToken) -> Recording:
        """Lift the hold; safe to repeat."""
        return _noted("recording_released", await self.catalogue.set_hold(recording_id, False), by)

    async def download_url(self, recording_id: RecordingId, by: OpsToken) -> str:
        """Return a URL of the team's bucket; every one is logged, without its text."""
        recording = await self.catalogue.recording(recording_id)
        if recording.archive is None:
            raise WrongStateError(
                f"recording {recording.id} is {recording.state}", "only an archived one can be downloaded"
            )
        url = await self.presign(recording)
        _noted("download_url_issued", recording, by)
        return url


def _noted(event: str, recording: Recording, by: OpsToken) -> Recording:
    _log.info(event, recording_id=recording.id, token_name=by.name)
    return recording
