"""The port as callers meet it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from receiver.app.process import listening
from receiver.errors import ReceiverError
from receiver.sandbox.ports import held_port


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_answer_in_two_writes_waits_for_no_acknowledgement(host: str) -> None:
    nodelay: list[int] = []

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nodelay.append(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listening(host, 0) as bound:
        async with await asyncio.start_server(answer, sock=bound):
            reader, writer = await asyncio.open_connection(*bound.getsockname()[:2])
            assert await reader.read() == b""
            writer.close()
    assert nodelay == [1]


def test_a_port_that_is_taken_is_named() -> None:
    with (
        listening("127.0.0.1", 0) as bound,
        pytest.raises(ReceiverError, match=f"port {bound.getsockname()[1]}: .*--port"),
        listening(*bound.getsockname()),
    ):
        pytest.fail("two listen on one port")


def test_a_held_port_lets_a_server_in_and_nothing_else() -> None:
    with held_port() as port:
        with pytest.raises(OSError, match="in use"), held_port(port):
            pass
        server = socket.create_server(("127.0.0.1", port))
        with server, socket.create_connection(("127.0.0.1", port)) as client:
            accepted, address = server.accept()
            accepted.close()
            assert address == client.getsockname()
