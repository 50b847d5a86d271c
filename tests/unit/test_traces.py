"""W3C Trace Context: what is read of a header, what follows from a delivery, and what a request carries."""

from __future__ import annotations

import asyncio
import re

import pytest

from receiver import traces
from receiver.meetings.single_flight import SingleFlight
from receiver.traces import Trace, followed, of_delivery, parse

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (f"00-{ID}-{SPAN}-01", Trace(ID, is_sampled=True)),
        (f"00-{ID}-{SPAN}-00", Trace(ID)),
        (f"00-{ID}-{SPAN}-fe", Trace(ID)),
        (f"cc-{ID}-{SPAN}-01", Trace(ID, is_sampled=True)),
        (f"cc-{ID}-{SPAN}-01-what-the-future-will-be", Trace(ID, is_sampled=True)),
    ],
)
def test_what_is_read(header: str, trace: Trace) -> None:
    assert parse(header) == trace


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "canary",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID.upper()}-{SPAN}-01",
        f"ff-{ID}-{SPAN}-01",
        f"00-{ID}-{SPAN}-01-more",
        f"00-{ID}-{SPAN}-01\n",
        f"00-{ID}-{SPAN}-1",
        f"00-{ID[1:]}-{SPAN}-01",
        f"cc-{ID}-{SPAN}-01.more",
    ],
)
def test_what_the_specification_has_ignored(header: str | None) -> None:
    assert parse(header) is None


def test_a_delivery_is_its_own_trace_unless_it_brought_one() -> None:
    assert of_delivery("019a" * 8, f"00-{ID}-{SPAN}-01") == Trace(ID, is_sampled=True)
    assert of_delivery("019a" * 8, None) == Trace("019a" * 8)
    assert of_delivery("019a" * 8, "nonsense") == Trace("019a" * 8)
    new, another = of_delivery(None, None), of_delivery("d1", None)
    assert new != another
    assert parse(new.header()) == new


def test_each_request_is_a_span_of_its_own() -> None:
    assert traces.headers() == {}
    with followed(Trace(ID, is_sampled=True)):
        sent = [traces.headers()["traceparent"] for _ in range(2)]
    assert all(re.fullmatch(f"00-{ID}-[0-9a-f]{{16}}-01", one) for one in sent)
    assert sent[0] != sent[1]
    assert traces.headers() == {}


async def test_what_many_wait_for_follows_from_the_first() -> None:
    async def work(_began: float) -> str:
        await asyncio.sleep(0)
        return traces.headers()["traceparent"][3:35]

    with followed(Trace(ID)):
        flight = SingleFlight(work)
    with followed(Trace("a" * 32)):
        assert await flight.result() == ID
