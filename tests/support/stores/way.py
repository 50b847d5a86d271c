"""The way to a store: a proxy that signs each request anew, so that rules may change it, and spoils chosen bytes."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import aiohttp
from aiohttp import web
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from multidict import CIMultiDict
from yarl import URL

from tests.support.stores.asked import UNSIGNED, Answer, Asked, Upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.stores.served import Store

CHUNK_BYTES = 64 * 1024
_HOP = frozenset({"connection", "host", "expect", "transfer-encoding", "authorization", "keep-alive"})


@dataclass(frozen=True)
class Rules:
    """How a store differs from the one behind: `asks` may change or answer a request, `tells` may change an answer."""

    asks: tuple[Callable[[Asked], Answer | None], ...] = ()
    tells: tuple[Callable[[Asked, Answer], None], ...] = ()


@dataclass
class Flip:
    """Change one bit in the middle of the body of the next `times` requests of `operation` on a key like `key`."""

    operation: str
    key: str
    part: int = 0
    times: int = 1
    seen: int = 0

    def hits(self, asked: Asked) -> bool:
        """Tell whether this request is meant, and count it."""
        if (asked.operation, asked.part) != (self.operation, self.part) or self.key not in asked.key:
            return False
        if asked.key.endswith(".json") or self.seen >= self.times:
            return False
        self.seen += 1
        return True


@dataclass
class Hold:
    """Keep the first part of this number on a key like `key` from the store until its sender is gone."""

    key: str
    part: int
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def keeps(self, asked: Asked, request: web.Request) -> bool:
        """Tell, once it is over, whether this request was kept."""
        if self.reached.is_set() or asked.operation != "UploadPart" or asked.part != self.part:
            return False
        if self.key not in asked.key:
            return False
        self.reached.set()
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0.05)
        return True


class _Signer(S3SigV4Auth):
    """Signs a request with what it says of its payload."""

    def __init__(self, store: Store, payload: str) -> None:
        super().__init__(Credentials(store.access_key, store.secret_key, store.token), "s3", store.region)
        self._payload = payload

    def payload(self, request: AWSRequest) -> str:
        return self._payload


class Way:
    """`async with Way(store, rules) as way:`; `way.endpoint_url` is the store's, `asked` counts operations by key."""

    def __init__(self, store: Store, rules: Rules | None = None) -> None:
        self.store = store
        self.rules = rules or Rules()
        self.flips: list[Flip] = []
        self.hold: Hold | None = None
        self.uploads: dict[str, Upload] = {}
        self.asked: Counter[tuple[str, str]] = Counter()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._pass)
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.endpoint_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._http = aiohttp.ClientSession(
            auto_decompress=False,
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_read=60),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._runner.cleanup()

    @property
    def open_uploads(self) -> list[str]:
        """The keys of uploads that were begun and neither completed nor aborted."""
        return [upload.key for upload in self.uploads.values() if not upload.ended]

    def requests(self, word: str) -> dict[str, int]:
        """Return how often each operation was asked for on keys with this word."""
        counts: Counter[str] = Counter()
        for (operation, key), count in self.asked.items():
            counts[operation] += count if word in key else 0
        return dict(+counts)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        headers = CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() not in _HOP)
        asked = Asked(request.method, request.raw_path, headers)
        asked.upload = self.uploads.get(asked.query.get("uploadId", ""))
        is_object = asked.operation in {"PutObject", "UploadPart"}
        asked.body = None if is_object else await request.read()
        self.asked[asked.operation, asked.key] += 1
        for rule in self.rules.asks:
            answer = rule(asked)
            if answer is not None:
                return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
        if self.hold is not None and await self.hold.keeps(asked, request):
            return web.Response(status=502)
        flipped = any(flip.hits(asked) for flip in self.flips)
        data = _spoilt(request.content, asked.size_bytes, flipped) if is_object else asked.body
        url = self.store.endpoint_url.rstrip("/") + asked.target
        sent = self._signed(asked, url) if "Authorization" in request.headers else {**headers, "Host": request.host}
        try:
            async with self._http.request(
                asked.method, URL(url, encoded=True), headers=sent, data=data or None, allow_redirects=False
            ) as told:
                return await self._told(request, asked, told, flipped=flipped and not is_object)
        except (aiohttp.ClientError, ConnectionError, TimeoutError):  # of either side; the other is told likewise
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)

    def _signed(self, asked: Asked, url: str) -> CIMultiDict[str]:
        request = AWSRequest(asked.method, url, headers=dict(asked.headers))
        _Signer(self.store, asked.headers.get("x-amz-content-sha256", UNSIGNED)).add_auth(request)
        return CIMultiDict(request.headers.items())

    async def _told(
        self, request: web.Request, asked: Asked, told: aiohttp.ClientResponse, *, flipped: bool
    ) -> web.StreamResponse:
        headers = CIMultiDict((k, v) for k, v in told.headers.items() if k.lower() not in _HOP)
        is_object = asked.operation == "GetObject" and told.status in {200, 206}
        answer = Answer(told.status, headers, None if is_object else await told.read())
        self._note(asked, answer)
        for rule in self.rules.tells:
            rule(asked, answer)
        if answer.body and asked.method != "HEAD":
            answer.headers["Content-Length"] = str(len(answer.body))
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        await response.prepare(request)
        if answer.body is None:
            async for chunk in _spoilt(told.content, told.content_length or 0, flipped):
                await response.write(chunk)
        elif asked.method != "HEAD":
            await response.write(answer.body)
        await response.write_eof()
        return response

    def _note(self, asked: Asked, answer: Answer) -> None:
        """Remember uploads, so that rules and the suite may ask for them whatever the store lists."""
        done = answer.status < 300 and b"<Error>" not in (answer.body or b"")
        if asked.operation == "CreateMultipartUpload" and done:
            found = re.search(rb"<UploadId>([^<]+)</UploadId>", answer.body or b"")
            assert found is not None
            algorithm = asked.headers.get("x-amz-checksum-algorithm", "")
            self.uploads[found[1].decode()] = Upload(asked.key, algorithm)
        if asked.upload is None:
            return
        if asked.operation == "UploadPart" and done:
            asked.upload.parts[asked.part] = asked.size_bytes
        if asked.operation in {"CompleteMultipartUpload", "AbortMultipartUpload"}:
            asked.upload.ended |= done or answer.status == 404


async def _spoilt(body: aiohttp.StreamReader, size_bytes: int, flipped: bool) -> AsyncIterator[bytes]:
    """Yield a body of about this size, with a bit of its middle byte changed where it is to be flipped."""
    middle = size_bytes // 2 if flipped else -1
    at = 0
    async for chunk in body.iter_chunked(CHUNK_BYTES):
        here = middle - at
        yield chunk[:here] + bytes([chunk[here] ^ 1]) + chunk[here + 1 :] if 0 <= here < len(chunk) else chunk
        at += len(chunk)
