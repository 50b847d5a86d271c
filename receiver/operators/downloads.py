"""URLs of the team's bucket for operators: every one given out is logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import WrongStateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from receiver.catalogue import Catalogue
    from receiver.records import Recording, RecordingId
    from receiver.settings import OpsToken

_log = logs.get("operators")


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloads:
    """`presign` gives a URL good for at most 15 minutes."""

    catalogue: Catalogue
    presign: Callable[[Recording], Awaitable[str]]

    async def url(self, recording_id: RecordingId, by: OpsToken) -> str:
        """Return a URL of the recording's file, and log that it was given out, without its text.

        Raises `NotFoundError`, or `WrongStateError` where nothing is archived.
        """
        recording = await self.catalogue.recording(recording_id)
        if recording.archive is None:
            raise WrongStateError(
                f"recording {recording.id} is {recording.state}", "only an archived one can be downloaded"
            )
        url = await self.presign(recording)
        _log.info("download_url_issued", recording_id=recording.id, token_name=by.name)
        return url
