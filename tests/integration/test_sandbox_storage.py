"""The emulated bucket over real sockets: signatures, expiry, ranges, conditions, and the files themselves."""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree as ET

import httpx
import pytest

from receiver.sandbox import Sandbox, SandboxConfig
from receiver.sandbox.files import StoredFile

ADMIN = {"CB-Administration-API-Key": "sandbox-admin-key"}


@pytest.fixture
async def sandbox():
    async with Sandbox(SandboxConfig(seed=7)) as running:
        yield running


@pytest.fixture
async def client(sandbox):
    async with httpx.AsyncClient() as client:
        yield client


async def scene(sandbox, client, **recording):
    answer = await client.post(f"{sandbox.url}/_control/meetings", json={"recordings": [recording]})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
async def finished(sandbox, client):
    return await scene(sandbox, client, size_bytes=1_000_000, kind="generated")


async def url_of(sandbox, client, finished, form):
    meeting_id = finished["meeting"]["_id"]
    if form == "webhook":
        return finished["payload"]["callRecords"][0]["download_url"]
    listed = await client.get(f"{sandbox.url}/admin/meetings/recordings/{meeting_id}", headers=ADMIN)
    return listed.json()[0]["download_url"]


def changed(url, **query):
    parts = urlsplit(url)
    pairs = {**dict(parse_qsl(parts.query)), **{name.replace("_", "-"): value for name, value in query.items()}}
    return urlunsplit(parts._replace(query=urlencode({k: v for k, v in pairs.items() if v is not None})))


def code_of(answer):
    assert answer.headers["content-type"].startswith("application/xml")
    return ET.fromstring(answer.content).findtext("Code")  # noqa: S314 - our own storage wrote it


@pytest.fixture
def whole(sandbox, finished):
    uid = finished["recordings"][0]["file_uid"]
    file = sandbox._platform.bucket.files.get(uid)
    return b"".join(file.read(0, file.size_bytes))


class TestSignatures:
    @pytest.mark.parametrize("form", ["webhook", "admin"])
    async def test_a_signed_get_is_answered(self, sandbox, client, finished, form):
        answer = await client.get(await url_of(sandbox, client, finished, form))
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == finished["recordings"][0]["sha256"]
        assert answer.headers["etag"] == f'"{finished["recordings"][0]["etag"]}"'
        assert answer.headers["content-length"] == "1000000"
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["content-type"] == "binary/octet-stream"
        assert answer.headers["cache-control"] == "max-age=604800"
        assert "last-modified" in answer.headers

    @pytest.mark.parametrize("form", ["webhook", "admin"])
    async def test_head_is_refused_for_the_url_was_signed_for_get(self, sandbox, client, finished, form):
        answer = await client.head(await url_of(sandbox, client, finished, form))
        assert (answer.status_code, answer.content) == (403, b"")

    @pytest.mark.parametrize(
        ("form", "change", "status", "code"),
        [
            ("webhook", {"Signature": "AAAA"}, 403, "SignatureDoesNotMatch"),
            ("webhook", {"Expires": "9999999999"}, 403, "SignatureDoesNotMatch"),
            ("webhook", {"response_cache_control": "no-store"}, 403, "SignatureDoesNotMatch"),
            ("webhook", {"AWSAccessKeyId": "other"}, 403, "InvalidAccessKeyId"),
            ("webhook", {"Expires": "soon"}, 403, "AccessDenied"),
            ("webhook", {"Signature": None}, 403, "AccessDenied"),
            ("admin", {"X_Amz_Signature": "0" * 64}, 403, "SignatureDoesNotMatch"),
            ("admin", {"X_Amz_Expires": "604799"}, 403, "SignatureDoesNotMatch"),
            ("admin", {"x_id": "PutObject"}, 403, "SignatureDoesNotMatch"),
            ("admin", {"extra": "1"}, 403, "SignatureDoesNotMatch"),
            ("admin", {"X_Amz_Expires": "604801"}, 400, "AuthorizationQueryParametersError"),
            ("admin", {"X_Amz_Date": "today"}, 400, "AuthorizationQueryParametersError"),
        ],
    )
    async def test_a_changed_url_is_refused(self, sandbox, client, finished, form, change, status, code):
        answer = await client.get(changed(await url_of(sandbox, client, finished, form), **change))
        assert (answer.status_code, code_of(answer)) == (status, code)

    async def test_a_signature_is_for_one_file(self, sandbox, client, finished):
        url = await url_of(sandbox, client, finished, "webhook")
        other = (await scene(sandbox, client))["recordings"][0]["file_uid"]
        parts = urlsplit(url)
        answer = await client.get(urlunsplit(parts._replace(path=f"/videos/{other}")))
        assert code_of(answer) == "SignatureDoesNotMatch"

    @pytest.mark.parametrize("form", ["webhook", "admin"])
    async def test_urls_expire(self, form):
        config = SandboxConfig(url_lifetime_webhook_s=0, url_lifetime_admin_s=0)
        async with Sandbox(config) as sandbox, httpx.AsyncClient() as client:
            finished = await scene(sandbox, client)
            answer = await client.get(await url_of(sandbox, client, finished, form))
        error = ET.fromstring(answer.content)  # noqa: S314 - our own storage wrote it
        assert (answer.status_code, error.findtext("Code")) == (403, "AccessDenied")
        assert error.findtext("Message") == "Request has expired"
        assert error.findtext("Expires") <= error.findtext("ServerTime")

    async def test_an_expiry_is_a_point_in_time(self, sandbox, client, finished):
        signer = sandbox._platform.bucket.signer
        path = f"/videos/{finished['recordings'][0]['file_uid']}"
        now = datetime.now(UTC)
        for sign in (signer.sign_v2, signer.sign_v4):
            assert (await client.get(sign(sandbox.storage_url, path, 60, now))).status_code == 200
            assert (
                await client.get(sign(sandbox.storage_url, path, 60, now - timedelta(minutes=2)))
            ).status_code == 403
        early = signer.sign_v4(sandbox.storage_url, path, 60, now + timedelta(hours=1))
        assert "not valid yet" in (await client.get(early)).text

    async def test_other_requests(self, sandbox, client, finished):
        url = await url_of(sandbox, client, finished, "webhook")
        assert code_of(await client.put(url)) == "MethodNotAllowed"
        assert code_of(await client.get(sandbox.storage_url + "/")) == "AccessDenied"
        path = "/videos/missing"
        signed = sandbox._platform.bucket.signer.sign_v2(sandbox.storage_url, path, 60, datetime.now(UTC))
        missing = await client.get(signed)
        assert (missing.status_code, code_of(missing)) == (404, "NoSuchKey")


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "start", "stop"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=0-99", 0, 100),
            ("bytes=262140-262150", 262_140, 262_151),
            ("bytes=262147-786435", 262_147, 786_436),
            ("bytes=999990-", 999_990, 1_000_000),
            ("bytes=999990-5000000", 999_990, 1_000_000),
            ("bytes=-10", 999_990, 1_000_000),
            ("bytes=-5000000", 0, 1_000_000),
        ],
    )
    async def test_one_range(self, sandbox, client, finished, whole, asked, start, stop):
        url = await url_of(sandbox, client, finished, "webhook")
        answer = await client.get(url, headers={"Range": asked})
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/1000000"
        assert answer.content == whole[start:stop]

    @pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "bytes=5-1", "bytes=-", "lines=0-1", "bytes=a-b"])
    async def test_other_forms_get_the_whole_file(self, sandbox, client, finished, whole, asked):
        url = await url_of(sandbox, client, finished, "webhook")
        answer = await client.get(url, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (200, whole)

    @pytest.mark.parametrize("asked", ["bytes=1000000-", "bytes=1000000-1000001", "bytes=-0"])
    async def test_beyond_the_end(self, sandbox, client, finished, asked):
        url = await url_of(sandbox, client, finished, "webhook")
        answer = await client.get(url, headers={"Range": asked})
        assert (answer.status_code, code_of(answer)) == (416, "InvalidRange")
        assert answer.headers["content-range"] == "bytes */1000000"

    @pytest.mark.parametrize(
        ("header", "value", "status"),
        [
            ("If-Match", "etag", 206),
            ("If-Match", '"other"', 412),
            ("If-Match", "*", 206),
            ("If-None-Match", "etag", 304),
            ("If-None-Match", '"other"', 206),
            ("If-Range", "etag", 206),
            ("If-Range", '"other"', 200),
            ("If-Range", "last-modified", 206),
            ("If-Range", "Mon, 19 Jun 2023 14:10:17 GMT", 200),
            ("If-Unmodified-Since", "Mon, 19 Jun 2023 14:10:17 GMT", 412),
            ("If-Unmodified-Since", "last-modified", 206),
            ("If-Modified-Since", "last-modified", 304),
            ("If-Modified-Since", "nonsense", 206),
        ],
    )
    async def test_conditions(self, sandbox, client, finished, header, value, status):
        url = await url_of(sandbox, client, finished, "webhook")
        first = await client.get(url)
        condition = first.headers[value] if value in {"etag", "last-modified"} else value
        answer = await client.get(url, headers={"Range": "bytes=0-9", header: condition})
        assert answer.status_code == status
        if status == 412:
            assert code_of(answer) == "PreconditionFailed"


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
    async def test_an_mp4_is_whole_at_any_size(self, sandbox, client, extra):
        smallest = (await scene(sandbox, client))["recordings"][0]["size_bytes"]
        made = await scene(sandbox, client, kind="mp4", size_bytes=smallest + extra)
        data = (await client.get(made["payload"]["callRecords"][0]["download_url"])).content
        assert len(data) == smallest + extra
        assert [kind for kind, _ in boxes(data)][:4] == ["ftyp", "free", "moov", "mdat"]

    async def test_two_recordings_never_have_the_same_bytes(self, sandbox, client):
        sums = [(await scene(sandbox, client))["recordings"][0]["sha256"] for _ in range(5)]
        assert len(set(sums)) == 5

    async def test_a_generated_file_looks_like_an_mp4_of_its_size(self, whole):
        assert boxes(whole) == [("ftyp", 32), ("mdat", 1_000_000 - 32)]

    def test_a_huge_file_is_read_by_offset(self):
        file = StoredFile("uid", "generated", 50 * 1024**4)
        chunk = b"".join(file.read(file.size_bytes - 10, file.size_bytes))
        assert len(chunk) == 10
        assert file.etag.endswith(f"-{file.size_bytes // (8 * 1024**2)}")

    def test_every_chunk_differs_and_cuts_do_not_matter(self):
        file = StoredFile("uid", "generated", 5_000_000)
        whole = b"".join(file.read(0, file.size_bytes))
        chunks = [whole[start : start + 262_144] for start in range(0, len(whole), 262_144)]
        assert len(set(chunks)) == len(chunks)
        for start, stop in [(0, 1), (3, 5), (31, 60), (262_143, 262_153), (262_150, 2_000_001), (4_999_999, 5_000_000)]:
            assert b"".join(file.read(start, stop)) == whole[start:stop]

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
    async def test_kinds(self, sandbox, client, recording, size, start):
        made = await scene(sandbox, client, **recording)
        answer = await client.get(made["payload"]["callRecords"][0]["download_url"])
        assert made["recordings"][0]["size_bytes"] == len(answer.content) == size
        assert answer.headers["content-length"] == str(size)
        assert answer.content.startswith(start)
        assert made["recordings"][0]["etag"] == hashlib.md5(answer.content).hexdigest()  # noqa: S324 - S3's ETag

    async def test_what_was_sent_is_counted(self, sandbox, client, finished):
        url = await url_of(sandbox, client, finished, "webhook")
        await client.get(url)
        await client.get(url, headers={"Range": "bytes=0-99"})
        facts = (await client.get(f"{sandbox.url}/_control/recordings/{finished['recordings'][0]['_id']}")).json()
        assert (facts["gets"], facts["bytes_sent"]) == (2, 1_000_100)
        assert facts["sha256"] == finished["recordings"][0]["sha256"]

    async def test_an_unlisted_recording_keeps_its_file(self, sandbox, client, finished):
        url = await url_of(sandbox, client, finished, "webhook")
        recording_id = finished["recordings"][0]["_id"]
        assert (await client.delete(f"{sandbox.url}/_control/recordings/{recording_id}")).status_code == 204
        listing = f"{sandbox.url}/admin/meetings/recordings/{finished['meeting']['_id']}"
        assert (await client.get(listing, headers=ADMIN)).json() == []
        assert (await client.get(url)).status_code == 200

    async def test_no_hash_where_none_is_wanted(self, sandbox, client):
        body = {"recordings": [{"size_bytes": 10**15}], "hash": False}
        answer = await client.post(f"{sandbox.url}/_control/meetings", json=body)
        assert answer.json()["recordings"][0]["sha256"] is None


async def test_requests_are_written_down_without_secrets(sandbox, client, finished):
    await client.delete(f"{sandbox.url}/_control/requests")
    meeting_id = finished["meeting"]["_id"]
    await client.get(f"{sandbox.url}/meetings?limit=1", headers={"CB-Token": "a-secret-token"})
    await client.get(await url_of(sandbox, client, finished, "webhook"), headers={"Range": "bytes=0-9"})
    await client.get(f"{sandbox.url}/admin/meetings/recordings/{meeting_id}", headers=ADMIN)
    api, storage, admin = (await client.get(f"{sandbox.url}/_control/requests")).json()
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
