"""The emulated platform for a module's tests, asked as the vendor's page asks it."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import httpx
import pytest_asyncio

from receiver.meetings import AdminKey, ApiConfig, UserLogin, open_api
from receiver.sandbox import Sandbox, SandboxConfig
from tests.support.payloads import sample

ADMIN = {"CB-Administration-API-Key": "sandbox-admin-key"}
KEY = AdminKey(key="sandbox-admin-key")
BOT_ID = 6892473
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


CREATE = sample("create-meeting-request.json")


def session_body(**changes: Any) -> dict[str, Any]:
    body = {
        "application_id": 4242,
        "auth_key": "sandbox-auth-key",
        "timestamp": int(time.time()),
        "user": {"login": "archive-bot", "password": "sandbox-password"},
    }
    return {**body, **changes}


def login(**changes: Any) -> UserLogin:
    """Return the account's own user as the client knows it; plain and by login name unless changed."""
    known = {"app_id": 4242, "auth_key": "sandbox-auth-key", "password": "sandbox-password"}
    name = {} if "email" in changes else {"login": "archive-bot"}
    return UserLogin(**known, **name, **changes)


async def script(http: httpx.AsyncClient, on: str, kind: str, **fault: Any) -> str:
    """Script a fault at the platform that `http` asks, and return its id."""
    answer = await http.post("/_control/faults", json={"on": on, "kind": kind, **fault})
    assert answer.status_code == 201, answer.text
    fault_id: str = answer.json()["id"]
    return fault_id


class Person:
    """Somebody with a session. `headers` prove it; `email` is where mails to them go."""

    def __init__(self, session: dict[str, Any], email: str) -> None:
        self.headers = {"CB-Token": session["token"]}
        self.id: int = session["user_id"]
        self.email = email


class Vendor:
    """One platform for many tests: each has people of its own, so none sees another's meetings."""

    def __init__(self, sandbox: Sandbox, http: httpx.AsyncClient) -> None:
        self.sandbox = sandbox
        self.http = http
        self._numbers = count(1)

    async def person(self) -> Person:
        """Log somebody new in: credentials that nobody has make a user."""
        email = f"person-{next(self._numbers)}@example.com"
        answer = await self.http.post("/session", json=session_body(user={"email": email, "password": "pass-word-1"}))
        assert answer.status_code == 201, answer.text
        return Person(answer.json()["session"], email)

    async def create(self, host: Person, **changes: Any) -> dict[str, Any]:
        answer = await self.http.post("/meetings", json={**CREATE, **changes}, headers=host.headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def finished(self, *recordings: dict[str, Any], **scene: Any) -> dict[str, Any]:
        """Make a meeting that is over, with these recordings; the answer has meeting, recordings and payload."""
        answer = await self.http.post("/_control/meetings", json={"recordings": list(recordings), **scene})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def mails(self, meeting: dict[str, Any]) -> list[dict[str, Any]]:
        listed = (await self.http.get("/_control/mails")).json()
        return [mail for mail in listed if mail["meeting_id"] == meeting["_id"]]

    async def fault(self, kind: str, *, match: str, **fault: Any) -> None:
        """Let the API misbehave once, where the path contains `match`."""
        await script(self.http, "api", kind, match=match, times=1, **fault)

    async def requests(self) -> list[dict[str, Any]]:
        """Return what was asked since the last call, control apart."""
        asked = (await self.http.get("/_control/requests")).json()
        await self.http.delete("/_control/requests")
        return asked

    def client(self, credentials: Any = KEY, **config: Any) -> Any:
        """Open the service's own client of this platform."""
        return open_api(ApiConfig(url=self.sandbox.url, credentials=lambda: credentials, **config))


def same_shape(answer: Any, known: Any) -> None:
    """Assert the names, their order and the JSON types of a sample; null is of any type."""
    match known:
        case dict() if answer is not None:
            assert list(answer) == list(known)
            for name, value in known.items():
                same_shape(answer[name], value)
        case list() if known and isinstance(known[0], (int, str)):
            assert {type(item) for item in answer} <= {type(item) for item in known}
        case list():
            assert isinstance(answer, list)
        case bool() | str():
            assert answer is None or type(answer) is type(known)
        case int() | float():
            assert answer is None or (isinstance(answer, (int, float)) and not isinstance(answer, bool))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendor():
    """Run the platform for a module; its tests are marked `asyncio(loop_scope="module")`."""
    async with (
        Sandbox(SandboxConfig(seed=7)) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url, timeout=10) as http,
    ):
        yield Vendor(sandbox, http)


@pytest_asyncio.fixture(loop_scope="module")
async def host(vendor):
    """Log in somebody who has no meetings yet."""
    return await vendor.person()
