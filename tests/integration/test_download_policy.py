"""Where downloads never go: a listener that must not be contacted stays untouched, however it is led to."""

from __future__ import annotations

import socket
from ipaddress import ip_network

import pytest

from receiver.errors import SourceUrlForbiddenError
from receiver.records import Origin
from receiver.transfer import DownloadPolicy, open_copier
from tests.support.copying import LOOPBACK, Run, limits
from tests.support.memory_target import MemoryTarget
from tests.support.source_server import MIB, Answer, Content, SourceServer, ranged


@pytest.fixture
async def canary():
    async with SourceServer(lambda r: ranged(Content(100), r)) as canary:
        yield canary
    assert canary.connections == 0


async def refused(policy, url):
    target = MemoryTarget()
    async with open_copier(policy, limits()) as copier:
        with pytest.raises(SourceUrlForbiddenError) as caught:
            await Run(copier, [url]).copy(target)
    assert target.objects == target.uploads == {}
    assert "s3cr3t" not in str(caught.value)
    return str(caught.value)


async def test_an_origin_that_is_not_listed_is_not_contacted(canary):
    message = await refused(DownloadPolicy(origins=(Origin("https", "*.amazonaws.com", 443),)), canary.url())
    assert message.startswith(f"http://127.0.0.1:{canary.port} is not in RECEIVER_DOWNLOAD_HOSTS")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "127.1"])  # noqa: S104
async def test_a_listed_host_with_a_private_address_is_not_contacted(canary, host):
    policy = DownloadPolicy(origins=(Origin("http", host.strip("[]"), canary.port),))
    message = await refused(policy, f"http://{host}:{canary.port}/v?Signature=s3cr3t")
    assert f"://{host}:{canary.port}" in message


async def test_a_name_with_several_private_addresses_is_not_contacted(canary, monkeypatch):
    def both(*_, **__):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", canary.port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", canary.port)),
        ]

    monkeypatch.setattr("socket.getaddrinfo", both)
    policy = DownloadPolicy(origins=(Origin("http", "*.example", canary.port),))
    message = await refused(policy, f"http://files.example:{canary.port}/v")
    assert "RECEIVER_DOWNLOAD_NETWORKS" in message


async def test_a_redirect_off_the_list_is_not_followed(canary):
    async with SourceServer(lambda _: Answer(302, {"Location": canary.url(), "Content-Length": "0"})) as source:
        policy = DownloadPolicy(origins=(Origin("http", "127.0.0.1", source.port),), networks=(LOOPBACK,))
        assert f"http://127.0.0.1:{canary.port} is not in" in await refused(policy, source.url())


async def test_a_redirect_half_way_through_the_file_is_checked_too(canary):
    content = Content(12 * MIB)

    def handler(request):
        if request.first:
            return Answer(307, {"Location": canary.url(), "Content-Length": "0"})
        answer = ranged(content, request)
        answer.cut_after = 6 * MIB
        return answer

    async with SourceServer(handler) as source:
        policy = DownloadPolicy(origins=(Origin("http", "127.0.0.1", source.port),), networks=(LOOPBACK,))
        await refused(policy, source.url())


async def test_a_redirect_to_a_listed_name_with_a_private_address_is_not_followed(canary):
    """The first hop's address is listed, the second's is not."""
    location = f"http://127.0.0.1:{canary.port}/v"
    async with SourceServer(
        lambda _: Answer(302, {"Location": location, "Content-Length": "0"}), "127.0.0.2"
    ) as source:
        policy = DownloadPolicy(
            origins=(Origin("http", "127.0.0.2", source.port), Origin("http", "127.0.0.1", canary.port)),
            networks=(ip_network("127.0.0.2/32"),),
        )
        assert "RECEIVER_DOWNLOAD_NETWORKS" in await refused(policy, source.url())
    assert len(source.requests) == 1


async def test_redirects_within_the_list_are_followed_up_to_three():
    content = Content(100_000)
    target = MemoryTarget()

    def handler(request):
        hops = int(request.target.removeprefix("/"))
        return Answer(302, {"Location": f"/{hops - 1}", "Content-Length": "0"}) if hops else ranged(content, request)

    async with SourceServer(handler) as source:
        policy = DownloadPolicy(origins=(Origin("http", "127.0.0.1", source.port),), networks=(LOOPBACK,))
        async with open_copier(policy, limits()) as copier:
            assert (await Run(copier, [source.url("/3")]).copy(target)).sha256 == content.sha256
            with pytest.raises(SourceUrlForbiddenError, match="more than 3 redirects"):
                await Run(copier, [source.url("/4")]).copy(target)


async def test_a_proxy_of_the_environment_is_not_used(canary, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    content = Content(100)
    async with SourceServer(lambda r: ranged(content, r)) as source:
        policy = DownloadPolicy(origins=(Origin("http", "127.0.0.1", source.port),), networks=(LOOPBACK,))
        async with open_copier(policy, limits()) as copier:
            await Run(copier, [source.url()]).copy(MemoryTarget())
