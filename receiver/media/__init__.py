"""Reads a container's own bookkeeping as its bytes stream past: is the file whole, and how long does it play?"""

from __future__ import annotations

from receiver.media.matroska import Matroska
from receiver.media.mp4 import Mp4
from receiver.media.walk import Structure, Walker

__all__ = ["Structure", "Walker", "walker_for"]

_MP4 = frozenset({"video/mp4", "audio/mp4", "video/quicktime"})
_MATROSKA = frozenset({"video/webm", "video/x-matroska"})


def walker_for(content_type: str) -> Walker | None:
    """Return a walker for a file of this sniffed type, None if its container has no bookkeeping that is read here."""
    if content_type in _MP4:
        return Walker(Mp4())
    return Walker(Matroska()) if content_type in _MATROSKA else None
