"""The page to open in the morning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.lifecycle import CLAIMABLE
from receiver.page.chart import HEIGHT, WIDTH, charts
from receiver.page.rendering import redirect, render
from receiver.records import State

if TYPE_CHECKING:
    from starlette.responses import Response

    from receiver.page.parts import Visit

_REFRESH_S = 15
_MOST_CODES = 6


async def show(visit: Visit) -> Response:
    """`GET /`; with parameters it leads to the listing, which was here before and is what they ask for."""
    if visit.request.url.query:
        return redirect(f"/recordings?{visit.request.url.query}")
    now = visit.parts.actions.clock()
    catalogue = visit.parts.catalogue
    overview = await visit.parts.overviews.read(now)
    counts = await catalogue.counts()
    archived_bytes = await catalogue.archived_bytes()
    (codes,) = await catalogue.error_codes(State.FAILED)
    return render(
        visit.request,
        "overview.html",
        visit=visit,
        now=now,
        overview=overview,
        counts=counts,
        total=sum(counts.values()),
        archived_bytes=archived_bytes,
        unfinished=sum(counts[state] for state in CLAIMABLE),
        codes=list(codes.items())[:_MOST_CODES],
        more_codes=max(0, len(codes) - _MOST_CODES),
        today=overview.days[-1],
        period_bytes=sum(day.size_bytes for day in overview.days),
        period_recordings=sum(day.recordings for day in overview.days),
        charts=charts(overview.days),
        width=WIDTH,
        height=HEIGHT,
        refresh_s=_REFRESH_S,
    )
