"""A part's bytes on their way to the store: counted, checksummed, and never held."""

from __future__ import annotations

import threading
from io import UnsupportedOperation
from typing import TYPE_CHECKING, Any

from awscrt.checksums import crc64nvme

from receiver.checksums import base64_of, hasher
from receiver.threads import shut

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPConnection

    from botocore.awsrequest import AWSRequest

_FRAME_BYTES = 1024 * 1024
"""Of a body with a trailer. S3 takes no frame of less than 8 KiB but the last, MinIO none of more than 16 MiB."""


class RelayBody:
    """The body of one UploadPart request, read once from `chunks` by the thread that sends it.

    The HTTP library wraps what `chunks` raised, so that is kept in `error` as it was. A store that takes no byte for
    `progress_timeout_s` ends the request. `crc` is the CRC64NVME of what was sent; `digest` that of `algorithm`, where
    one is given, which with `has_trailer` goes to the store behind the bytes.
    """

    def __init__(
        self,
        chunks: Iterator[memoryview],
        size_bytes: int,
        progress_timeout_s: float,
        *,
        algorithm: str | None = None,
        has_trailer: bool = False,
    ) -> None:
        self._chunks = chunks
        self.size_bytes = self.left = size_bytes
        self._progress_timeout_s = progress_timeout_s
        self._lock = threading.Lock()
        self._interrupted = False
        self._connection: HTTPConnection | None = None
        self._hasher = hasher(algorithm) if algorithm is not None else None
        self.trailer_name = f"x-amz-checksum-{algorithm or 'crc64nvme'}" if has_trailer else None
        self.crc = 0
        self.error: Exception | None = None

    @property
    def digest(self) -> str | None:
        """Return the digest of what was sent, in base64; None where no algorithm was given."""
        return base64_of(self._hasher.digest()) if self._hasher is not None else None

    @property
    def sent_bytes(self) -> int:
        """Return how long the body is as it goes over the wire."""
        if self.trailer_name is None:
            return self.size_bytes
        whole, last = divmod(self.size_bytes, _FRAME_BYTES)
        frames = whole * len(_frame_head(_FRAME_BYTES)) + (len(_frame_head(last)) if last else 0)
        ends = 2 * (whole + bool(last))
        return self.size_bytes + frames + ends + len(self._trailer())

    def sent_over(self, connection: HTTPConnection) -> Iterator[bytes | memoryview]:
        """Return the body for this connection, which is ended by `interrupt` from now on."""
        with self._lock:
            self._connection = connection
        watched = self._watched(connection)
        return watched if self.trailer_name is None else self._framed(watched)

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
                    raise ValueError(f"a part's chunks are more than its {self.size_bytes} bytes")
                self.crc = crc64nvme(chunk, self.crc)
                if self._hasher is not None:
                    self._hasher.update(chunk)
                yield chunk
                self.left -= len(chunk)
            if self.left:
                raise ValueError(f"a part's chunks are {self.left} bytes short of its {self.size_bytes}")
        except Exception as e:
            self.error = e
            raise

    def _framed(self, chunks: Iterator[memoryview]) -> Iterator[bytes | memoryview]:
        """Yield the chunks, as they are, between the marks of `aws-chunked` frames; the digest comes last."""
        frame_left, unframed = 0, self.size_bytes
        for chunk in chunks:
            rest = chunk
            while rest:
                if not frame_left:
                    frame_left = min(_FRAME_BYTES, unframed)
                    unframed -= frame_left
                    yield _frame_head(frame_left)
                piece, rest = rest[:frame_left], rest[frame_left:]
                frame_left -= len(piece)
                yield piece
                if not frame_left:
                    yield b"\r\n"
        yield self._trailer()

    def _trailer(self) -> bytes:
        value = self.digest or base64_of(self.crc.to_bytes(8, "big"))
        return f"0\r\n{self.trailer_name}:{value}\r\n\r\n".encode()

    # botocore takes a body for a file by these names; to send it a second time, after a redirect, it would have to seek
    def read(self, *_: Any) -> bytes:
        raise UnsupportedOperation

    def seek(self, *_: Any) -> int:
        raise UnsupportedOperation


def announce_trailer(request: AWSRequest, **_: Any) -> None:
    """Before a part is signed: say how its body is framed, and which digest follows it."""
    body: Any = request.data
    if isinstance(body, RelayBody) and body.trailer_name is not None:
        request.headers["Content-Encoding"] = "aws-chunked"
        request.headers["X-Amz-Decoded-Content-Length"] = str(body.size_bytes)
        request.headers["X-Amz-Trailer"] = body.trailer_name
        # the signer writes STREAMING-UNSIGNED-PAYLOAD-TRAILER in the place of the body's hash for such
        request.context["checksum"] = {"request_algorithm": {"in": "trailer", "name": body.trailer_name}}


def _frame_head(size_bytes: int) -> bytes:
    return f"{size_bytes:x}\r\n".encode()
