"""The webhook's edge: who may post, how much, and the answer. A 2xx leaves only after the commit (P1)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Route

from receiver import access_log, logs, metrics, traces
from receiver.errors import StorageUnavailableError, UnreadableError
from receiver.inbox import is_refused, reason_of
from receiver.meetings import payload
from receiver.problems import problem
from receiver.request_body import read_bounded
from receiver.threads import unless_small

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from ipaddress import IPv4Network, IPv6Network

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from receiver.inbox import Inbox
    from receiver.records import Accepted

PATH = "/webhooks/recording-done"
ADMITTED = "receiver.admitted"
"""ASGI extension: what the server calls the wish to keep this connection, since its sender proved who it is."""
_BODY_DEADLINE_S = 30.0
"""uvicorn has no read time-out of its own; a webhook body of at most a megabyte has no reason to take longer."""
_MOST_NAMED = 20
_OUTCOMES = {
    status: metrics.deliveries.labels(outcome=str(status))
    for status in (200, 202, 400, 401, 408, 413, 415, 422, 500, 503)
}
_log = logs.get("webhook")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookParts:
    """What the edge needs. `secrets` gives every secret now valid (two while one is rotated)."""

    inbox: Inbox
    secrets: Callable[[], tuple[str, ...]]
    allowed_networks: tuple[IPv4Network | IPv6Network, ...]
    max_body_bytes: int
    clock: Callable[[], datetime]


def routes(parts: WebhookParts) -> list[BaseRoute]:
    """Return the webhook's routes: the secret as the last path segment, or as the password of HTTP Basic."""

    async def receive(request: Request) -> Response:
        began = access_log.began(request.scope)
        status = 500
        try:
            response = await _answer(parts, request)
            status = response.status_code
        finally:
            metrics.intake_seconds.observe(time.perf_counter() - began)
            _OUTCOMES[status].inc()
        if status == 401:
            metrics.refused_posts.inc()
        return response

    paths = (PATH + "/{secret}", PATH)
    return [Route(path + slash, receive, methods=["POST"]) for path in paths for slash in ("", "/")]


async def _answer(parts: WebhookParts, request: Request) -> Response:
    refusal = _refusal(parts, request)
    if refusal is not None:
        return refusal
    if (admitted := request.scope.get("extensions", {}).get(ADMITTED)) is not None:
        admitted()
    try:
        async with asyncio.timeout(_BODY_DEADLINE_S):
            body = await read_bounded(request, parts.max_body_bytes)
    except TimeoutError:
        return problem(408, "Body too slow", f"the body did not arrive within {_BODY_DEADLINE_S:.0f} s; send it again")
    except ClientDisconnect:
        return problem(400, "Body cut short", "the connection closed before the body was complete; send it again")
    if body is None:
        return problem(
            413, "Body too large", f"at most {parts.max_body_bytes} bytes are taken (RECEIVER_MAX_BODY_BYTES)"
        )
    try:
        return await _accept(parts, request, body)
    except StorageUnavailableError as e:
        return _not_stored(e, ())


def _refusal(parts: WebhookParts, request: Request) -> Response | None:
    """Return the answer to a request that is refused by its head alone."""
    if not _admitted(parts, request):
        return problem(
            401,
            "Not admitted",
            "the secret or the sending address is not one of this service's; "
            "compare the webhook URL in Meetings settings with RECEIVER_WEBHOOK_SECRETS",
            headers={"WWW-Authenticate": 'Basic realm="recording-done"'},
        )
    if request.headers.get("content-encoding", "").strip().lower() not in _PLAIN_ENCODINGS:
        return problem(415, "Unsupported content encoding", "send the payload without Content-Encoding")
    return None


def _not_stored(error: StorageUnavailableError, meeting_ids: Sequence[str]) -> Response:
    """Name the meetings in the log: `receiver backfill` takes them, should the platform not send the delivery again."""
    _log.error("delivery_not_stored", error=str(error), meeting_ids=meeting_ids[:_MOST_NAMED])
    return problem(
        503, "Not stored", "the database cannot take the delivery now; send it again", headers={"Retry-After": "5"}
    )


async def _accept(parts: WebhookParts, request: Request, body: bytes) -> Response:
    brought = traces.parse(request.headers.get(traces.HEADER))
    try:
        parsed = await unless_small(len(body), payload.parse, body)
    except UnreadableError as e:
        is_json = not isinstance(e, payload.NotJsonError)
        status, title = (422, "Not a recording-done payload") if is_json else (400, "Not JSON")
        return await _rejected(parts, body, e, status=status, title=title)
    try:
        accepted = await parts.inbox.accept(body, parsed, now=parts.clock(), trace=brought)
    except Exception as e:  # noqa: BLE001  (a driver refuses values in many ways; what is refused is kept)
        if isinstance(e, StorageUnavailableError) and not is_refused(e):
            return _not_stored(e, sorted({fact.meeting.id for fact in parsed.recordings} | set(parsed.ask)))
        _log.exception("delivery_refused_by_database", error=str(e))
        refusal = UnreadableError((f"the database refuses what it says ({reason_of(e)})",), ask=parsed.ask)
        return await _rejected(parts, body, refusal, status=422, title="Refused by the database")
    response = JSONResponse(_shape(accepted), status_code=200 if accepted.duplicate else 202)
    _log.info(
        "delivery_accepted",
        delivery_id=accepted.delivery_id,
        recordings=len(accepted.recordings),
        rejected=parsed.rejected_count,
        duplicate=accepted.duplicate,
        **access_log.fields(request.scope, response.status_code, len(response.body)),
        **({} if brought is None else {"trace_id": brought.id}),
    )
    return response


async def _rejected(parts: WebhookParts, body: bytes, error: UnreadableError, *, status: int, title: str) -> Response:
    delivery_id = await parts.inbox.keep_unreadable(body, error, now=parts.clock())
    _log.error("delivery_rejected", delivery_id=delivery_id, errors=error.errors)
    return problem(
        status,
        title,
        f"{error}. The delivery is kept as {delivery_id}",
        delivery_id=delivery_id,
        errors=list(error.errors),
        rejected=[asdict(record) for record in error.rejected],
    )


_PLAIN_ENCODINGS = frozenset({"", "identity", "none", "binary", "utf-8"})
"""None of them changes a byte, though not all of them are names for it."""


def _shape(accepted: Accepted) -> dict[str, object]:
    return {
        "delivery_id": accepted.delivery_id,
        "recordings": [{"id": recording_id, "state": state} for recording_id, state in accepted.recordings],
        "rejected": [asdict(record) for record in accepted.rejected],
    }


def _admitted(parts: WebhookParts, request: Request) -> bool:
    given = request.path_params.get("secret") or _basic_password(request.headers.get("authorization", ""))
    return _known(given, parts.secrets()) & _from_allowed(request, parts.allowed_networks)


def _known(given: str, secrets: Sequence[str]) -> bool:
    """Compare in constant time with every secret, on digests: neither length nor position shows."""
    digest = _digest(given)
    return any([hmac.compare_digest(digest, _digest(secret)) for secret in secrets])  # noqa: C419  (no early end)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _basic_password(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _from_allowed(request: Request, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    if not networks:
        return True
    try:
        address = ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in networks)
