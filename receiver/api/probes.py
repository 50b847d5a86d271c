"""Handlers of the probes, which need no token: they name no person, recording or address."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from receiver import logs, metrics
from receiver.api import answers
from receiver.api.bodies import HealthBody
from receiver.errors import ReceiverError
from receiver.problems import RETRY_AFTER_S, problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

_MEASURE_S = 2.0
"""How long a scrape waits for the index; Prometheus gives up after 10 s by default."""
_log = logs.get("api")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeParts:
    """`ready` raises `ReceiverError` when the service cannot store. `measure` sets the metrics that the index holds."""

    ready: Callable[[], Awaitable[None]]
    measure: Callable[[], Awaitable[None]]


def routes(parts: ProbeParts) -> list[BaseRoute]:
    """Return the probes' routes."""
    index = IndexMetrics(parts.measure)

    async def readyz(_request: Request) -> Response:
        return await _readyz(parts)

    async def exposition(_request: Request) -> Response:
        await index.refresh()
        content, media_type = metrics.render()
        return Response(content, headers={"Content-Type": media_type, "Cache-Control": "no-store"})

    return [Route("/healthz", _healthz), Route("/readyz", readyz), Route("/metrics", exposition)]


async def _healthz(_request: Request) -> Response:
    """`GET /healthz`: the process lives."""
    return answers.json(HealthBody(status="ok"))


async def _readyz(parts: ProbeParts) -> Response:
    """`GET /readyz`: a delivery could be stored now."""
    try:
        await parts.ready()
    except Exception as e:  # noqa: BLE001  (whatever it is, nothing can be stored)
        if isinstance(e, ReceiverError):
            _log.warning("readiness_refused", error=str(e))
        else:
            _log.exception("readiness_refused")
        retry = {"Retry-After": str(RETRY_AFTER_S)}
        return problem(503, "Not ready", "the service cannot store a delivery now; its log says why", headers=retry)
    return answers.json(HealthBody(status="ok"))


class IndexMetrics:
    """What the index holds is counted when metrics are asked for, since other processes and commands change it too.

    Where that fails or takes too long, the values before it are shown and `receiver_index_stale` is 1. One count is
    under way at a time: scrapes that come meanwhile wait for the same.
    """

    def __init__(self, measure: Callable[[], Awaitable[None]], *, limit_s: float = _MEASURE_S) -> None:
        self._measure = measure
        self._limit_s = limit_s
        self._measuring: asyncio.Task[bool] | None = None

    async def refresh(self) -> None:
        """Count anew, for a short time; it raises nothing."""
        if self._measuring is None or self._measuring.done():
            self._measuring = asyncio.create_task(self._measured())
        await asyncio.wait({self._measuring}, timeout=self._limit_s)
        metrics.index_stale.set(0 if self._measuring.done() and self._measuring.result() else 1)

    async def _measured(self) -> bool:
        try:
            await self._measure()
        except ReceiverError as e:
            _log.warning("index_not_measured", error=str(e))
        except Exception:  # noqa: BLE001  (a scrape is answered whatever happens)
            _log.exception("index_not_measured")
        else:
            return True
        return False
