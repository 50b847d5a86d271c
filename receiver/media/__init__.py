"""Reads a container's own bookkeeping as its bytes stream past: is the file whole, and how long does it play?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.media import chunks, packets
from receiver.media.flac import Flac
from receiver.media.matroska import Matroska
from receiver.media.mp4 import Mp4
from receiver.media.records import Records
from receiver.media.transport import TransportStream
from receiver.media.walk import Structure, Walker

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.media.walk import Reader

__all__ = ["Structure", "Walker", "walker_for"]

# Without one: raw H.264 and H.265 tell no lengths, and AMR frames are so short that one cut of thirty is between two.
_READERS: dict[str, Callable[[], Reader]] = {
    "video/mp4": Mp4,
    "audio/mp4": Mp4,
    "video/quicktime": Mp4,
    "video/3gpp": Mp4,
    "video/3gpp2": Mp4,
    "video/webm": Matroska,
    "video/x-matroska": Matroska,
    "video/mp2t": TransportStream,
    "audio/wav": lambda: Records(chunks.Riff()),
    "audio/aiff": lambda: Records(chunks.Riff()),
    "video/x-msvideo": lambda: Records(chunks.Riff()),
    "audio/x-caf": lambda: Records(chunks.Caf()),
    "audio/x-w64": lambda: Records(chunks.W64()),
    "video/x-ms-wmv": lambda: Records(chunks.Asf()),
    "audio/x-ms-wma": lambda: Records(chunks.Asf()),
    "audio/basic": lambda: Records(chunks.Au()),
    "audio/flac": Flac,
    "audio/ogg": lambda: Records(packets.Ogg()),
    "video/ogg": lambda: Records(packets.Ogg()),
    "video/x-flv": lambda: Records(packets.Flv()),
    "video/mpeg": lambda: Records(packets.ProgramStream()),
    "video/x-ivf": lambda: Records(packets.Ivf()),
    "application/x-mjr": lambda: Records(packets.Mjr()),
    "audio/aac": lambda: Records(packets.adts()),
    "audio/mpeg": lambda: Records(packets.mpeg_audio()),
}


def walker_for(content_type: str) -> Walker | None:
    """Return a walker for a file of this sniffed type, None if its container has no bookkeeping that is read here."""
    reader = _READERS.get(content_type)
    return Walker(reader()) if reader else None
