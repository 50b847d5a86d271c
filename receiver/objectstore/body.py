"""A part's bytes on their way to the store: counted, checksummed, and never held."""

from __future__ import annotations

import threading
from io import UnsupportedOperation
from typing import TYPE_CHECKING, Any

from awscrt.checksums import crc64nvme

from receiver.threads import shut

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
        self._size_bytes = self.left = size_bytes
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
            shut(sending)

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
                if len(chunk) > self.left:
                    raise ValueError(f"a part's chunks are more than its {self._size_bytes} bytes")
                self.crc = crc64nvme(chunk, self.crc)
                yield chunk
                self.left -= len(chunk)
            if self.left:
                raise ValueError(f"a part's chunks are {self.left} bytes short of its {self._size_bytes}")
        except Exception as e:
            self.error = e
            raise

    # botocore takes a body for a file by these names; to send it a second time, after a redirect, it would have to seek
    def read(self, *_: Any) -> bytes:
        raise UnsupportedOperation

    def seek(self, *_: Any) -> int:
        raise UnsupportedOperation
