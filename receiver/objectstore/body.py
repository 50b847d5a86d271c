"""A part's bytes on their way to the store: counted, checksummed, and never held."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

from awscrt.checksums import crc64nvme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPConnection


class RelayBody:
    """The body of one UploadPart request, read once from `chunks` by the thread that sends it.

    The HTTP library wraps what `chunks` raised, so that is kept in `error` as it was. A store that takes no byte for
    `progress_timeout_s` ends the request.
    """

    def __init__(self, chunks: Iterator[memoryview], size_bytes: int, progress_timeout_s: float) -> None:
        self._chunks = chunks
        self.left = size_bytes
        self._progress_timeout_s = progress_timeout_s
        self._lock = threading.Lock()
        self._interrupted = False
        self._connection: HTTPConnection | None = None
        self.crc = 0
        self.error: Exception | None = None

    def sent_over(self, connection: HTTPConnection) -> Iterator[memoryview]:
        """Return the body for this connection, which is ended by `interrupt` from now on."""
        with self._lock:
            self._connection = connection
        return self._watched(connection)

    def interrupt(self) -> None:
        """End the request from another thread, whether it sends or waits for the answer."""
        with self._lock:
            self._interrupted = True
            sending = self._connection.sock if self._connection is not None else None
        if sending is not None:
            with contextlib.suppress(OSError):
                # not `SSLSocket.shutdown`: that drops the TLS first, and a write under way would go out in the clear
                socket.socket.shutdown(sending, socket.SHUT_RDWR)

    def done(self) -> None:
        """Say that the connection is no longer this request's."""
        with self._lock:
            self._connection = None

    def _watched(self, connection: HTTPConnection) -> Iterator[memoryview]:
        connection.sock.settimeout(self._progress_timeout_s)  # until here it was the time to connect
        try:
            for chunk in self._chunks:
                if self._interrupted:
                    raise InterruptedError
                self._count(len(chunk))
                self.crc = crc64nvme(chunk, self.crc)
                yield chunk
            self._count(0)
        except Exception as e:
            self.error = e
            raise

    def _count(self, size_bytes: int) -> None:
        self.left -= size_bytes
        if self.left < 0 or (not size_bytes and self.left):
            raise ValueError(f"a part's chunks and its size differ by {-self.left} bytes")

    # botocore takes a body for a file by these names; a request that is never repeated never calls them.
    def read(self, *_: Any) -> bytes:
        raise NotImplementedError

    def seek(self, *_: Any) -> int:
        return 0

    def tell(self) -> int:
        return 0
