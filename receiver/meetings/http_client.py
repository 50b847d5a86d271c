"""One HTTP exchange with the Meetings API: bounded in time and size, never redirected, counted."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from receiver import metrics, traces
from receiver.backoff import retry_after_s
from receiver.errors import ApiBadAnswerError, ApiUnavailableError
from receiver.meetings.answer import ApiAnswer, blanked, http_date

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from receiver.meetings.pacing import RequestPolicy

MAX_ANSWER_BYTES = 32 * 1024 * 1024
_MAX_REFUSAL_BYTES = 64 * 1024  # of an error's body no more is read
_READ_BYTES = 64 * 1024


class HttpClient:
    """The connection to one API address. Every exchange waits for its turn."""

    def __init__(self, session: aiohttp.ClientSession, policy: RequestPolicy, *, url: str, timeout_s: float) -> None:
        self._session = session
        self._base = url.rstrip("/")
        self._host = URL(url).host or url
        self._timeout_s = timeout_s
        self._policy = policy
        self.last: ApiAnswer | None = None
        """The latest answer, whatever became of it."""

    async def get(self, path: str, *, header: str, secret: str) -> ApiAnswer:
        return await self._policy.send(lambda: self._sent("GET", path, headers={header: secret}, secrets=(secret,)))

    async def delete(self, path: str, *, header: str, secret: str) -> ApiAnswer:
        return await self._policy.send(lambda: self._sent("DELETE", path, headers={header: secret}, secrets=(secret,)))

    async def post(self, path: str, body: bytes, *, secrets: tuple[str, ...]) -> ApiAnswer:
        headers = {"Content-Type": "application/json"}
        return await self._policy.send(lambda: self._sent("POST", path, headers=headers, body=body, secrets=secrets))

    async def _sent(
        self, method: str, path: str, *, headers: Mapping[str, str], secrets: tuple[str, ...], body: bytes | None = None
    ) -> ApiAnswer:
        label = "error"
        try:
            async with self._session.request(
                method,
                URL(self._base + path, encoded=True),
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **traces.headers(), **headers},
                data=body,
                allow_redirects=False,
            ) as response:
                label = str(response.status)
                answer = self.last = await self._read(response, secrets)
        except TimeoutError as error:
            label = "timeout"
            raise ApiUnavailableError(
                f"the Meetings API at {self._host} gave no whole answer within {self._timeout_s:g} s "
                "(RECEIVER_API_URL, RECEIVER_API_TIMEOUT_S)",
                "",
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            label = "error"
            why = blanked(str(error), secrets)[:200]
            raise ApiUnavailableError(
                f"no connection to the Meetings API at {self._host} (RECEIVER_API_URL): {type(error).__name__} {why}",
                "",
            ) from error
        finally:
            metrics.api_requests.labels(status=label).inc()
        return answer

    async def _read(self, response: aiohttp.ClientResponse, secrets: tuple[str, ...]) -> ApiAnswer:
        body = await self._body(response)
        received_at = datetime.now(UTC)
        date = http_date(response.headers.get("Date", ""))
        answer = ApiAnswer(
            status=response.status,
            body=body,
            received_at=received_at,
            date=date,
            retry_after_s=retry_after_s(response.headers.get("Retry-After", ""), now=date or received_at),
            token_expiry=response.headers.get("CB-Token-ExpirationDate"),
            content_type=response.content_type,
            secrets=secrets,
        )
        if date is not None:
            metrics.clock_skew_seconds.set(answer.skew_s)
        return answer

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """Read a good answer whole or raise; of an error's body read the beginning, since its status says enough."""
        good = response.status < 300
        if good and response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ApiBadAnswerError(f"{self._host} compressed its answer, though asked not to (RECEIVER_API_URL)", "")
        body = bytearray()
        async for chunk in response.content.iter_chunked(_READ_BYTES):
            body += chunk
            if not good and len(body) >= _MAX_REFUSAL_BYTES:
                break
            if len(body) > MAX_ANSWER_BYTES:
                raise ApiBadAnswerError(f"{self._host} answered with more than {MAX_ANSWER_BYTES >> 20} MiB")
        return bytes(body)


@asynccontextmanager
async def open_http_client(url: str, policy: RequestPolicy, *, timeout_s: float) -> AsyncIterator[HttpClient]:
    """Open the client of the API at `url` and close it afterwards."""
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as session:
        yield HttpClient(session, policy, url=url, timeout_s=timeout_s)
