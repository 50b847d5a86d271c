"""The emulated bucket over real sockets: signatures, ranges and conditions."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio

from tests.support.vendor import ADMIN

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def finished(vendor):
    return await vendor.finished({"size_bytes": 1_000_000, "kind": "generated"})


async def url_of(vendor, finished, form):
    meeting_id = finished["meeting"]["_id"]
    if form == "webhook":
        return finished["payload"]["callRecords"][0]["download_url"]
    listed = await vendor.http.get(f"/admin/meetings/recordings/{meeting_id}", headers=ADMIN)
    return listed.json()[0]["download_url"]


def changed(url, **query):
    parts = urlsplit(url)
    pairs = {**dict(parse_qsl(parts.query)), **{name.replace("_", "-"): value for name, value in query.items()}}
    return urlunsplit(parts._replace(query=urlencode({k: v for k, v in pairs.items() if v is not None})))


def code_of(answer):
    assert answer.headers["content-type"].startswith("application/xml")
    return ET.fromstring(answer.content).findtext("Code")  # noqa: S314 - our own storage wrote it


@pytest.fixture
def whole(vendor, finished):
    uid = finished["recordings"][0]["file_uid"]
    file = vendor.sandbox._platform.bucket.files.get(uid)
    return b"".join(file.read(0, file.size_bytes))


class TestSignatures:
    @pytest.mark.parametrize("form", ["webhook", "admin"])
    async def test_a_signed_get_is_answered(self, vendor, finished, form):
        answer = await vendor.http.get(await url_of(vendor, finished, form))
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == finished["recordings"][0]["sha256"]
        assert answer.headers["etag"] == f'"{finished["recordings"][0]["etag"]}"'
        assert answer.headers["content-length"] == "1000000"
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["content-type"] == "binary/octet-stream"
        assert answer.headers["cache-control"] == "max-age=604800"
        assert "last-modified" in answer.headers

    @pytest.mark.parametrize("form", ["webhook", "admin"])
    async def test_head_is_refused_for_the_url_was_signed_for_get(self, vendor, finished, form):
        answer = await vendor.http.head(await url_of(vendor, finished, form))
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
    async def test_a_changed_url_is_refused(self, vendor, finished, form, change, status, code):
        answer = await vendor.http.get(changed(await url_of(vendor, finished, form), **change))
        assert (answer.status_code, code_of(answer)) == (status, code)

    async def test_a_signature_is_for_one_file(self, vendor, finished):
        url = await url_of(vendor, finished, "webhook")
        other = (await vendor.finished({}))["recordings"][0]["file_uid"]
        parts = urlsplit(url)
        answer = await vendor.http.get(urlunsplit(parts._replace(path=f"/videos/{other}")))
        assert code_of(answer) == "SignatureDoesNotMatch"

    async def test_an_expiry_is_a_point_in_time(self, vendor, finished):
        signer = vendor.sandbox._platform.bucket.signer
        path = f"/videos/{finished['recordings'][0]['file_uid']}"
        now = datetime.now(UTC)
        for sign in (signer.sign_v2, signer.sign_v4):
            assert (await vendor.http.get(sign(vendor.sandbox.storage_url, path, 60, now))).status_code == 200
            assert (
                await vendor.http.get(sign(vendor.sandbox.storage_url, path, 60, now - timedelta(minutes=2)))
            ).status_code == 403
        early = signer.sign_v4(vendor.sandbox.storage_url, path, 60, now + timedelta(hours=1))
        assert "not valid yet" in (await vendor.http.get(early)).text

    async def test_other_requests(self, vendor, finished):
        url = await url_of(vendor, finished, "webhook")
        assert code_of(await vendor.http.put(url)) == "MethodNotAllowed"
        assert code_of(await vendor.http.get(vendor.sandbox.storage_url + "/")) == "AccessDenied"
        path = "/videos/missing"
        signed = vendor.sandbox._platform.bucket.signer.sign_v2(vendor.sandbox.storage_url, path, 60, datetime.now(UTC))
        missing = await vendor.http.get(signed)
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
    async def test_one_range(self, vendor, finished, whole, asked, start, stop):
        url = await url_of(vendor, finished, "webhook")
        answer = await vendor.http.get(url, headers={"Range": asked})
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/1000000"
        assert answer.content == whole[start:stop]

    @pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "bytes=5-1", "bytes=-", "lines=0-1", "bytes=a-b"])
    async def test_other_forms_get_the_whole_file(self, vendor, finished, whole, asked):
        url = await url_of(vendor, finished, "webhook")
        answer = await vendor.http.get(url, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (200, whole)

    @pytest.mark.parametrize("asked", ["bytes=1000000-", "bytes=1000000-1000001", "bytes=-0"])
    async def test_beyond_the_end(self, vendor, finished, asked):
        url = await url_of(vendor, finished, "webhook")
        answer = await vendor.http.get(url, headers={"Range": asked})
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
    async def test_conditions(self, vendor, finished, header, value, status):
        url = await url_of(vendor, finished, "webhook")
        first = await vendor.http.get(url)
        condition = first.headers[value] if value in {"etag", "last-modified"} else value
        answer = await vendor.http.get(url, headers={"Range": "bytes=0-9", header: condition})
        assert answer.status_code == status
        if status == 412:
            assert code_of(answer) == "PreconditionFailed"
