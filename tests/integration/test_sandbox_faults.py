"""Scripted faults of the API and the webhook, and how they are scripted, as a client on a real socket sees them."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.support.vendor import ADMIN, script, session_body


@pytest.fixture
async def client(sandbox):
    async with httpx.AsyncClient(base_url=sandbox.url, timeout=10) as client:
        yield client


@pytest.fixture
async def finished(client):
    body = {"recordings": [{"size_bytes": 1_000_000, "kind": "generated"}]}
    return (await client.post("/_control/meetings", json=body)).json()


@pytest.fixture
def url(finished):
    return finished["payload"]["callRecords"][0]["download_url"]


@pytest.fixture
def listing(finished):
    return f"/admin/meetings/recordings/{finished['meeting']['_id']}"


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
        answer = await client.post("/session", json=session_body())
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
