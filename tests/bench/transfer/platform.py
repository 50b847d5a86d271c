"""As much of the Meetings API as the service asks while it copies: what an admin key sees of a meeting."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ADMIN_KEY = "bench-admin-key"


class Platform:
    """`urls` are download URLs by recording id, by meeting id."""

    def __init__(self) -> None:
        self.url = ""
        self.urls: dict[str, dict[str, str]] = {}

    async def list_recordings(self, request: web.Request) -> web.Response:
        assert request.headers["CB-Administration-API-Key"] == ADMIN_KEY
        meeting_id = request.match_info["meeting_id"]
        return web.json_response(
            [
                {"_id": recording_id, "room_id": meeting_id, "download_url": url}
                for recording_id, url in self.urls.get(meeting_id, {}).items()
            ]
        )


@asynccontextmanager
async def open_platform() -> AsyncIterator[Platform]:
    """Serve on loopback until the end of the block."""
    platform = Platform()
    app = web.Application()
    app.router.add_get("/admin/meetings/recordings/{meeting_id}", platform.list_recordings)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    platform.url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield platform
    finally:
        await runner.cleanup()
