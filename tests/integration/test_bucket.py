"""What the bucket does beyond a copy's needs."""

from __future__ import annotations

import secrets
import subprocess
import sys

import psutil
import pytest

from receiver.errors import StoreUnavailableError
from receiver.objectstore import BucketConfig, open_bucket


async def put(bucket, key, body=b"x"):
    await bucket.replace(key, body, content_type="video/mp4")
    return await bucket.head(key)


async def test_replacing_may_be_repeated_and_the_last_bytes_stay(bucket):
    await bucket.put("k", b"first", content_type="video/mp4")
    for body in (b"second", b"second", b"third"):
        await bucket.replace("k", body, content_type="application/json")
    assert b"".join([chunk async for chunk in bucket.read("k")]) == b"third"
    assert (await bucket.head("k")).content_type == "application/json"


async def test_delete_may_be_repeated_and_spares_keys_that_only_begin_alike(bucket):
    await put(bucket, "a/k")
    await put(bucket, "a/k.json")
    await bucket.delete("a/k")
    await bucket.delete("a/k")
    assert await bucket.head("a/k") is None
    assert await bucket.head("a/k.json") is not None


async def test_delete_leaves_no_version_behind(bucket):
    await bucket._client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    first = await put(bucket, "k", b"one")
    second = await put(bucket, "k", b"two")
    assert first.version_id != second.version_id
    await bucket.delete("k")
    left = await bucket._client.list_object_versions(Bucket=bucket.name)
    assert (left.get("Versions", []), left.get("DeleteMarkers", [])) == ([], [])


async def test_a_presigned_url_may_name_a_version(bucket):
    url = await bucket.presign_download("k", expires_s=60, filename=None, content_type=None, version_id="v7")
    assert "versionId=v7" in url
    assert "response-content-disposition=attachment&" in url


async def test_an_absent_object_cannot_be_read(bucket):
    with pytest.raises(StoreUnavailableError):
        await anext(bucket.read("absent"))


async def test_uploads_are_listed_under_their_prefix(bucket):
    upload = await bucket.begin_upload("a/k", content_type="video/mp4")
    await bucket.begin_upload("b/k", content_type="video/mp4")
    assert await bucket.open_uploads("a/") == [upload]
    assert len(await bucket.open_uploads("")) == 2


async def test_the_parts_of_an_open_upload_are_listed(bucket):
    upload = await bucket.begin_upload("k", content_type="video/mp4")
    part = await bucket.upload_part(upload, 7, iter([memoryview(b"bytes")]), size_bytes=5)
    (listed,) = await bucket.list_parts(upload)
    assert (listed.number, listed.etag, listed.size_bytes) == (7, part.etag, 5)


async def test_keys_are_listed_under_their_prefix(bucket):
    for key in ("a/2", "a/1", "b/1"):
        await put(bucket, key)
    assert [key async for key in bucket.keys("a/")] == ["a/1", "a/2"]


async def test_write_options_reach_the_store(seaweed, aws_env):
    config = BucketConfig(
        bucket=f"test-{secrets.token_hex(8)}", endpoint_url=seaweed.endpoint_url, storage_class="STANDARD_IA"
    )
    async with open_bucket(config) as bucket:
        await bucket.ensure_bucket()
        await bucket.ensure_bucket()
        await put(bucket, "k")
        listed = await bucket._client.list_objects_v2(Bucket=bucket.name)
    assert listed["Contents"][0]["StorageClass"] == "STANDARD_IA"


def test_the_server_does_not_outlive_its_parent(tmp_path):
    """Killed without warning, the parent leaves no server behind."""
    code = (
        "import asyncio, os, pathlib, signal, sys\n"
        "from receiver.sandbox.seaweed import SeaweedServer\n"
        "async def main():\n"
        "    async with SeaweedServer(pathlib.Path(sys.argv[1])) as server:\n"
        "        print(server._process.pid, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "data")], capture_output=True, check=False)
    assert ended.returncode == -9
    child = int(ended.stdout)
    with pytest.raises((psutil.NoSuchProcess, ProcessLookupError)):  # noqa: PT012
        psutil.Process(child).wait(timeout=10)
        psutil.Process(child)


@pytest.mark.usefixtures("aws_env")
async def test_a_proxy_of_the_environment_is_not_asked(seaweed, bucket_name, monkeypatch, unused_tcp_port):
    """Neither by the client for small requests nor by the one that relays bodies: no other traffic heeds one either."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_tcp_port}")
    config = BucketConfig(bucket=bucket_name, endpoint_url=seaweed.endpoint_url, region=seaweed.region, attempts=1)
    async with open_bucket(config) as bucket:
        assert await put(bucket, "k") is not None
        assert (await bucket.put("k2", b"x", content_type="video/mp4")).size_bytes == 1
