"""Ports for programs that have to be told theirs: held until they listen, so that nothing takes them in between."""

from __future__ import annotations

import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def held_port(port: int = 0) -> Iterator[int]:
    """Hold a port of loopback, any free one unless named, while a server of ours may listen on it.

    Raises `OSError` for a port that is taken. The server must set `SO_REUSEADDR`, as servers do. Linux lets it in
    beside a socket that has the option too and does not listen; elsewhere the port is only known to have been free.
    """
    with socket.socket() as held:
        held.bind(("127.0.0.1", port))
        number: int = held.getsockname()[1]
        if sys.platform == "linux":
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after `bind`, which so refused a held one
        else:
            held.close()
        yield number
