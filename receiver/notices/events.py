"""Events for another program: one signed POST each, as CloudEvents 1.0 in JSON (structured mode) by Standard Webhooks.

Delivered at least once, and of one recording in order. The body and its `webhook-id` are the same at every attempt.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from standardwebhooks import Webhook
from yarl import URL

from receiver import logs, traces
from receiver.backoff import retry_after_s
from receiver.errors import ReceiverError
from receiver.lifecycle import RetryPolicy, backoff_s
from receiver.transfer import DownloadPolicy, origin_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from ipaddress import IPv4Network, IPv6Network

    from receiver.catalogue import Events
    from receiver.records import Event

_TIMEOUT_S = 15.0
"""Standard Webhooks' advice is 15 to 30 s."""
_AT_ONCE = 8
_RETRIES = RetryPolicy(max_attempts=1, base_s=5, cap_s=3600)
_LONGEST_ASKED_S = 3600.0
_DRAINED_BYTES = 64 * 1024
"""An answer that is no longer is read, so that its connection can be used again; nothing of it is kept."""
_log = logs.get("notices")


class EventRefusedError(ReceiverError):
    """The receiver of events did not take one; it names its host and status, and nothing that it said."""

    def __init__(self, happened: str, remedy: str | None = None, *, asked_s: float = 0.0) -> None:
        super().__init__(happened, remedy)
        self.asked_s = min(asked_s, _LONGEST_ASKED_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTarget:
    """`networks` are non-public addresses that may be connected to, and the only ones without TLS.

    `secrets` are those of now, in `whsec_` form: each signs. `source` is CloudEvents', the archive's own name.
    """

    url: str
    secrets: Callable[[], tuple[str, ...]]
    networks: tuple[IPv4Network | IPv6Network, ...]
    source: str

    @property
    def origin(self) -> str:
        """Name it in messages: the rest of the URL may be a secret."""
        return origin_of(URL(self.url))


class EventSender:
    """Posts events to one URL. Redirects are not followed: they are refusals like any other status."""

    def __init__(self, session: aiohttp.ClientSession, target: EventTarget, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._target = target
        self._clock = clock

    async def send(self, event: Event) -> None:
        """Send an event of the outbox; raises `EventRefusedError`."""
        body = self._body(event.webhook_id, event.type, event.at, {"subject": event.recording_id, "data": event.data})
        trace = traces.of_delivery(event.delivery_id, event.traceparent)
        await self._post(event.webhook_id, body, {traces.HEADER: trace.header()})

    async def ping(self) -> None:
        """Send an event that says nothing, to see whether it is taken; raises `EventRefusedError`."""
        webhook_id = f"msg_{secrets.token_hex(16)}"
        await self._post(webhook_id, self._body(webhook_id, "archive.test", self._clock(), {"data": {}}))

    def _body(self, webhook_id: str, kind: str, at: datetime, more: dict[str, Any]) -> str:
        envelope = {"specversion": "1.0", "id": webhook_id, "source": self._target.source, "type": kind}
        envelope |= {
            "time": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
        }
        return json.dumps(envelope | more, separators=(",", ":"))

    async def _post(self, webhook_id: str, body: str, more: dict[str, str] | None = None) -> None:
        now = self._clock().astimezone(UTC)  # the library takes any other offset for UTC
        signed = (Webhook(secret).sign(webhook_id, now, body) for secret in self._target.secrets())
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "User-Agent": "recording-archive",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signed),
            **(more or {}),
        }
        try:
            async with self._session.post(
                URL(self._target.url), data=body.encode(), headers=headers, allow_redirects=False
            ) as answer:
                await answer.content.read(_DRAINED_BYTES)
                status, asked = answer.status, answer.headers.get("Retry-After")
        except TimeoutError as e:
            raise EventRefusedError(f"{self._target.origin} gave no answer within {_TIMEOUT_S:g} s") from e
        except (aiohttp.ClientError, OSError) as e:
            raise EventRefusedError(f"{self._target.origin} cannot be reached: {_reason(e)}") from e
        if not 200 <= status < 300:
            asked_s = retry_after_s(asked, self._clock()) or 0.0
            raise EventRefusedError(f"{self._target.origin} answered {status}", asked_s=asked_s)


def _reason(error: BaseException) -> str:
    """Name a failure by its cause: what the client says of it may hold the whole URL."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if "not public" in str(cause):
        return "an address that is not public; list its network in RECEIVER_EVENTS_NETWORKS if it is meant"
    if isinstance(cause, socket.gaierror) or not isinstance(cause, OSError) or not cause.errno:
        return type(cause).__name__
    return os.strerror(cause.errno)


@asynccontextmanager
async def open_sender(target: EventTarget, clock: Callable[[], datetime]) -> AsyncIterator[EventSender]:
    """Open the way to the receiver of events; nothing is connected before the first one."""
    is_plain = URL(target.url).scheme == "http"
    policy = DownloadPolicy(origins=(), networks=target.networks, allows_public=not is_plain)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_AT_ONCE, socket_factory=cast("Any", policy.open_socket)),
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as session:
        yield EventSender(session, target, clock)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDelivery:
    """Sends what is due. What was sent, and could not be noted as such, is sent again."""

    events: Events
    sender: EventSender
    clock: Callable[[], datetime]
    jitter: Callable[[], float]

    async def deliver(self) -> None:
        """Send all that is due, until nothing of a round is taken; raises `StorageUnavailableError`."""
        while due := await self.events.due(self.clock(), most=_AT_ONCE):
            taken = await asyncio.gather(*map(self._delivered, due))
            if not any(taken):
                return

    async def _delivered(self, event: Event) -> bool:
        try:
            await self.sender.send(event)
        except EventRefusedError as e:
            await self._put_off(event, e)
            return False
        await self.events.delivered(event, now=self.clock())
        return True

    async def _put_off(self, event: Event, error: EventRefusedError) -> None:
        """Have it tried again after a pause that grows to an hour, or give it up when its time is over."""
        pause_s = max(backoff_s(event.attempts + 1, _RETRIES, 0.5 + self.jitter() / 2), error.asked_s)
        again_at = self.clock() + timedelta(seconds=pause_s)
        is_over = again_at > event.gives_up_at
        log = _log.error if is_over else _log.warning
        log(
            "event_given_up" if is_over else "event_refused",
            webhook_id=event.webhook_id,
            recording_id=event.recording_id,
            attempt=event.attempts + 1,
            error=str(error),
        )
        await self.events.refused(event, str(error), next_attempt_at=None if is_over else again_at)
