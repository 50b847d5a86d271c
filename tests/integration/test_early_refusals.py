"""A store that answers while a part is still on its way costs that part at most, and leaves no connection stuck."""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest

from receiver import metrics
from receiver.errors import StoreDeniedError
from receiver.objectstore import Bucket, BucketConfig, open_bucket
from receiver.sandbox.seaweed import SeaweedServer
from tests.support.copying import Run, run_of
from tests.support.source_server import MIB, Content, SourceServer, ranged
from tests.support.store_proxy import Rule, StoreProxy, s3_error

PART_BYTES = 16 * MIB  # more than the buffers of two sockets take, so that a store that reads no more is noticed
CONTENT = Content(40 * MIB)
PART_TWO = "PUT .*partNumber=2"
CLOSE = "Connection: close\r\n"
BUSY = s3_error(503, "SlowDown", CLOSE)
BUSY_FOR_GOOD = s3_error(503, "SlowDown")
ELSEWHERE = s3_error(307, "TemporaryRedirect", f"{CLOSE}Location: http://127.0.0.1:9/\r\n")
OTHER_REGION = s3_error(307, "TemporaryRedirect", f"{CLOSE}x-amz-bucket-region: eu-west-1\r\n")
DENIED = s3_error(403, "AccessDenied", CLOSE)


@pytest.fixture(params=["plain", "tls"])
def spoken(request: pytest.FixtureRequest) -> ssl.SSLContext | None:
    return request.getfixturevalue("tls") if request.param == "tls" else None


@asynccontextmanager
async def ends(
    seaweed: SeaweedServer, bucket: Bucket, spoken: ssl.SSLContext | None
) -> AsyncIterator[tuple[SourceServer, StoreProxy, Bucket, Run]]:
    """Put a source and a proxy before the store that both speak this; at the end the service keeps nothing of them."""
    async with (
        SourceServer(lambda request: ranged(CONTENT, request), tls=spoken) as source,
        StoreProxy(seaweed.endpoint_url, tls=spoken) as proxy,
    ):
        config = BucketConfig(
            bucket=bucket.name, endpoint_url=proxy.endpoint_url, region="us-east-1", progress_timeout_s=4
        )
        async with open_bucket(config) as spoiled, run_of(source.url(), part_size_bytes=PART_BYTES) as run:
            yield source, proxy, spoiled, run
        await nothing_is_left(source.port, proxy.port)


async def nothing_is_left(*ports: int) -> None:
    """Wait until no connection to these ports is open, nor any thread that copied."""

    def left() -> list[object]:
        connections = psutil.Process().net_connections("tcp")
        threads = [t.name for t in threading.enumerate() if t.name.startswith(("store", "source"))]
        return threads + [c for c in connections if c.raddr and c.raddr.port in ports and c.status == "ESTABLISHED"]

    async with asyncio.timeout(10):
        while left():
            await asyncio.sleep(0.01)


def sent(proxy: StoreProxy) -> list[int]:
    """Return how many requests there were of each part."""
    return [sum(re.search(rf"partNumber={number}\b", line) is not None for line in proxy.lines) for number in (1, 2, 3)]


def slowdowns() -> float:
    """Return how many requests the store has failed until now."""
    return metrics.registry.get_sample_value("receiver_store_slowdowns_total") or 0.0


@pytest.mark.parametrize(
    ("answer", "then"),
    [(BUSY, "read"), (BUSY, "hang up"), (BUSY_FOR_GOOD, "hold"), (ELSEWHERE, "hang up"), (OTHER_REGION, "hang up")],
    ids=["503 read", "503 hang up", "503 hold", "307", "307 with a region"],
)
async def test_a_part_that_is_refused_while_it_is_sent_is_sent_again(seaweed, bucket, spoken, answer, then):
    before = slowdowns()
    async with ends(seaweed, bucket, spoken) as (source, proxy, spoiled, run):
        proxy.rules.append(Rule(PART_TWO, answer=answer, answer_after=MIB, then=then))
        stored = await run.copy(spoiled)
    assert stored.sha256 == CONTENT.sha256
    assert (await bucket.head(stored.key)).checksum == stored.checksum
    assert sent(proxy) == [1, 2, 1]
    assert slowdowns() == before + 1, "no other request was stuck on that connection"
    # not what the source sent, of which the buffers of two sockets hold more than a part
    first, again = (request.headers.get("Range") for request in source.requests)
    assert first in {None, "bytes=0-"}
    assert again.startswith(f"bytes={PART_BYTES}-")
    assert await bucket.open_uploads("") == []


@pytest.mark.parametrize("then", ["read", "hang up", "hold"])
async def test_a_denial_while_a_part_is_sent_ends_the_run_by_its_name(seaweed, bucket, spoken, then):
    async with ends(seaweed, bucket, spoken) as (_, proxy, spoiled, run):
        proxy.rules.append(Rule(PART_TWO, answer=DENIED, answer_after=MIB, then=then))
        with pytest.raises(StoreDeniedError, match="403 AccessDenied"):
            await run.copy(spoiled)
    assert sent(proxy)[:2] == [1, 1]
    assert await bucket.open_uploads("") == []


async def test_as_many_parts_as_may_be_open_await_their_answers_at_once(seaweed, bucket, spoken):
    """A store at a distance answers late; here it answers none of four parts before it has all four."""
    async with ends(seaweed, bucket, spoken) as (source, proxy, spoiled, _):
        proxy.rules.append(Rule("PUT .*partNumber", times=8, together=asyncio.Barrier(4)))
        async with (
            run_of(source.url(), part_size_bytes=5 * MIB, part_concurrency=4) as run,
            asyncio.timeout(60),
        ):
            assert (await run.copy(spoiled)).sha256 == CONTENT.sha256
    assert sent(proxy) == [1, 1, 1]
    assert not any(b"expect:" in head.lower() for head in proxy.heads), "each part would wait for a round trip"
