"""Handlers of `/api/recordings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.api import answers
from receiver.api.bodies import RecordingBody, RecordingsBody, RetriedBody, RetryAllBody
from receiver.api.erasure_bodies import CertificateBody
from receiver.api.hold_bodies import ReasonBody
from receiver.api.reading import read_body
from receiver.operators import recording_id, recordings_query

if TYPE_CHECKING:
    from starlette.responses import Response

    from receiver.api.parts import Call
    from receiver.records import Recording


async def page(call: Call) -> Response:
    """`GET /api/recordings`."""
    asked = recordings_query(call.request.query_params.multi_items())
    found = await call.parts.catalogue.page(asked.filters, sort=asked.sort, limit=asked.limit, cursor=asked.cursor)
    return answers.written(RecordingsBody.written(found), answers.next_link(call.request, found.next_cursor))


async def show(call: Call) -> Response:
    """`GET /api/recordings/{id}`."""
    found = await call.parts.catalogue.recording(recording_id(call.request))
    return answers.single(call.request, RecordingBody.of(found))


async def download(call: Call) -> Response:
    """`GET /api/recordings/{id}/download`: to the team's bucket."""
    return answers.redirect(await call.parts.downloads.url(recording_id(call.request), call.token))


async def retry(call: Call) -> Response:
    """`POST /api/recordings/{id}/retry`."""
    return _changed(await call.parts.actions.retry(recording_id(call.request), call.token))


async def retry_all(call: Call) -> Response:
    """`POST /api/recordings/retry`."""
    asked = await read_body(call.request, RetryAllBody)
    retried = call.parts.actions.retry_all(error_code=asked.error_code, by=call.token, dry_run=asked.dry_run)
    return answers.json(RetriedBody(error_code=asked.error_code, dry_run=asked.dry_run, count=await retried))


async def cancel(call: Call) -> Response:
    """`POST /api/recordings/{id}/cancel`."""
    return _changed(await call.parts.actions.cancel(recording_id(call.request), call.token))


async def hold(call: Call) -> Response:
    """`POST /api/recordings/{id}/hold`."""
    named, asked = recording_id(call.request), await read_body(call.request, ReasonBody)
    return _changed(await call.parts.actions.hold(named, asked.reason, call.token))


async def release(call: Call) -> Response:
    """`POST /api/recordings/{id}/release`."""
    named, asked = recording_id(call.request), await read_body(call.request, ReasonBody)
    return _changed(await call.parts.actions.release(named, asked.reason, call.token))


async def erase(call: Call) -> Response:
    """`DELETE /api/recordings/{id}`: the certificate."""
    asked = await read_body(call.request, ReasonBody)
    made = await call.parts.erasing.erase(recording_id(call.request), asked.reason, call.token)
    return answers.json(CertificateBody.of(made))


def _changed(recording: Recording) -> Response:
    return answers.json(RecordingBody.of(recording))
