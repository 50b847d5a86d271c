"""The emulated bucket: `GET /videos/{file_uid}` with a signed URL, answered as S3 does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from receiver.sandbox.exchange import Exchange
from receiver.sandbox.faults import EARLY_STORAGE_KINDS, Fault, Faults
from receiver.sandbox.files import Files, SandboxFile
from receiver.sandbox.ids import Ids
from receiver.sandbox.ranges import ByteRange, check_conditions, choose_span
from receiver.sandbox.s3_errors import S3Error
from receiver.sandbox.signing import SignedRequest, Signer, expired
from receiver.sandbox.storage_faults import GoodAnswer, Revocations, answer_early, answer_late

FOLDER = "/videos/"


@dataclass(frozen=True)
class SandboxBucket:
    files: Files
    signer: Signer


class Storage:
    """An ASGI application."""

    def __init__(self, bucket: SandboxBucket, faults: Faults, ids: Ids) -> None:
        self._bucket = bucket
        self._faults = faults
        self._ids = ids
        self._revocations = Revocations()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        state = scope["state"]
        request_id = self._ids.request_id()

        async def send_as_s3(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers["Server"] = "AmazonS3"
                headers["x-amz-request-id"] = request_id
            await send(message)

        exchange = Exchange(request, state["connection"], state["entry"], send_as_s3)
        try:
            await self._serve(exchange)
        except S3Error as error:
            await error.response(request_id)(scope, receive, send_as_s3)

    async def _serve(self, exchange: Exchange) -> None:
        request = exchange.request
        path: str = request.scope["path"]
        if request.method not in {"GET", "HEAD"}:
            message = "The specified method is not allowed against this resource."
            raise S3Error(405, "MethodNotAllowed", message, {"Method": request.method})
        file = self._bucket.files.get(path.removeprefix(FOLDER)) if path.startswith(FOLDER) else None
        subject = f"{path} {file.owners if file else ''}"
        fault = self._faults.peek("storage", subject) if request.method == "GET" else None
        if fault is not None and fault.script.kind in EARLY_STORAGE_KINDS:
            fault.fired += 1
            await answer_early(fault.script, exchange)
            return
        url_id = self._authorize(request)
        if file is None:
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.", {"Key": path[1:]})
        await self._send_file(exchange, file, fault, url_id)

    def _authorize(self, request: Request) -> str:
        now = datetime.now(UTC)
        target = SignedRequest(request.method, request.headers.get("host", ""), request.scope["path"])
        url_id = self._bucket.signer.verify(target, dict(request.query_params), now)
        if url_id in self._revocations.urls:
            raise expired(now, now)
        return url_id

    async def _send_file(self, exchange: Exchange, file: SandboxFile, fault: Fault | None, url_id: str) -> None:
        if fault is not None and fault.script.kind == "etag_changes":
            fault.fired += 1
            file.replace()
            fault = None
        headers = exchange.request.headers
        if check_conditions(headers, file):
            await exchange.start(304, _head(file, ByteRange(0, 0, partial=False), {}))
            await exchange.end()
            return
        span = choose_span(headers, file)
        if fault is not None and fault.script.kind == "no_range":
            fault.fired += 1
            fault = None
            span = ByteRange(0, file.size_bytes, partial=False)
            head = _head(file, span, exchange.request.query_params)
            head.pop("Accept-Ranges")
        else:
            head = _head(file, span, exchange.request.query_params)
        file.gets += 1
        answer = GoodAnswer(file, span, head)
        if fault is None:
            await answer.send(exchange)
        else:
            await answer_late(fault, exchange, replace(answer, url_id=url_id), self._revocations)


def _head(file: SandboxFile, span: ByteRange, query: Mapping[str, str]) -> dict[str, str]:
    head = {
        "Last-Modified": format_datetime(file.last_modified, usegmt=True),
        "ETag": f'"{file.etag}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "binary/octet-stream",
        "Content-Length": str(span.length),
    }
    if "response-cache-control" in query:
        head["Cache-Control"] = query["response-cache-control"]
    if span.partial:
        head["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{file.size_bytes}"
    return head
