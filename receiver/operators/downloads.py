"""URLs of the team's bucket for operators: every one given out goes on record before it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import WrongStateError
from receiver.records import Action

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from receiver.catalogue import Catalogue
    from receiver.records import Recording, RecordingId
    from receiver.settings import OpsToken

_log = logs.get("operators")


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloads:
    """`presign` gives a URL good for at most 15 minutes; `note` puts on record that it was given."""

    catalogue: Catalogue
    presign: Callable[[Recording], Awaitable[str]]
    note: Callable[[Action, str, OpsToken], Awaitable[None]]

    async def url(self, recording_id: RecordingId, by: OpsToken, *, to_play: bool = False) -> str:
        """Return a URL of the recording's file, on record without its text, as one `to_play` it on the page or not.

        Raises `NotFoundError`, or `WrongStateError` where nothing is archived.
        """
        recording = await self.catalogue.recording(recording_id)
        if recording.archive is None:
            raise WrongStateError(
                f"recording {recording.id} is {recording.state}", "only an archived one can be downloaded"
            )
        url = await self.presign(recording)
        await self.note(Action.PLAYED if to_play else Action.URL_ISSUED, recording.id, by)
        _log.info("download_url_issued", recording_id=recording.id, token_name=by.name)
        return url
