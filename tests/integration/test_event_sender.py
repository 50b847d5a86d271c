"""What sends events: whom it connects to, what it takes for an answer, and how it signs."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from receiver.app import utc_now
from receiver.notices import EventRefusedError, EventTarget, open_sender
from receiver.transfer import DownloadPolicy
from tests.support.event_receiver import SECRET, EventReceiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture
async def hook() -> AsyncIterator[EventReceiver]:
    async with EventReceiver() as receiver:
        yield receiver


@pytest.mark.parametrize(
    ("url", "networks", "words"),
    [
        ("https://127.0.0.1:9/x", (), "not public"),
        ("https://[::ffff:127.0.0.1]:9/x", (), "not public"),
        ("https://169.254.169.254/x", (), "not public"),
        ("https://localhost:9/x", (), "not public"),
        ("http://127.0.0.1:9/x", (), "not public"),
        ("http://127.0.0.1:9/x", LOOPBACK, "refused"),
    ],
)
async def test_no_address_is_connected_to_that_is_neither_public_nor_listed(
    url: str, networks: tuple, words: str
) -> None:
    target = EventTarget(url=url, secrets=lambda: (SECRET,), networks=networks, source="s3://team/")
    async with open_sender(target, utc_now) as sender:
        with pytest.raises(EventRefusedError) as caught:
            await sender.ping()
    assert words in str(caught.value).lower()
    assert "/x" not in str(caught.value)


@pytest.mark.parametrize(("allows_public", "allowed"), [(True, ["8.8.8.8", "127.0.0.1"]), (False, ["127.0.0.1"])])
def test_without_tls_a_public_address_must_be_listed_too(allows_public: bool, allowed: list[str]) -> None:
    policy = DownloadPolicy(origins=(), networks=LOOPBACK, allows_public=allows_public)
    addresses = [ip_address(text) for text in ("8.8.8.8", "127.0.0.1", "10.0.0.1")]
    assert [str(one) for one in addresses if policy._allows(one)] == allowed


async def test_a_redirect_is_a_refusal_and_an_endless_answer_costs_nothing(hook: EventReceiver) -> None:
    target = EventTarget(url=hook.url, secrets=lambda: (SECRET,), networks=LOOPBACK, source="s3://team/")
    async with open_sender(target, utc_now) as sender:
        hook.status, hook.headers = 307, {"Location": hook.url}
        with pytest.raises(EventRefusedError, match="answered 307"):
            await sender.ping()
        hook.status, hook.headers, hook.answer = 200, {}, b"x" * 50_000_000
        await sender.ping()
    assert len(hook.got) == 2
    assert hook.got[0]["type"] == "archive.test"


async def test_both_secrets_sign_while_one_is_rotated(hook: EventReceiver) -> None:
    other = "whsec_" + "B" * 32
    target = EventTarget(url=hook.url, secrets=lambda: (other, SECRET), networks=LOOPBACK, source="s3://team/")
    async with open_sender(target, utc_now) as sender:
        await sender.ping()
    assert len(hook.got) == 1
