"""Handlers of `/api/recordings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver import logs
from receiver.api import answers
from receiver.api.bodies import RecordingBody, RecordingsBody
from receiver.api.query import recordings_query
from receiver.errors import WrongStateError

if TYPE_CHECKING:
    from starlette.responses import Response

    from receiver.api.parts import Call
    from receiver.records import Recording

_log = logs.get("api")


async def page(call: Call) -> Response:
    """`GET /api/recordings`."""
    asked = recordings_query(call.request.query_params.multi_items())
    found = await call.parts.catalogue.page(asked.filters, sort=asked.sort, limit=asked.limit, cursor=asked.cursor)
    return answers.json(RecordingsBody.of(found), answers.next_link(call.request, found.next_cursor))


async def show(call: Call) -> Response:
    """`GET /api/recordings/{id}`."""
    return answers.json(RecordingBody.of(await call.parts.catalogue.recording(call.recording_id)))


async def download(call: Call) -> Response:
    """`GET /api/recordings/{id}/download`: to the team's bucket; every URL given out is logged, without its text."""
    recording = await call.parts.catalogue.recording(call.recording_id)
    if recording.archive is None:
        raise WrongStateError(f"recording {recording.id} is {recording.state}; only an archived one can be downloaded")
    url = await call.parts.presign(recording)
    _log.info("download_url_issued", recording_id=recording.id, token_name=call.token.name)
    return answers.redirect(url)


async def retry(call: Call) -> Response:
    """`POST /api/recordings/{id}/retry`."""
    recording = await call.parts.catalogue.retry(call.recording_id, now=call.parts.clock())
    call.parts.wake()
    return _changed(call, "recording_retried", recording)


async def cancel(call: Call) -> Response:
    """`POST /api/recordings/{id}/cancel`."""
    recording = await call.parts.catalogue.cancel(call.recording_id, now=call.parts.clock())
    return _changed(call, "recording_cancelled", recording)


async def hold(call: Call) -> Response:
    """`POST /api/recordings/{id}/hold`: retention and erasure leave it alone until it is released."""
    return _changed(call, "recording_held", await call.parts.catalogue.set_hold(call.recording_id, True))


async def release(call: Call) -> Response:
    """`POST /api/recordings/{id}/release`."""
    return _changed(call, "recording_released", await call.parts.catalogue.set_hold(call.recording_id, False))


def _changed(call: Call, event: str, recording: Recording) -> Response:
    _log.info(event, recording_id=recording.id, token_name=call.token.name)
    return answers.json(RecordingBody.of(recording))
