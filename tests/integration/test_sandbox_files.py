"""The emulated bucket's files, and what is written down of the requests for them."""

from __future__ import annotations

import hashlib
import struct

import pytest
import pytest_asyncio

from tests.support.vendor import ADMIN

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def finished(vendor):
    return await vendor.finished({"size_bytes": 1_000_000, "kind": "generated"})


@pytest.fixture
def url(finished):
    return finished["payload"]["callRecords"][0]["download_url"]


def boxes(data):
    position, found = 0, []
    while position < len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, position + 8)
        found.append((kind.decode(), size))
        position += size
    assert position == len(data)
    return found


class TestFiles:
    @pytest.mark.parametrize("extra", [0, 1, 15, 16, 1_000_000])
    async def test_an_mp4_is_whole_at_any_size(self, vendor, extra):
        smallest = (await vendor.finished({}))["recordings"][0]["size_bytes"]
        made = await vendor.finished({"kind": "mp4", "size_bytes": smallest + extra})
        data = (await vendor.http.get(made["payload"]["callRecords"][0]["download_url"])).content
        assert len(data) == smallest + extra
        assert [kind for kind, _ in boxes(data)][:4] == ["ftyp", "free", "moov", "mdat"]

    async def test_two_recordings_never_have_the_same_bytes(self, vendor):
        sums = [(await vendor.finished({}))["recordings"][0]["sha256"] for _ in range(5)]
        assert len(set(sums)) == 5

    async def test_a_generated_file_looks_like_an_mp4_of_its_size(self, vendor, url):
        assert boxes((await vendor.http.get(url)).content) == [("ftyp", 32), ("mdat", 1_000_000 - 32)]

    @pytest.mark.parametrize(
        ("recording", "size", "start"),
        [
            ({"body_base64": "aGVsbG8="}, 5, b"hello"),
            ({"kind": "bytes", "body_base64": ""}, 0, b""),
            ({"kind": "webm"}, 4096, bytes.fromhex("1a45dfa3")),
            ({"size_bytes": 3}, 3, b"\0\0\0"),
            ({"size_bytes": 0}, 0, b""),
        ],
    )
    async def test_kinds(self, vendor, recording, size, start):
        made = await vendor.finished(recording)
        answer = await vendor.http.get(made["payload"]["callRecords"][0]["download_url"])
        assert made["recordings"][0]["size_bytes"] == len(answer.content) == size
        assert answer.headers["content-length"] == str(size)
        assert answer.content.startswith(start)
        assert made["recordings"][0]["etag"] == hashlib.md5(answer.content).hexdigest()  # noqa: S324 - S3's ETag

    async def test_what_was_sent_is_counted(self, vendor, finished, url):
        await vendor.http.get(url)
        await vendor.http.get(url, headers={"Range": "bytes=0-99"})
        facts = (await vendor.http.get(f"/_control/recordings/{finished['recordings'][0]['_id']}")).json()
        assert (facts["gets"], facts["bytes_sent"]) == (2, 1_000_100)
        assert facts["sha256"] == finished["recordings"][0]["sha256"]

    async def test_an_unlisted_recording_keeps_its_file(self, vendor, finished, url):
        recording_id = finished["recordings"][0]["_id"]
        assert (await vendor.http.delete(f"/_control/recordings/{recording_id}")).status_code == 204
        listing = f"/admin/meetings/recordings/{finished['meeting']['_id']}"
        assert (await vendor.http.get(listing, headers=ADMIN)).json() == []
        assert (await vendor.http.get(url)).status_code == 200

    async def test_no_hash_where_none_is_wanted(self, vendor):
        made = await vendor.finished({"size_bytes": 10**15}, hash=False)
        assert made["recordings"][0]["sha256"] is None


async def test_requests_are_written_down_without_secrets(vendor, finished, url):
    await vendor.http.delete("/_control/requests")
    meeting_id = finished["meeting"]["_id"]
    await vendor.http.get("/meetings?limit=1", headers={"CB-Token": "a-secret-token"})
    await vendor.http.get(url, headers={"Range": "bytes=0-9"})
    await vendor.http.get(f"/admin/meetings/recordings/{meeting_id}", headers=ADMIN)
    api, storage, admin = (await vendor.http.get("/_control/requests")).json()
    assert (api["side"], api["method"], api["path"], api["query"], api["status"]) == (
        "api",
        "GET",
        "/meetings",
        "limit=1",
        401,
    )
    assert api["headers"]["cb-token"] is True
    assert (storage["side"], storage["status"], storage["bytes_sent"]) == ("storage", 206, 10)
    assert storage["headers"]["range"] == "bytes=0-9"
    assert admin["headers"]["cb-administration-api-key"] is True
    assert api["at"] <= storage["at"] <= admin["at"]
