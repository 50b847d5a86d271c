"""A store that cannot be reached or lets nobody in: each is named, with what to set."""

from __future__ import annotations

import pytest

from receiver.errors import BucketMissingError, StoreDeniedError, StoreUnavailableError
from receiver.objectstore import BucketConfig, open_bucket
from tests.support.memory_target import checksum_of
from tests.support.store_proxy import Rule, StoreProxy


@pytest.fixture
async def proxy(seaweed):
    async with StoreProxy(seaweed.endpoint_url) as proxy:
        yield proxy


async def test_an_unreachable_store_is_unavailable(seaweed, aws_env):
    async with open_bucket(BucketConfig(bucket="b-1", endpoint_url="http://127.0.0.1:1", region="us-east-1")) as bucket:
        with pytest.raises(StoreUnavailableError, match="RECEIVER_S3_ENDPOINT_URL"):
            await bucket.head("k")


async def test_wrong_keys_are_denied(bucket, seaweed, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    async with open_bucket(BucketConfig(bucket=bucket.name, endpoint_url=seaweed.endpoint_url)) as denied:
        with pytest.raises(StoreDeniedError):
            await denied.put("k", b"x", content_type="video/mp4")


async def test_no_credentials_are_denied(seaweed, aws_env, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    async with open_bucket(BucketConfig(bucket="b-1", endpoint_url=seaweed.endpoint_url)) as denied:
        with pytest.raises(StoreDeniedError, match=r"AWS_ACCESS_KEY_ID.*AWS_SECRET_ACCESS_KEY.*AWS_PROFILE.*role"):
            await denied.head("k")


async def test_a_missing_bucket_is_named(seaweed, aws_env):
    async with open_bucket(BucketConfig(bucket="no-such-bucket", endpoint_url=seaweed.endpoint_url)) as missing:
        with pytest.raises(BucketMissingError):
            await missing.begin_upload("k", content_type="video/mp4")
        with pytest.raises(BucketMissingError):
            await missing.put("k", b"x", content_type="video/mp4")


async def test_a_store_that_tells_a_checksum_in_its_answer_is_not_asked_again(bucket, proxy):
    async with open_bucket(BucketConfig(bucket=bucket.name, endpoint_url=proxy.endpoint_url)) as opened:
        head = await opened.put("k", b"bytes", content_type="video/mp4")
    assert head == await bucket.head("k")
    assert [line.partition(" ")[0] for line in proxy.lines] == ["PUT"]


async def test_a_store_that_tells_none_is_asked_what_it_has(bucket, proxy):
    await bucket.replace("k", b"bytes", content_type="video/mp4")
    proxy.rules.append(Rule("^PUT", answer=b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n'))
    async with open_bucket(BucketConfig(bucket=bucket.name, endpoint_url=proxy.endpoint_url)) as opened:
        head = await opened.put("k", b"bytes", content_type="video/mp4")
    assert (head.size_bytes, head.checksum) == (5, checksum_of(b"bytes"))
    assert [line.partition(" ")[0] for line in proxy.lines] == ["PUT", "HEAD"]
