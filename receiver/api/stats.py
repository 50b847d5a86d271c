"""Handler of `/api/stats`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.api import answers
from receiver.api.bodies import StatsBody

if TYPE_CHECKING:
    from starlette.responses import Response

    from receiver.api.parts import Call


async def show(call: Call) -> Response:
    """`GET /api/stats`."""
    return answers.json(StatsBody(recordings=await call.parts.catalogue.counts()))
