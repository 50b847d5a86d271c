"""The demo's user: what a client of the Meetings API does to hold a recorded meeting, over HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from receiver.cli.demo.steps import DemoError

if TYPE_CHECKING:
    import aiohttp

    from receiver.sandbox import Sandbox

MEETING_NAME = "Friday weekly sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformFile:
    """What the platform itself says of a recording's file."""

    sha256: str
    size_bytes: int


class PlatformUser:
    """The user of the emulated account. `end_meeting` and `source` use the emulator's control endpoints."""

    def __init__(self, http: aiohttp.ClientSession, sandbox: Sandbox) -> None:
        self._http = http
        self._url = sandbox.url
        self._config = sandbox.config
        self._token: str | None = None

    async def log_in(self) -> int:
        """Open a session (`POST /session`) and return the user's id."""
        config = self._config
        body = {
            "application_id": config.app_id,
            "auth_key": config.auth_key,
            "timestamp": int(time.time()),
            "user": {"login": config.user_login, "password": config.user_password},
        }
        session = (await self._call("POST", "/session", body))["session"]
        self._token = session["token"]
        return int(session["user_id"])

    async def create_meeting(self, host_id: int) -> str:
        """Schedule a meeting that is to be recorded (`POST /meetings`) and return its id."""
        start = int(time.time())
        body = {
            "name": MEETING_NAME,
            "start_date": start,
            "end_date": start + 3600,
            "attendees": [{"id": host_id, "email": self._config.user_email}, {"email": "sam@example.com"}],
            "record": True,
        }
        meeting = await self._call("POST", "/meetings", body)
        return str(meeting["_id"])

    async def end_meeting(self, meeting_id: str, *, files: int, size_bytes: int) -> None:
        """End the meeting: its recordings become available and the platform sends its webhook."""
        body = {"files": files, "size_bytes": size_bytes}
        await self._call("POST", f"/_control/meetings/{meeting_id}/end", body)

    async def source(self, recording_id: str) -> PlatformFile:
        """Return what the platform's own storage holds for a recording."""
        found = await self._call("GET", f"/_control/recordings/{recording_id}")
        return PlatformFile(sha256=found["sha256"], size_bytes=found["size_bytes"])

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"CB-Token": self._token} if self._token else {}
        async with self._http.request(method, f"{self._url}{path}", json=body, headers=headers) as answer:
            if answer.status >= 400:
                raise DemoError(f"the platform answered {answer.status} to {method} {path}: {await answer.text()}")
            return await answer.json()
