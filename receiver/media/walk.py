"""Hands a container's reader the few bytes it asks for out of a file that streams past, and skips the rest."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from struct import Struct

BLOCK_BYTES = 4096
ENDLESS = 1 << 72  # the end of what has no stated size; beyond any 64-bit size at any 64-bit offset
_FREE_STEPS = 200_000
_BYTES_A_STEP = 32  # Opus at 32 kbit/s needs two for a block of 80 bytes; only a file of mere headers needs more
_NEVER = (ENDLESS, 0)

Steps: TypeAlias = Generator[tuple[int, int], bytes, None]
Fields: TypeAlias = Generator[tuple[int, int], bytes, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What the container says of itself. `duration_s` is advisory.

    `incomplete` says why the file is not all that was to be recorded, or cannot be played at all; None where nothing
    contradicts, which is no proof: some files cannot tell that they were cut. `is_cut` says that bytes are missing at
    the end, so that there may be more to fetch later; else the file is all there is, and players cannot play it.
    """

    duration_s: float | None
    incomplete: str | None
    is_cut: bool = False


class Span(NamedTuple):
    """A box or element with its header; `end` is `ENDLESS` if it has no stated size and nor has what it lies in."""

    kind: bytes
    start: int
    end: int
    unsized: bool = False

    def overruns(self, size_bytes: int) -> bool:
        return size_bytes < self.end < ENDLESS


class MalformedError(ValueError):
    """What is being read does not fit into its box or element, or is none."""


class Reader(Protocol):
    """One container format."""

    def steps(self) -> Steps:
        """Yield (offset, length) of the bytes to look at next, and receive them.

        An offset is never before the end of the last bytes that were yielded; a length is at most `BLOCK_BYTES`.
        """
        ...

    def conclude(self, size_bytes: int, tail: bytes) -> Structure:
        """Judge the file; `tail` is what there was of the bytes that were asked for last."""
        ...


class Walker:
    """Reads one file. The same bytes give the same result however they are cut into chunks."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._steps = reader.steps()
        self._wanted = next(self._steps)
        self._held = bytearray()
        self._fed_bytes = 0
        self._count = 0
        self._gave_up = False

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes, in order. Whatever they are, this does not raise and keeps at most `BLOCK_BYTES`."""
        first = self._fed_bytes
        self._fed_bytes = fed_bytes = first + len(chunk)
        at, length = self._wanted
        while at + length <= fed_bytes:
            wanted = bytes(chunk[at - first if at > first else 0 : at + length - first])
            if self._held:
                wanted = bytes(self._held) + wanted
                self._held.clear()
            at, length = self._advance(at, wanted)
        if at < fed_bytes:
            self._held += chunk[max(at - first, 0) :]
        self._wanted = at, length

    def finish(self, size_bytes: int) -> Structure:
        """Judge the file, of `size_bytes`, after its last byte. A walker that did not see all of them says nothing."""
        if self._gave_up or self._fed_bytes != size_bytes:
            return Structure(duration_s=None, incomplete=None)
        return self._reader.conclude(size_bytes, bytes(self._held))

    def _advance(self, at: int, wanted: bytes) -> tuple[int, int]:
        self._count += 1
        if self._count > _FREE_STEPS + at // _BYTES_A_STEP:
            self._gave_up = True
            return _NEVER
        try:
            return self._steps.send(wanted)
        except StopIteration:
            return _NEVER


def take(layout: Struct, at: int, end: int) -> Fields:
    """Read the fields at `at`; `MalformedError` if they do not end by `end`."""
    if at + layout.size > end:
        raise MalformedError
    return layout.unpack((yield at, layout.size))


def overrun(what: str, span: Span, size_bytes: int) -> str:
    return f"the {what} at byte {span.start:,} says it ends at byte {span.end:,}, the file ends at byte {size_bytes:,}"


def beyond(what: str, position: int, size_bytes: int) -> str:
    return f"the {what} points to byte {position:,}, the file ends at byte {size_bytes:,}"
