"""Answers that are no listing, and connections that bring none."""

from __future__ import annotations

import asyncio
import gzip
import socket

import pytest
from aiohttp import web

from receiver import metrics
from receiver.errors import (
    ApiBadAnswerError,
    ApiForbiddenError,
    ApiPausedError,
    ApiRefusedError,
    ApiUnauthorizedError,
    ApiUnavailableError,
    RecordingGoneError,
)
from tests.support.scripted_api import MEETING, R1, client, held, scripted_api


@pytest.fixture
async def server():
    async with scripted_api() as api:
        yield api


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "message"),
    [
        (400, {}, b'{"errors": ["Bad id"]}', ApiRefusedError, "Bad id"),
        (401, {}, b'{"errors": ["Token is required"]}', ApiUnauthorizedError, "Token is required"),
        (403, {}, b'{"errors": {"base": ["Forbidden"]}}', ApiForbiddenError, "RECEIVER_API_ADMIN_KEY"),
        (404, {}, b'{"errors": ["Not found"]}', RecordingGoneError, "no such meeting"),
        (404, {}, b"", RecordingGoneError, "no such meeting"),
        (404, {"Content-Type": "text/html"}, b"<h1>nginx</h1>", ApiBadAnswerError, "RECEIVER_API_URL"),
        (422, {}, b'{"errors": {"_id": ["is invalid"]}}', ApiRefusedError, "_id is invalid"),
        (429, {}, b"", ApiPausedError, "429"),
        (429, {"Retry-After": "3"}, b"", ApiPausedError, "asked to wait 3 s"),
        (500, {}, b"<h1>oops</h1>", ApiUnavailableError, "500"),
        (502, {"Retry-After": "9"}, b"", ApiUnavailableError, "502"),
        (503, {"Retry-After": "4"}, b"", ApiUnavailableError, "503"),
        (
            503,
            {"Retry-After": "4", "Content-Encoding": "gzip"},
            gzip.compress(b"a", mtime=0),
            ApiUnavailableError,
            "503",
        ),
        (500, {}, b'{"errors": ["' + b" " * (1 << 20), ApiUnavailableError, "500"),
        (301, {"Location": "https://elsewhere.example/?k=canary"}, b"", ApiBadAnswerError, "RECEIVER_API_URL"),
        (304, {}, b"", ApiBadAnswerError, "RECEIVER_API_URL"),
        (204, {}, b"", ApiBadAnswerError, "RECEIVER_API_URL"),
        (418, {}, b"", ApiBadAnswerError, "RECEIVER_API_URL"),
        (200, {}, b"<html>", ApiBadAnswerError, "not JSON"),
        (200, {}, b'{"items": []}', ApiBadAnswerError, "not a JSON array"),
        (200, {}, b"", ApiBadAnswerError, "not JSON"),
        (200, {}, b" " * (33 << 20), ApiBadAnswerError, "more than 32 MiB"),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(b"[]", mtime=0), ApiBadAnswerError, "compressed"),
        (400, {}, b'{"errors": ["key canary-admin-key is bad"]}', ApiRefusedError, r"key \[redacted\] is bad"),
    ],
)
async def test_answer_becomes_a_typed_error(server, status, headers, body, error, message):
    async def answer(_request):
        return web.Response(status=status, headers=headers, body=body)

    server.listing = answer
    before = metrics.api_requests.labels(status=str(status))._value.get()
    async with client(server) as api:
        with pytest.raises(error, match=message) as caught:
            await api.listed(R1, MEETING)
    assert type(caught.value) is error
    asked = headers.get("Retry-After")
    assert caught.value.retry_after_s == (None if asked is None else float(asked))
    assert "canary" not in str(caught.value)
    assert len(server.requests) == 1
    assert metrics.api_requests.labels(status=str(status))._value.get() == before + 1


async def test_silent_api_is_unavailable_after_the_time_out(server):
    held(server)
    before = metrics.api_requests.labels(status="timeout")._value.get()
    async with client(server, timeout_s=0.2) as api:
        with pytest.raises(ApiUnavailableError, match=r"within 0\.2 s .*RECEIVER_API_TIMEOUT_S"):
            await api.listed(R1, MEETING)
    assert metrics.api_requests.labels(status="timeout")._value.get() == before + 1


async def test_dripped_body_is_cut_by_the_same_time_out(server):
    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"[")
        await asyncio.Event().wait()

    server.listing = answer
    async with client(server, timeout_s=0.2) as api:
        with pytest.raises(ApiUnavailableError, match="no whole answer"):
            await api.listed(R1, MEETING)


async def test_cut_body_and_refused_connection_are_unavailable(server):
    async def answer(request):
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"[]")
        request.transport.abort()
        return response

    server.listing = answer
    async with client(server) as api:
        with pytest.raises(ApiUnavailableError, match="RECEIVER_API_URL"):
            await api.listed(R1, MEETING)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        server.url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    async with client(server) as api:
        with pytest.raises(ApiUnavailableError, match=r"no connection .* 127"):
            await api.listed(R1, MEETING)
