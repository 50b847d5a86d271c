"""A tiny Meetings API that a test scripts, for races and answers that need an exact moment."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from aiohttp import web

from receiver.meetings import AdminKey, ApiConfig, StaticToken, UserLogin, open_api
from receiver.records import MeetingId, RecordingId

MEETING = MeetingId("602f926aaa81493ce4c5788e")
R1, R2 = RecordingId("649061c8d0b83a4a6dc85d0c"), RecordingId("649061c8d0b83a4a6dc85d0d")
KEY = AdminKey(key="canary-admin-key")
TOKEN = StaticToken(token="canary-token")
USER = UserLogin(app_id=4567, auth_key="canary-auth-key", login="bot", password="canary-password")


class ScriptedApi:
    """`listing` and `session` are the test's handlers; every request is kept in `requests`."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[web.Request] = []
        self.bodies: list[dict] = []
        self.tokens = 0
        self.good_tokens: set[str] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if request.path == "/session":
            self.bodies.append(json.loads(await request.read()))
            return await self.session(request)
        return await self.listing(request)

    async def session(self, _request: web.Request) -> web.StreamResponse:
        self.tokens += 1
        self.good_tokens = {f"token-{self.tokens}"}
        return web.json_response({"session": {"token": f"token-{self.tokens}", "user_id": 77}}, status=201)

    async def listing(self, _request: web.Request) -> web.StreamResponse:
        return listing(R1, R2)

    @property
    def asked(self) -> Counter[str]:
        """Requests by last path segment: a meeting, or `session`."""
        return Counter(r.path.rsplit("/", 1)[1] for r in self.requests)


def entry(recording_id: str, *, life: timedelta = timedelta(days=7), **more: object) -> dict:
    expires = int((datetime.now(UTC) + life).timestamp())
    url = f"https://cb-recordings.s3.amazonaws.com/videos/{recording_id}?Expires={expires}&Signature=canary%2Bsig"
    return {"_id": recording_id, "room_id": MEETING, "download_url": url, **more}


def listing(*ids: str, **more: object) -> web.Response:
    return web.json_response([entry(i, **more) for i in ids])


def refusal(status: int, text: str = "no", **headers: str) -> web.Response:
    return web.json_response({"errors": {"base": [text]}}, status=status, headers=headers)


@asynccontextmanager
async def scripted_api():
    api = ScriptedApi()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield api
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(server, credentials=KEY, **config):
    async with open_api(ApiConfig(url=server.url, credentials=lambda: credentials, **config)) as api:
        yield api


def numbered(server):
    """Let each listing carry its own number, so that a URL tells which fetch it is from."""
    count = 0

    async def answer(_request):
        nonlocal count
        count += 1
        return web.json_response([entry(i, download_url=f"https://files.example/{i}?fetch={count}") for i in (R1, R2)])

    server.listing = answer


def held(server):
    """Hold every listing back until the event is set; the queue tells of each that arrived."""
    arrived: asyncio.Queue[web.Request] = asyncio.Queue()
    gate = asyncio.Event()
    answer = server.listing

    async def hold(request):
        arrived.put_nowait(request)
        await gate.wait()
        return await answer(request)

    server.listing = hold
    return arrived, gate
