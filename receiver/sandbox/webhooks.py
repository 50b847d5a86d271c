"""Posts recording-done payloads to the registered URL."""

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

from receiver.sandbox.faults import Faults

TIMEOUT_S = 30
ANSWER_KEPT = 2000  # characters of an answer that are kept

Payload = dict[str, Any]


@dataclass
class Sent:
    meeting_id: str
    url: str | None
    at: float
    status: int | None = None
    error: str | None = None  # why there is no status
    answer: str | None = None
    done: bool = False


class Webhooks:
    """Sends each webhook once, in the background, and keeps what came back."""

    def __init__(self, url: str | None, basic_auth: str | None, faults: Faults) -> None:
        self.url = url
        self._basic_auth = basic_auth
        self._faults = faults
        self._sent: list[Sent] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: aiohttp.ClientSession | None = None

    def listed(self) -> list[dict[str, Any]]:
        return [asdict(sent) for sent in self._sent]

    async def idle(self) -> None:
        """Returns once every webhook under way was answered or given up."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    def send(self, meeting_id: str, make_payload: Callable[[], Payload]) -> None:
        """The payload is made when it leaves: its URLs are signed then."""
        fault = self._faults.take("webhook", meeting_id)
        kind = fault.script.kind if fault else None
        if kind == "drop":
            self._sent.append(Sent(meeting_id, self.url, time.time(), error="dropped by a scripted fault", done=True))
            return
        delay_s = (fault.script.delay_s or 0.0) if fault else 0.0
        for _ in range(2 if kind == "double" else 1):
            task = asyncio.create_task(self._deliver(meeting_id, make_payload, delay_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, meeting_id: str, make_payload: Callable[[], Payload], delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        sent = Sent(meeting_id, self.url, time.time())
        self._sent.append(sent)
        if self.url is None:
            sent.error, sent.done = "no webhook URL is set", True
            return
        try:
            async with self._session().post(
                self.url, json=make_payload(), headers=self._headers(), allow_redirects=False
            ) as response:
                sent.status = response.status
                sent.answer = (await response.text(errors="replace"))[:ANSWER_KEPT]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            sent.error = f"{type(error).__name__}: {error}"
        finally:
            sent.done = True

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": "ConnectyCube"}
        if self._basic_auth is not None:
            pair = self._basic_auth if ":" in self._basic_auth else f"webhook:{self._basic_auth}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return headers

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        return self._client

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
