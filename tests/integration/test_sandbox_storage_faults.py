"""Scripted faults of the storage, each as a client on a real socket sees it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from urllib.parse import urlsplit

import httpx
import pytest

from receiver.sandbox import Sandbox, SandboxConfig
from tests.support.vendor import ADMIN, script

SIZE = 1_000_000


@pytest.fixture
async def client(sandbox):
    async with httpx.AsyncClient(base_url=sandbox.url, timeout=10) as client:
        yield client


@pytest.fixture
async def finished(client):
    body = {"recordings": [{"size_bytes": SIZE, "kind": "generated"}]}
    return (await client.post("/_control/meetings", json=body)).json()


@pytest.fixture
def url(finished):
    return finished["payload"]["callRecords"][0]["download_url"]


@pytest.fixture
async def whole(client, url):
    return (await client.get(url)).content


async def raw_get(url, *headers):
    """Everything the server sends until it closes: what clients hide."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode().lower(), body


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "start"),
    [
        ("html", 200, "text/html", b"<!DOCTYPE html>"),
        ("json", 200, "application/json", b"{"),
        ("empty", 200, "binary/octet-stream", b""),
    ],
)
async def test_a_good_status_with_something_else(client, url, kind, status, content_type, start):
    await script(client, "storage", kind)
    answer = await client.get(url)
    assert answer.status_code == status
    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.content.startswith(start)
    assert (kind == "empty") == (answer.content == b"")


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (429, "TooManyRequests"), (500, "InternalError"), (503, "SlowDown")]
)
async def test_a_bad_status(client, url, status, code):
    await script(client, "storage", "status", status=status, retry_after=7)
    answer = await client.get(url)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert f"<Code>{code}</Code>" in answer.text


async def test_a_status_with_a_body_of_choice(client, url):
    await script(client, "storage", "status", status=404, body="<Error/>")
    answer = await client.get(url)
    assert (answer.status_code, answer.text) == (404, "<Error/>")


async def test_redirect(client, url):
    await script(client, "storage", "redirect", body="http://127.0.0.1:1/elsewhere")
    answer = await client.get(url)
    assert (answer.status_code, answer.headers["location"]) == (302, "http://127.0.0.1:1/elsewhere")


async def test_gzip_bomb(client, url):
    await script(client, "storage", "gzip_bomb", after_bytes=3_000_000)
    head, body = await raw_get(url)
    assert "content-encoding: gzip" in head
    assert len(body) < 10_000
    assert gzip.decompress(body) == bytes(3_000_000)


@pytest.mark.parametrize("after_bytes", [0, 1, 300_000, None, 5_000_000])
async def test_truncate_declares_all_and_sends_less(client, url, whole, after_bytes):
    await script(client, "storage", "truncate", after_bytes=after_bytes)
    head, body = await raw_get(url)
    assert f"content-length: {SIZE}" in head
    sent = min(SIZE // 2 if after_bytes is None else after_bytes, SIZE - 1)
    assert body == whole[:sent]


async def test_truncate_of_a_part(client, url, whole):
    await script(client, "storage", "truncate", after_bytes=1_000)
    head, body = await raw_get(url, "Range: bytes=10-19")
    assert "content-range: bytes 10-19/1000000" in head
    assert body == whole[10:19]


async def test_truncate_without_a_length(client, url, whole):
    await script(client, "storage", "truncate_no_length", after_bytes=300_000)
    answer = await client.get(url)
    assert answer.status_code == 200
    assert "content-length" not in answer.headers
    assert "transfer-encoding" not in answer.headers
    assert answer.content == whole[:300_000]
    *_, entry = (await client.get("/_control/requests")).json()
    assert (entry["status"], entry["bytes_sent"]) == (200, 300_000)


async def test_length_lies_whole(client, url, whole):
    await script(client, "storage", "length_lies", after_bytes=999)
    head, body = await raw_get(url)
    assert "content-length: 999" in head
    assert body == whole


async def test_length_lies_in_a_part(client, url, whole):
    await script(client, "storage", "length_lies")
    answer = await client.get(url, headers={"Range": "bytes=0-99"})
    assert answer.headers["content-range"] == "bytes 0-99/998976"
    assert answer.content == whole[:100]


@pytest.mark.parametrize("kind", ["length_lies", "slow"])
async def test_a_client_that_leaves_is_not_sent_the_rest(client, kind, caplog):
    body = {"recordings": [{"size_bytes": 10**12, "kind": "generated"}], "hash": False}
    made = (await client.post("/_control/meetings", json=body)).json()
    await script(client, "storage", kind, after_bytes=1000)
    with contextlib.suppress(httpx.TransportError):
        async with client.stream("GET", made["payload"]["callRecords"][0]["download_url"]) as answer:
            await anext(answer.aiter_raw())
    *_, entry = (await client.get("/_control/requests")).json()
    assert entry["bytes_sent"] < 10**9
    assert caplog.records == [] or {record.name for record in caplog.records} == {"httpx"}


async def test_expire_after_bytes_cuts_and_kills_that_url_alone(client, url, finished, whole):
    await script(client, "storage", "expire_after_bytes", after_bytes=300_000, times=1)
    _, body = await raw_get(url)
    assert body == whole[:300_000]
    again = await client.get(url)
    assert again.status_code == 403
    assert "Request has expired" in again.text
    listing = f"/admin/meetings/recordings/{finished['meeting']['_id']}"
    fresh = (await client.get(listing, headers=ADMIN)).json()[0]["download_url"]
    assert (await client.get(fresh)).content == whole


async def test_expire_after_bytes_counts_over_parts(client, url, whole):
    await script(client, "storage", "expire_after_bytes", after_bytes=250)
    parts = [(await raw_get(url, f"Range: bytes={start}-{start + 99}"))[1] for start in (0, 100, 200, 300)]
    assert parts[:3] == [whole[0:100], whole[100:200], whole[200:250]]
    assert b"Request has expired" in parts[3]
    (fault,) = (await client.get("/_control/faults")).json()
    assert fault["fired"] == 1


async def test_expire_after_bytes_at_a_parts_edge(client, url, whole):
    await script(client, "storage", "expire_after_bytes", after_bytes=100, times=1)
    answers = [await client.get(url, headers={"Range": f"bytes={start}-{start + 99}"}) for start in (0, 100, 200)]
    assert [answer.status_code for answer in answers] == [206, 403, 403]
    assert answers[0].content == whole[:100]


async def test_no_range(client, url, whole):
    await script(client, "storage", "no_range")
    answer = await client.get(url, headers={"Range": "bytes=500-"})
    assert (answer.status_code, answer.content) == (200, whole)
    assert "accept-ranges" not in answer.headers


async def test_etag_changes(client, url, whole):
    before = (await client.get(url)).headers["etag"]
    await script(client, "storage", "etag_changes", times=1)
    answer = await client.get(url, headers={"Range": "bytes=500-", "If-Match": before})
    assert answer.status_code == 412
    now = await client.get(url)
    assert now.headers["etag"] != before
    assert now.content != whole
    assert len(now.content) == len(whole)


async def test_corrupt_flips_one_bit(client, url, whole):
    await script(client, "storage", "corrupt", after_bytes=700_000)
    spoiled = (await client.get(url)).content
    different = [index for index in range(SIZE) if spoiled[index] != whole[index]]
    assert different == [700_000]
    assert (spoiled[700_000] ^ whole[700_000]).bit_count() == 1


async def test_reset(client, url):
    await script(client, "storage", "reset", after_bytes=1000)
    with pytest.raises(ConnectionResetError):
        await raw_get(url)


@pytest.mark.parametrize("kind", ["hang", "stall"])
async def test_a_client_that_waits_gets_nothing_more(client, url, kind):
    await script(client, "storage", kind, after_bytes=1000)
    with pytest.raises(httpx.ReadTimeout):
        await client.get(url, timeout=0.2)
    *_, entry = (await client.get("/_control/requests")).json()
    assert (entry["status"], entry["bytes_sent"]) == ((None, 0) if kind == "hang" else (200, 1000))


async def test_slow(client, url, whole):
    await script(client, "storage", "slow", bytes_per_s=20_000)
    begun = time.monotonic()
    answer = await client.get(url, headers={"Range": "bytes=0-5999"})
    assert time.monotonic() - begun >= 0.3
    assert answer.content == whole[:6000]


async def test_a_sandbox_that_stops_lets_go_of_those_it_holds():
    async with httpx.AsyncClient(timeout=10) as client:
        async with Sandbox(SandboxConfig()) as sandbox:
            made = await client.post(f"{sandbox.url}/_control/meetings", json={"recordings": [{}]})
            await client.post(f"{sandbox.url}/_control/faults", json={"on": "storage", "kind": "hang"})
            held = asyncio.create_task(client.get(made.json()["payload"]["callRecords"][0]["download_url"]))
            while not (await client.get(f"{sandbox.url}/_control/requests")).json():
                assert not held.done()
        with pytest.raises(httpx.TransportError):
            await held
