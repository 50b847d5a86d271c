"""A session-wide S3 server, and a fresh bucket of it for each test."""

from __future__ import annotations

import asyncio
import functools
import secrets
from typing import TYPE_CHECKING

import botocore.session
import pytest
from awscrt.checksums import crc32c

from receiver.objectstore import Bucket, BucketConfig, client, open_bucket
from receiver.sandbox.seaweed import SeaweedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

client.OPERATIONS |= {  # what tests do to a bucket behind the service's back
    *("DeleteBucket", "DeleteObjects", "PutBucketVersioning"),
    *("PutBucketLifecycleConfiguration", "GetBucketLifecycleConfiguration"),
}
# each client reads the models of S3 for itself, which is most of its making; here hundreds read them once
botocore.session.create_loader = functools.cache(botocore.session.create_loader)


class KnownStore:
    """`receiver.pipeline.StoreKnowledge` of a bucket that does what AWS documents, and always will."""

    async def ready(self) -> None: ...

    async def is_changed(self) -> bool:
        return False


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """Run one server for all tests of the session."""
    server = SeaweedServer(tmp_path_factory.mktemp("seaweed"))
    with asyncio.Runner() as runner:
        runner.run(server.__aenter__())
        try:
            yield server
        finally:
            runner.run(server.__aexit__(None, None, None))


@pytest.fixture
def aws_env(seaweed: SeaweedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the standard AWS chain at the session's server, and at nothing else."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweed.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweed.secret_key)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def bucket(seaweed: SeaweedServer, aws_env: None) -> AsyncIterator[Bucket]:
    """Open a fresh, empty bucket."""
    name = f"test-{secrets.token_hex(8)}"
    config = BucketConfig(bucket=name, endpoint_url=seaweed.endpoint_url, region=seaweed.region)
    async with open_bucket(config) as opened:
        await opened.ensure_bucket()
        try:
            yield opened
        finally:
            await _drop(opened)


@pytest.fixture
def bucket_name(bucket: Bucket) -> str:
    """Name a fresh, empty bucket."""
    return bucket.name


def flip(seaweed: SeaweedServer, content: bytes, at: int, *, is_noticed: bool = True) -> None:
    """Change one byte of an object in the server's own volume files, and, not to be noticed, its checksum there."""
    spoilt = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    before, after = (crc32c(one).to_bytes(4, "big") for one in (content, spoilt))
    for volume in seaweed._data_dir.glob("*.dat"):
        stored = volume.read_bytes()
        start = stored.find(content)
        if start >= 0:
            with volume.open("r+b") as file:
                file.seek(start)
                file.write(spoilt)
                if not is_noticed:
                    file.seek(stored.index(before, start + len(content)))
                    file.write(after)
            return
    raise AssertionError("the object is in no volume")


async def _drop(bucket: Bucket) -> None:
    """Remove the bucket: the server keeps several volume files for each, and has only so many."""
    for upload in await bucket.open_uploads(""):
        await bucket.abort_upload(upload)
    listed = await bucket._client.list_object_versions(Bucket=bucket.name)
    found = [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]
    if found:
        objects = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in found]
        await bucket._client.delete_objects(Bucket=bucket.name, Delete={"Objects": objects, "Quiet": True})
    await bucket._client.delete_bucket(Bucket=bucket.name)
