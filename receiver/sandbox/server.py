"""Runs the emulated platform: its API and its storage, each on a port of its own."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from receiver.sandbox.api import AnySuffix, Api
from receiver.sandbox.api_faults import ApiFaultMiddleware
from receiver.sandbox.config import SandboxConfig
from receiver.sandbox.connection import Listener
from receiver.sandbox.control import Control
from receiver.sandbox.guide import describe
from receiver.sandbox.journal import JournalMiddleware
from receiver.sandbox.platform import Platform
from receiver.sandbox.storage import Storage
from receiver.sandbox.wire import RefusedRequestError


class Sandbox:
    """The emulated platform on two listeners, served by the running event loop from enter to exit."""

    def __init__(self, config: SandboxConfig | None = None) -> None:
        self.config = config or SandboxConfig()
        self._platform = Platform(self.config)
        self._api = Listener(_api_app(self._platform), self.config.host, self.config.port, self.config.public_host)
        self._storage = Listener(
            _storage_app(self._platform), self.config.host, self.config.storage_port, self.config.public_host
        )

    @property
    def url(self) -> str:
        return self._api.origin

    @property
    def storage_url(self) -> str:
        return self._storage.origin

    def set_webhook_url(self, url: str | None) -> None:
        self._platform.webhooks.url = url

    async def __aenter__(self) -> Self:
        await self._storage.start()
        self._platform.storage_origin = self._storage.origin
        try:
            await self._api.start()
        except OSError:
            await self._storage.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._platform.webhooks.stop()
        await self._api.stop()
        await self._storage.stop()

    def describe(self) -> dict[str, Any]:
        """URLs, keys and example requests, for somebody who wants to use it by hand."""
        return describe(self.config, self.url, self.storage_url, self._platform.webhooks.url)


async def run_forever(config: SandboxConfig, started: Callable[[Sandbox], None] | None = None) -> None:
    """Serves until the task is cancelled; `started` is told once both listeners answer."""
    async with Sandbox(config) as sandbox:
        if started is not None:
            started(sandbox)
        await asyncio.Event().wait()


def _api_app(platform: Platform) -> ASGIApp:
    app = Starlette(
        routes=[Control(platform).mount(), *Api(platform).routes()],
        exception_handlers={RefusedRequestError: _refused, HTTPException: _no_route},
    )
    faulty = ApiFaultMiddleware(AnySuffix(app), platform.faults, platform.sessions)
    return JournalMiddleware(faulty, platform.journal, "api")


def _storage_app(platform: Platform) -> ASGIApp:
    storage = Storage(platform.bucket, platform.faults, platform.ids)
    return JournalMiddleware(storage, platform.journal, "storage")


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RefusedRequestError):
        raise error
    return error.response()


async def _no_route(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return JSONResponse({"errors": ["Not found" if status == 404 else "Method not allowed"]}, status)
