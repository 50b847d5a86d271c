"""Two writes of the server that leave as one."""

from __future__ import annotations

import asyncio

from receiver.app.joining_transport import JoiningTransport


class Written(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))


def test_what_is_held_leaves_with_the_next_write_in_order():
    below = Written()
    transport = JoiningTransport(below, below.abort)
    transport.write(b"continue")
    transport.hold_next()
    transport.write(b"head ")
    assert below.writes == [b"continue"]
    transport.write(b"body")
    transport.write(b"more")
    assert below.writes == [b"continue", b"head body", b"more"]


def test_a_held_head_leaves_with_an_empty_body():
    below = Written()
    transport = JoiningTransport(below, below.abort)
    transport.hold_next()
    transport.write(b"head")
    transport.write(b"")
    assert below.writes == [b"head"]
