"""The ways the storage misbehaves when a fault was scripted."""

import gzip
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from receiver.sandbox.exchange import Exchange
from receiver.sandbox.faults import Fault, FaultBody
from receiver.sandbox.files import SandboxFile
from receiver.sandbox.ranges import ByteRange
from receiver.sandbox.s3_errors import S3Error
from receiver.sandbox.signing import expired

HTML_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>"
JSON_DOCUMENT = '{"errors":["Not available"]}'
BOMB_BYTES = 50 * 1024 * 1024
SLOW_TICKS_PER_S = 10
CODES = {
    403: ("AccessDenied", "Access Denied"),
    404: ("NoSuchKey", "The specified key does not exist."),
    429: ("TooManyRequests", "Please reduce your request rate."),
    500: ("InternalError", "We encountered an internal error. Please try again."),
    503: ("SlowDown", "Please reduce your request rate."),
}


@dataclass(frozen=True)
class GoodAnswer:
    """The good answer that a fault spoils."""

    file: SandboxFile
    span: ByteRange
    head: dict[str, str]
    url_id: str = ""

    @property
    def status(self) -> int:
        return 206 if self.span.partial else 200

    def chunks(self, limit: int | None = None) -> Iterator[bytes]:
        stop = self.span.stop if limit is None else min(self.span.stop, self.span.start + limit)
        return self.file.read(self.span.start, stop)

    def cut_at(self, script: FaultBody) -> int:
        """Before the end, whatever was asked: half-way unless said otherwise."""
        wanted = self.span.length // 2 if script.after_bytes is None else script.after_bytes
        return min(wanted, max(self.span.length - 1, 0))

    async def send(self, exchange: Exchange) -> None:
        await exchange.start(self.status, self.head)
        await exchange.stream(self.file, self.chunks())
        await exchange.end()

    async def send_start(self, exchange: Exchange, limit: int) -> None:
        await exchange.start(self.status, self.head)
        await exchange.stream(self.file, self.chunks(limit))


@dataclass
class Revocations:
    """URLs that expired before their time, and what those about to may still send."""

    urls: set[str] = field(default_factory=set)
    budgets: dict[tuple[str, str], int] = field(default_factory=dict)


async def answer_early(script: FaultBody, exchange: Exchange) -> None:
    match script.kind:
        case "html":
            await exchange.answer(200, {"Content-Type": "text/html"}, (script.body or HTML_PAGE).encode())
        case "json":
            await exchange.answer(200, {"Content-Type": "application/json"}, (script.body or JSON_DOCUMENT).encode())
        case "empty":
            await exchange.answer(200, {"Content-Type": "binary/octet-stream"}, b"")
        case "gzip_bomb":
            headers = {"Content-Type": "binary/octet-stream", "Content-Encoding": "gzip"}
            await exchange.answer(200, headers, _bomb(script.after_bytes or BOMB_BYTES))
        case "redirect":
            await exchange.answer(script.status or 302, {"Location": script.body or ""}, b"")
        case "hang":
            await exchange.connection.pause(script.delay_s)
            await exchange.connection.close()
        case _:
            await _answer_status(script, exchange)


async def _answer_status(script: FaultBody, exchange: Exchange) -> None:
    status = script.status or 503
    headers = {} if script.retry_after is None else {"Retry-After": f"{script.retry_after:g}"}
    if script.body is not None:
        await exchange.answer(status, {**headers, "Content-Type": "application/xml"}, script.body.encode())
        return
    code, message = CODES.get(status, ("SandboxFault", "A scripted fault."))
    raise S3Error(status, code, message, headers=headers)


@lru_cache(maxsize=4)
def _bomb(size_bytes: int) -> bytes:
    return gzip.compress(bytes(size_bytes))


async def answer_late(fault: Fault, exchange: Exchange, answer: GoodAnswer, revocations: Revocations) -> None:
    if fault.script.kind == "expire_after_bytes":
        await _expire(fault, exchange, answer, revocations)
        return
    fault.fired += 1
    await LATE[fault.script.kind](fault.script, exchange, answer)


async def _expire(fault: Fault, exchange: Exchange, answer: GoodAnswer, revocations: Revocations) -> None:
    """The bytes are counted over all requests with the same URL; the one that goes beyond is cut."""
    key = (fault.id, answer.url_id)
    if revocations.budgets.get(key) == 0:
        _revoke(fault, answer.url_id, revocations)
        now = datetime.now(UTC)
        raise expired(now, now)
    first = answer.span.length // 2 if fault.script.after_bytes is None else fault.script.after_bytes
    revocations.budgets.setdefault(key, first)
    await exchange.start(answer.status, answer.head)
    for chunk in answer.chunks():
        allowed = chunk[: revocations.budgets[key]]
        revocations.budgets[key] -= len(allowed)
        await exchange.stream(answer.file, [allowed])
        if len(allowed) < len(chunk):
            _revoke(fault, answer.url_id, revocations)
            await exchange.connection.close()
            return
    await exchange.end()


def _revoke(fault: Fault, url_id: str, revocations: Revocations) -> None:
    if url_id not in revocations.urls:
        revocations.urls.add(url_id)
        fault.fired += 1


async def _truncate(script: FaultBody, exchange: Exchange, answer: GoodAnswer) -> None:
    await answer.send_start(exchange, answer.cut_at(script))
    await exchange.connection.close()


async def _reset(script: FaultBody, exchange: Exchange, answer: GoodAnswer) -> None:
    await answer.send_start(exchange, answer.cut_at(script))
    await exchange.connection.reset()


async def _stall(script: FaultBody, exchange: Exchange, answer: GoodAnswer) -> None:
    await answer.send_start(exchange, answer.cut_at(script))
    await exchange.connection.pause(script.delay_s)
    await exchange.connection.close()


async def _truncate_no_length(script: FaultBody, exchange: Exchange, answer: GoodAnswer) -> None:
    await exchange.raw_start(answer.status, {k: v for k, v in answer.head.items() if k != "Content-Length"})
    await exchange.raw_stream(answer.file, answer.chunks(answer.cut_at(script)))
    await exchange.connection.close()


async def _length_lies(script: FaultBody, exchange: Exchange, answer: GoodAnswer) -> None:
    """Declares `after_bytes` (or less than there is) as the file's size, and sends what it has regardless."""
    size = answer.file.size_bytes
    declared = size - max(1, min(1024, size // 2)) if script.after_bytes is None else script.after_bytes
    head = dict(answer.head)
    if answer.span.partial:
        head["Content-Range"] = f"bytes {answer.span.start}-{answer.span.stop - 1}/{declared}"
    else:
        head["Content-Length"] = str(declared)
    await exchange.raw_start(answer.status, head)
    await exchange.raw_stream(answer.file, answer.chunks())
    await exchange.connection.close()


async def _corrupt(script: FaultBody, exchange: Exchange, answer: GoodAnswer) -> None:
    await exchange.start(answer.status, answer.head)
    await exchange.stream(answer.file, _flipped(answer, answer.cut_at(script)))
    await exchange.end()


def _flipped(answer: GoodAnswer, at: int) -> Iterator[bytes]:
    position = 0
    for chunk in answer.chunks():
        within = at - position
        if 0 <= within < len(chunk):
            yield chunk[:within] + bytes([chunk[within] ^ 1]) + chunk[within + 1 :]
        else:
            yield chunk
        position += len(chunk)


async def _slow(script: FaultBody, exchange: Exchange, answer: GoodAnswer) -> None:
    if script.delay_s is not None and not await exchange.connection.pause(script.delay_s):
        return
    if script.bytes_per_s is None:
        await answer.send(exchange)
        return
    await exchange.start(answer.status, answer.head)
    step = max(1, int(script.bytes_per_s / SLOW_TICKS_PER_S))
    began = time.monotonic()
    for start in range(answer.span.start, answer.span.stop, step):
        stop = min(start + step, answer.span.stop)
        due = began + (stop - answer.span.start) / script.bytes_per_s  # by the clock: late ticks do not add up
        if not await exchange.connection.pause(due - time.monotonic()):
            return
        await exchange.stream(answer.file, answer.file.read(start, stop))
    await exchange.end()


LATE: dict[str, Callable[[FaultBody, Exchange, GoodAnswer], Awaitable[None]]] = {
    "truncate": _truncate,
    "truncate_no_length": _truncate_no_length,
    "length_lies": _length_lies,
    "corrupt": _corrupt,
    "reset": _reset,
    "stall": _stall,
    "slow": _slow,
}
