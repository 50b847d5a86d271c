"""Scripted faults, each as a client on a real socket sees it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from urllib.parse import urlsplit

import httpx
import pytest

from receiver.sandbox import Sandbox, SandboxConfig

ADMIN = {"CB-Administration-API-Key": "sandbox-admin-key"}
SIZE = 1_000_000


@pytest.fixture
async def sandbox():
    async with Sandbox(SandboxConfig(seed=7)) as running:
        yield running


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
def listing(finished):
    return f"/admin/meetings/recordings/{finished['meeting']['_id']}"


@pytest.fixture
async def whole(client, url):
    return (await client.get(url)).content


async def script(client, on, kind, **fault):
    answer = await client.post("/_control/faults", json={"on": on, "kind": kind, **fault})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


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


class TestScripting:
    async def test_faults_are_listed_counted_and_removed(self, client, url):
        fault_id = await script(client, "storage", "html", times=1)
        await client.get(url)
        (listed,) = (await client.get("/_control/faults")).json()
        assert listed == {"id": fault_id, "on": "storage", "kind": "html", "times": 1, "fired": 1}
        assert (await client.delete(f"/_control/faults/{fault_id}")).status_code == 204
        assert (await client.delete(f"/_control/faults/{fault_id}")).status_code == 404
        await script(client, "storage", "empty")
        assert (await client.delete("/_control/faults")).status_code == 204
        assert (await client.get("/_control/faults")).json() == []

    @pytest.mark.parametrize(
        "fault",
        [
            {"on": "storage", "kind": "drop"},
            {"on": "api", "kind": "truncate"},
            {"on": "network", "kind": "html"},
            {"on": "storage", "kind": "redirect"},
            {"on": "storage", "kind": "html", "time": 1},
        ],
    )
    async def test_a_fault_that_cannot_be_is_refused(self, client, fault):
        assert (await client.post("/_control/faults", json=fault)).status_code == 422

    async def test_in_the_order_scripted_and_only_so_often(self, client, url):
        await script(client, "storage", "truncate", times=1, after_bytes=10)
        await script(client, "storage", "status", times=2, status=500)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
        assert [(await client.get(url)).status_code for _ in range(3)] == [500, 500, 200]

    @pytest.mark.parametrize("part", ["path", "file_uid", "meeting", "recording"])
    async def test_a_match_chooses_the_file(self, client, url, finished, part):
        names = {
            "path": "/videos/",
            "file_uid": finished["recordings"][0]["file_uid"],
            "meeting": finished["meeting"]["_id"],
            "recording": finished["recordings"][0]["_id"],
        }
        await script(client, "storage", "status", match="something else")
        assert (await client.get(url)).status_code == 200
        await script(client, "storage", "status", match=names[part])
        assert (await client.get(url)).status_code == 503

    async def test_head_uses_no_fault_up(self, client, url):
        await script(client, "storage", "html", times=1)
        assert (await client.head(url)).status_code == 403
        assert (await client.get(url)).headers["content-type"].startswith("text/html")


class TestStorage:
    @pytest.mark.parametrize(
        ("kind", "status", "content_type", "start"),
        [
            ("html", 200, "text/html", b"<!DOCTYPE html>"),
            ("json", 200, "application/json", b"{"),
            ("empty", 200, "binary/octet-stream", b""),
        ],
    )
    async def test_a_good_status_with_something_else(self, client, url, kind, status, content_type, start):
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
    async def test_a_bad_status(self, client, url, status, code):
        await script(client, "storage", "status", status=status, retry_after=7)
        answer = await client.get(url)
        assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
        assert f"<Code>{code}</Code>" in answer.text

    async def test_a_status_with_a_body_of_choice(self, client, url):
        await script(client, "storage", "status", status=404, body="<Error/>")
        answer = await client.get(url)
        assert (answer.status_code, answer.text) == (404, "<Error/>")

    async def test_redirect(self, client, url):
        await script(client, "storage", "redirect", body="http://127.0.0.1:1/elsewhere")
        answer = await client.get(url)
        assert (answer.status_code, answer.headers["location"]) == (302, "http://127.0.0.1:1/elsewhere")

    async def test_gzip_bomb(self, client, url):
        await script(client, "storage", "gzip_bomb", after_bytes=3_000_000)
        head, body = await raw_get(url)
        assert "content-encoding: gzip" in head
        assert len(body) < 10_000
        assert gzip.decompress(body) == bytes(3_000_000)

    @pytest.mark.parametrize("after_bytes", [0, 1, 300_000, None, 5_000_000])
    async def test_truncate_declares_all_and_sends_less(self, client, url, whole, after_bytes):
        await script(client, "storage", "truncate", after_bytes=after_bytes)
        head, body = await raw_get(url)
        assert f"content-length: {SIZE}" in head
        sent = min(SIZE // 2 if after_bytes is None else after_bytes, SIZE - 1)
        assert body == whole[:sent]

    async def test_truncate_of_a_part(self, client, url, whole):
        await script(client, "storage", "truncate", after_bytes=1_000)
        head, body = await raw_get(url, "Range: bytes=10-19")
        assert "content-range: bytes 10-19/1000000" in head
        assert body == whole[10:19]

    async def test_truncate_without_a_length(self, client, url, whole):
        await script(client, "storage", "truncate_no_length", after_bytes=300_000)
        answer = await client.get(url)
        assert answer.status_code == 200
        assert "content-length" not in answer.headers
        assert "transfer-encoding" not in answer.headers
        assert answer.content == whole[:300_000]
        *_, entry = (await client.get("/_control/requests")).json()
        assert (entry["status"], entry["bytes_sent"]) == (200, 300_000)

    async def test_length_lies_whole(self, client, url, whole):
        await script(client, "storage", "length_lies", after_bytes=999)
        head, body = await raw_get(url)
        assert "content-length: 999" in head
        assert body == whole

    async def test_length_lies_in_a_part(self, client, url, whole):
        await script(client, "storage", "length_lies")
        answer = await client.get(url, headers={"Range": "bytes=0-99"})
        assert answer.headers["content-range"] == "bytes 0-99/998976"
        assert answer.content == whole[:100]

    @pytest.mark.parametrize("kind", ["length_lies", "slow"])
    async def test_a_client_that_leaves_is_not_sent_the_rest(self, client, kind, caplog):
        body = {"recordings": [{"size_bytes": 10**12, "kind": "generated"}], "hash": False}
        made = (await client.post("/_control/meetings", json=body)).json()
        await script(client, "storage", kind, after_bytes=1000)
        with contextlib.suppress(httpx.TransportError):
            async with client.stream("GET", made["payload"]["callRecords"][0]["download_url"]) as answer:
                await anext(answer.aiter_raw())
        *_, entry = (await client.get("/_control/requests")).json()
        assert entry["bytes_sent"] < 10**9
        assert caplog.records == [] or {record.name for record in caplog.records} == {"httpx"}

    async def test_expire_after_bytes_cuts_and_kills_that_url_alone(self, client, url, finished, whole):
        await script(client, "storage", "expire_after_bytes", after_bytes=300_000, times=1)
        _, body = await raw_get(url)
        assert body == whole[:300_000]
        again = await client.get(url)
        assert again.status_code == 403
        assert "Request has expired" in again.text
        listing = f"/admin/meetings/recordings/{finished['meeting']['_id']}"
        fresh = (await client.get(listing, headers=ADMIN)).json()[0]["download_url"]
        assert (await client.get(fresh)).content == whole

    async def test_expire_after_bytes_counts_over_parts(self, client, url, whole):
        await script(client, "storage", "expire_after_bytes", after_bytes=250)
        parts = [(await raw_get(url, f"Range: bytes={start}-{start + 99}"))[1] for start in (0, 100, 200, 300)]
        assert parts[:3] == [whole[0:100], whole[100:200], whole[200:250]]
        assert b"Request has expired" in parts[3]
        (fault,) = (await client.get("/_control/faults")).json()
        assert fault["fired"] == 1

    async def test_expire_after_bytes_at_a_parts_edge(self, client, url, whole):
        await script(client, "storage", "expire_after_bytes", after_bytes=100, times=1)
        answers = [await client.get(url, headers={"Range": f"bytes={start}-{start + 99}"}) for start in (0, 100, 200)]
        assert [answer.status_code for answer in answers] == [206, 403, 403]
        assert answers[0].content == whole[:100]

    async def test_no_range(self, client, url, whole):
        await script(client, "storage", "no_range")
        answer = await client.get(url, headers={"Range": "bytes=500-"})
        assert (answer.status_code, answer.content) == (200, whole)
        assert "accept-ranges" not in answer.headers

    async def test_etag_changes(self, client, url, whole):
        before = (await client.get(url)).headers["etag"]
        await script(client, "storage", "etag_changes", times=1)
        answer = await client.get(url, headers={"Range": "bytes=500-", "If-Match": before})
        assert answer.status_code == 412
        now = await client.get(url)
        assert now.headers["etag"] != before
        assert now.content != whole
        assert len(now.content) == len(whole)

    async def test_corrupt_flips_one_bit(self, client, url, whole):
        await script(client, "storage", "corrupt", after_bytes=700_000)
        spoiled = (await client.get(url)).content
        different = [index for index in range(SIZE) if spoiled[index] != whole[index]]
        assert different == [700_000]
        assert (spoiled[700_000] ^ whole[700_000]).bit_count() == 1

    async def test_reset(self, client, url):
        await script(client, "storage", "reset", after_bytes=1000)
        with pytest.raises(ConnectionResetError):
            await raw_get(url)

    @pytest.mark.parametrize("kind", ["hang", "stall"])
    async def test_a_client_that_waits_gets_nothing_more(self, client, url, kind):
        await script(client, "storage", kind, after_bytes=1000)
        with pytest.raises(httpx.ReadTimeout):
            await client.get(url, timeout=0.2)
        *_, entry = (await client.get("/_control/requests")).json()
        assert (entry["status"], entry["bytes_sent"]) == ((None, 0) if kind == "hang" else (200, 1000))

    async def test_slow(self, client, url, whole):
        await script(client, "storage", "slow", bytes_per_s=20_000)
        begun = time.monotonic()
        answer = await client.get(url, headers={"Range": "bytes=0-5999"})
        assert time.monotonic() - begun >= 0.3
        assert answer.content == whole[:6000]

    async def test_a_sandbox_that_stops_lets_go_of_those_it_holds(self):
        async with httpx.AsyncClient(timeout=10) as client:
            async with Sandbox(SandboxConfig()) as sandbox:
                made = await client.post(f"{sandbox.url}/_control/meetings", json={"recordings": [{}]})
                await client.post(f"{sandbox.url}/_control/faults", json={"on": "storage", "kind": "hang"})
                held = asyncio.create_task(client.get(made.json()["payload"]["callRecords"][0]["download_url"]))
                while not (await client.get(f"{sandbox.url}/_control/requests")).json():
                    assert not held.done()
            with pytest.raises(httpx.TransportError):
                await held


class TestApi:
    @pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
    async def test_status(self, client, listing, status):
        await script(client, "api", "status", status=status, retry_after=1.5, match="/admin/", times=1)
        answer = await client.get(listing, headers=ADMIN)
        assert (answer.status_code, answer.headers["retry-after"]) == (status, "1.5")
        assert list(answer.json()) == ["errors"]
        assert (await client.get(listing, headers=ADMIN)).status_code == 200

    async def test_not_json(self, client, listing):
        await script(client, "api", "not_json")
        answer = await client.get(listing, headers=ADMIN)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")

    async def test_hang(self, client, listing):
        await script(client, "api", "hang")
        with pytest.raises(httpx.ReadTimeout):
            await client.get(listing, headers=ADMIN, timeout=0.2)

    async def test_slow(self, client, listing):
        await script(client, "api", "slow", delay_s=0.2)
        begun = time.monotonic()
        assert (await client.get(listing, headers=ADMIN)).status_code == 200
        assert time.monotonic() - begun >= 0.2

    async def test_listing_empty(self, client, listing):
        await script(client, "api", "listing_empty", times=1)
        assert (await client.get(listing, headers=ADMIN)).json() == []
        assert len((await client.get(listing, headers=ADMIN)).json()) == 1

    async def test_listing_other_meeting(self, client, listing, finished):
        await script(client, "api", "listing_other_meeting")
        (record,) = (await client.get(listing, headers=ADMIN)).json()
        assert record["_id"] == finished["recordings"][0]["_id"]
        assert record["room_id"] != finished["meeting"]["_id"]

    async def test_listing_late(self, client, listing):
        fault_id = await script(client, "api", "listing_late", delay_s=3600)
        assert (await client.get(listing, headers=ADMIN)).json() == []
        await client.delete(f"/_control/faults/{fault_id}")
        await script(client, "api", "listing_late", delay_s=0)
        assert len((await client.get(listing, headers=ADMIN)).json()) == 1

    @pytest.mark.parametrize("target", ["http://169.254.169.254", "169.254.169.254"])
    async def test_url_points_to(self, client, listing, target):
        await script(client, "api", "url_points_to", body=target)
        (record,) = (await client.get(listing, headers=ADMIN)).json()
        assert record["download_url"].startswith("http://169.254.169.254/videos/")

    async def test_session_expired(self, client):
        credentials = {"login": "archive-bot", "password": "sandbox-password"}
        body = {"application_id": 4242, "auth_key": "sandbox-auth-key", "timestamp": int(time.time())}
        answer = await client.post("/session", json={**body, "user": credentials})
        headers = {"CB-Token": answer.json()["session"]["token"]}
        await script(client, "api", "session_expired", times=1)
        for _ in range(2):
            answer = await client.get("/meetings", headers=headers)
            assert answer.status_code == 401
            assert answer.json() == {"errors": {"base": ["Required session does not exist"]}}

    async def test_the_control_endpoints_are_spared(self, client):
        await script(client, "api", "status")
        assert (await client.get("/_control/faults")).status_code == 200


class TestWebhook:
    async def sent(self, client, finished):
        await client.post(f"/_control/meetings/{finished['meeting']['_id']}/webhook")
        return (await client.get("/_control/webhooks?wait=1")).json()

    async def test_drop(self, client, finished):
        await script(client, "webhook", "drop", times=1)
        assert [one["error"] for one in await self.sent(client, finished)] == ["dropped by a scripted fault"]

    async def test_double(self, client, finished, sandbox):
        sandbox.set_webhook_url(f"{sandbox.url}/nowhere")
        await script(client, "webhook", "double", match=finished["meeting"]["_id"])
        assert [one["status"] for one in await self.sent(client, finished)] == [404, 404]

    async def test_delay(self, client, finished, sandbox):
        sandbox.set_webhook_url(f"{sandbox.url}/nowhere")
        await script(client, "webhook", "delay", delay_s=0.2)
        begun = time.time()
        (one,) = await self.sent(client, finished)
        assert one["at"] - begun >= 0.2

    async def test_nobody_listens(self, client, finished, sandbox):
        sandbox.set_webhook_url("http://127.0.0.1:1/hook")
        (one,) = await self.sent(client, finished)
        assert one["status"] is None
        assert "ClientConnectorError" in one["error"]
