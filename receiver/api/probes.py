"""Handlers of the probes, which need no token: they name no person, recording or address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from receiver import logs, metrics
from receiver.api import answers
from receiver.api.bodies import HealthBody
from receiver.errors import ReceiverError
from receiver.problems import RETRY_AFTER_S, problem

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from receiver.api.parts import ApiParts

_log = logs.get("api")


def routes(parts: ApiParts) -> list[BaseRoute]:
    """Return the probes' routes."""

    async def readyz(_request: Request) -> Response:
        return await _readyz(parts)

    async def exposition(_request: Request) -> Response:
        return await _metrics(parts)

    return [Route("/healthz", _healthz), Route("/readyz", readyz), Route("/metrics", exposition)]


async def _healthz(_request: Request) -> Response:
    """`GET /healthz`: the process lives."""
    return answers.json(HealthBody(status="ok"))


async def _readyz(parts: ApiParts) -> Response:
    """`GET /readyz`: a delivery could be stored now."""
    try:
        await parts.ready()
    except ReceiverError as e:
        _log.warning("readiness_refused", error=str(e))
        retry = {"Retry-After": str(RETRY_AFTER_S)}
        return problem(503, "Not ready", "the service cannot store a delivery now; its log says why", headers=retry)
    return answers.json(HealthBody(status="ok"))


async def _metrics(parts: ApiParts) -> Response:
    """`GET /metrics`: Prometheus exposition; what the index holds is counted when asked, so that it is never stale."""
    for state, count in (await parts.catalogue.counts()).items():
        metrics.recordings.labels(state=state).set(count)
    metrics.webhook_missed.value = await parts.catalogue.missed_webhooks()
    content, media_type = metrics.render()
    return Response(content, headers={"Content-Type": media_type, "Cache-Control": "no-store"})
