"""One HTTP exchange with the Meetings API: bounded in time and size, never redirected, counted."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from receiver import metrics
from receiver.errors import ApiBadAnswerError, ApiUnavailableError
from receiver.logs import redact
from receiver.waiting import retry_after_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from receiver.meetings.manners import Manners

MAX_ANSWER_BYTES = 32 * 1024 * 1024
_MAX_REFUSAL_BYTES = 64 * 1024  # of an error's body no more is read
_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `date` is the API's clock (its `Date`); `secrets` are the request's, to be blanked in texts."""

    status: int
    body: bytes = field(repr=False)
    received_at: datetime
    date: datetime | None = None
    retry_after_s: float | None = None
    token_expiry: str | None = None
    content_type: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def skew_s(self) -> float:
        """Seconds by which our clock is ahead of the API's; 0 where the answer has no `Date`."""
        return 0.0 if self.date is None else (self.received_at - self.date).total_seconds()


class Wire:
    """The connection to one API address. Every exchange waits for its turn."""

    def __init__(self, http: aiohttp.ClientSession, manners: Manners, *, url: str, timeout_s: float) -> None:
        self._http = http
        self._base = url.rstrip("/")
        self._host = URL(url).host or url
        self._timeout_s = timeout_s
        self._manners = manners
        self.last: Answer | None = None
        """The latest answer, whatever became of it."""

    async def get(self, path: str, *, header: str, secret: str) -> Answer:
        return await self._manners.send(lambda: self._sent("GET", path, headers={header: secret}, secrets=(secret,)))

    async def delete(self, path: str, *, header: str, secret: str) -> Answer:
        return await self._manners.send(lambda: self._sent("DELETE", path, headers={header: secret}, secrets=(secret,)))

    async def post(self, path: str, body: bytes, *, secrets: tuple[str, ...]) -> Answer:
        headers = {"Content-Type": "application/json"}
        return await self._manners.send(lambda: self._sent("POST", path, headers=headers, body=body, secrets=secrets))

    async def _sent(
        self, method: str, path: str, *, headers: Mapping[str, str], secrets: tuple[str, ...], body: bytes | None = None
    ) -> Answer:
        label = "error"
        try:
            async with self._http.request(
                method,
                URL(self._base + path, encoded=True),
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **headers},
                data=body,
                allow_redirects=False,
            ) as response:
                label = str(response.status)
                answer = self.last = await self._read(response, secrets)
        except TimeoutError as error:
            label = "timeout"
            raise ApiUnavailableError(
                f"the Meetings API at {self._host} gave no whole answer within {self._timeout_s:g} s "
                "(RECEIVER_API_URL, RECEIVER_API_TIMEOUT_S)"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            label = "error"
            why = _blank(str(error), secrets)[:200]
            raise ApiUnavailableError(
                f"no connection to the Meetings API at {self._host} (RECEIVER_API_URL): {type(error).__name__} {why}"
            ) from error
        finally:
            metrics.api_requests.labels(status=label).inc()
        return answer

    async def _read(self, response: aiohttp.ClientResponse, secrets: tuple[str, ...]) -> Answer:
        body = await self._body(response)
        received_at = datetime.now(UTC)
        date = _http_date(response.headers.get("Date", ""))
        return Answer(
            status=response.status,
            body=body,
            received_at=received_at,
            date=date,
            retry_after_s=retry_after_s(response.headers.get("Retry-After", ""), now=date or received_at),
            token_expiry=response.headers.get("CB-Token-ExpirationDate"),
            content_type=response.content_type,
            secrets=secrets,
        )

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """Read a good answer whole or raise; of an error's body read the beginning, since its status says enough."""
        good = response.status < 300
        if good and response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ApiBadAnswerError(f"{self._host} compressed its answer, though asked not to (RECEIVER_API_URL)")
        body = bytearray()
        async for chunk in response.content.iter_chunked(_READ_BYTES):
            body += chunk
            if not good and len(body) >= _MAX_REFUSAL_BYTES:
                break
            if len(body) > MAX_ANSWER_BYTES:
                raise ApiBadAnswerError(
                    f"{self._host} answered with more than {MAX_ANSWER_BYTES >> 20} MiB; look at RECEIVER_API_URL"
                )
        return bytes(body)


@asynccontextmanager
async def open_wire(url: str, manners: Manners, *, timeout_s: float) -> AsyncIterator[Wire]:
    """Open the HTTP client of a `Wire` and close it afterwards."""
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as http:
        yield Wire(http, manners, url=url, timeout_s=timeout_s)


def blanked(text: str, answer: Answer) -> str:
    """Return `text` of an answer without the secrets that the request carried."""
    return _blank(text, answer.secrets)


def _blank(text: str, secrets: tuple[str, ...]) -> str:
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "[redacted]")
    return redact(text)


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
