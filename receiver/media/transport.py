"""MPEG transport streams (ISO/IEC 13818-1, 2.4): packets of one length, of which a whole file has a whole number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.media.frames import transport_packet_bytes
from receiver.media.walk import Structure

if TYPE_CHECKING:
    from receiver.media.walk import Steps

_HEAD_BYTES = 1024
_STRIDE_PACKETS = 256


class TransportStream:
    """Looks at one packet of many: a stream that is out of step somewhere does not tell where its packets end."""

    def __init__(self) -> None:
        self._packet_bytes: int | None = None
        self._lost = False

    def steps(self) -> Steps:
        head = yield 0, _HEAD_BYTES
        self._packet_bytes = transport_packet_bytes(head)
        if self._packet_bytes is None:
            return
        at = self._sync_at(self._packet_bytes)
        while True:
            at += _STRIDE_PACKETS * self._packet_bytes
            if (yield at, 1) != b"\x47":
                self._lost = True
                return

    @staticmethod
    def _sync_at(packet_bytes: int) -> int:
        return 4 if packet_bytes == 192 else 0

    def conclude(self, size_bytes: int, tail: bytes) -> Structure:
        packet_bytes = self._packet_bytes or transport_packet_bytes(tail)  # a file of less than the head
        problem = None
        if packet_bytes and not self._lost and (more_bytes := size_bytes % packet_bytes):
            problem = f"the last packet has {more_bytes} of {packet_bytes} bytes"
        return Structure(duration_s=None, incomplete=problem, is_cut=problem is not None)
