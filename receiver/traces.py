"""W3C Trace Context (https://www.w3.org/TR/trace-context/): which POST a log line or a request follows from.

A delivery that came without a trace has one all the same: its id is as long as a trace's, unique and never zero. So
nothing is made or stored for it. Spans are not recorded, only passed on.
"""

from __future__ import annotations

import re
import secrets
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = "traceparent"
_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_PARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)
_SAMPLED = 1


class Trace(NamedTuple):
    """A trace by its id (32 hex digits), and whether whoever began it records it."""

    id: str
    is_sampled: bool = False

    def header(self) -> str:
        """Return the `traceparent` of a request that follows from this trace, as a span of its own."""
        return f"00-{self.id}-{secrets.token_hex(8)}-{self.is_sampled:02x}"


def parse(header: str | None) -> Trace | None:
    """Read a `traceparent`; None where there is none, or one that the specification has ignored.

    A version that is not known yet may say more behind what is read of it (section 3.2.4).
    """
    found = _PARENT.fullmatch(header or "")
    if found is None or (found["more"] and found["version"] == "00"):
        return None
    return Trace(found["trace"], bool(int(found["flags"], 16) & _SAMPLED))


def of_delivery(delivery_id: str | None, traceparent: str | None) -> Trace:
    """Return the trace of what follows from a delivery; a new one where nothing does."""
    if (brought := parse(traceparent)) is not None:
        return brought
    return Trace(delivery_id if delivery_id and _ID.fullmatch(delivery_id) else secrets.token_hex(16))


current: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""What the requests of this task follow from."""


@contextmanager
def followed(trace: Trace) -> Iterator[None]:
    """Let the requests of the block follow from a trace."""
    token = current.set(trace)
    try:
        yield
    finally:
        current.reset(token)


def headers() -> dict[str, str]:
    """Return what a request to the API carries of its trace."""
    trace = current.get()
    return {} if trace is None else {HEADER: trace.header()}
