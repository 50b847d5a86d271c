"""Recordings: the listing, one of them, its file, and what may be done to it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from receiver import logs
from receiver.catalogue import SORTS, Filters
from receiver.catalogue.filters import MEETING_ID
from receiver.errors import InvalidQueryError, JobError
from receiver.lifecycle import CANCELLABLE, REPLAYABLE
from receiver.operators import recording_id, recordings_query
from receiver.page.filters import LABELS, SHOWN, filter_fields
from receiver.page.listing import Asked, refresh_s
from receiver.page.rendering import redirect, render
from receiver.records import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from starlette.responses import Response

    from receiver.page.parts import Visit
    from receiver.records import Page, Recording

VERBS = ("retry", "cancel")
HOLDING = ("hold", "release")
"""What needs a reason."""
_MOST_SIBLINGS = 10
_log = logs.get("page")


async def listing(visit: Visit) -> Response:
    """`GET /recordings`; takes the parameters of `GET /api/recordings`."""
    asked = Asked.of(visit.request)
    found: Page[Recording] | None = None
    refusal = None
    try:
        query = recordings_query(asked.query())
        found = await visit.parts.catalogue.page(query.filters, sort=query.sort, limit=query.limit, cursor=query.cursor)
    except InvalidQueryError as e:
        refusal = str(e)
    counts = await visit.parts.catalogue.counts()
    return render(
        visit.request,
        "recordings.html",
        status=400 if refusal else 200,
        visit=visit,
        asked=asked,
        found=found,
        refusal=refusal,
        fields=filter_fields(asked),
        kept=asked.without(SHOWN | {"cursor"}),
        tabs=asked.tabs("state", ((state, count) for state, count in counts.items()), sum(counts.values())),
        chips=asked.chips(LABELS),
        columns=asked.columns(SORTS),
        total=sum(counts.values()),
        refresh_s=refresh_s(found.items if found else ()),
    )


async def show(visit: Visit) -> Response:
    """`GET /recordings/{id}`."""
    history = await visit.parts.catalogue.history(recording_id(visit.request))
    recording = history.recording
    media_origin = await _media_origin(visit, recording)
    holds = await visit.parts.catalogue.holds_of(recording.id)
    return render(
        visit.request,
        "recording.html",
        media_origin=media_origin,
        visit=visit,
        r=recording,
        history=history,
        player=recording.archive.content_type.partition("/")[0] if recording.archive and media_origin else None,
        verbs=_verbs(recording) if visit.may_act else (),
        holds=holds,
        erased_from=_erased_from(visit, recording),
        may_hold=visit.may_act and recording.state is not State.ERASED,
        siblings=await _siblings(visit, recording),
        refresh_s=refresh_s([recording]),
    )


async def download(visit: Visit) -> Response:
    """`GET /recordings/{id}/download`: to the file in the team's bucket, to be saved or played."""
    to_play = "play" in visit.request.query_params
    return redirect(await visit.parts.downloads.url(recording_id(visit.request), visit.token, to_play=to_play), 307)


def change(verb: str) -> Callable[[Visit], Awaitable[Response]]:
    """Return the handler of `POST /recordings/{id}/<verb>`."""

    async def handler(visit: Visit) -> Response:
        actions = visit.parts.actions
        act = actions.retry if verb == "retry" else actions.cancel
        changed = await act(recording_id(visit.request), visit.token)
        return redirect(f"/recordings/{changed.id}")

    return handler


def hold(verb: str) -> Callable[[Visit], Awaitable[Response]]:
    """Return the handler of `POST /recordings/{id}/hold` or `release`, whose form has a reason."""

    async def handler(visit: Visit) -> Response:
        act = visit.parts.actions.hold if verb == "hold" else visit.parts.actions.release
        changed = await act(recording_id(visit.request), visit.form.get("reason", ""), visit.token)
        return redirect(f"/recordings/{changed.id}")

    return handler


def _erased_from(visit: Visit, recording: Recording) -> datetime | None:
    """Return from when on retention erases the recording, unless it is held; None while it is not due."""
    period = visit.parts.period
    if period is None or recording.due_since is None or recording.hold:
        return None
    return recording.due_since + period.grace


async def _siblings(visit: Visit, recording: Recording) -> list[Recording]:
    """Return the newest of the meeting's other recordings."""
    of_meeting = Filters((MEETING_ID(recording.meeting.id),))
    found = await visit.parts.catalogue.page(of_meeting, limit=_MOST_SIBLINGS + 1)
    return [one for one in found.items if one.id != recording.id][:_MOST_SIBLINGS]


def _verbs(recording: Recording) -> tuple[str, ...]:
    """Return what the recording's state allows."""
    allowed = {
        "retry": recording.state in REPLAYABLE,
        "cancel": recording.state in CANCELLABLE,
    }
    return tuple(verb for verb in VERBS if allowed[verb])


async def _media_origin(visit: Visit, recording: Recording) -> str | None:
    """Return where a playable file would be fetched from: the bucket has one host or another, as its client decides.

    The URL made for it is dropped. Without the bucket's credentials all but the file can still be shown.
    """
    stored = recording.archive
    if stored is None or not stored.content_type.startswith(("video/", "audio/")):
        return None
    try:
        url = urlsplit(await visit.parts.downloads.presign(recording))
    except JobError as e:
        _log.warning("recording_not_playable", recording_id=recording.id, code=e.code, error=str(e))
        return None
    return f"{url.scheme}://{url.netloc}"
