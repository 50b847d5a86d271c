"""A file that is one record behind another, each headed by its own length: most containers are, seen from above."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from receiver.media.walk import MalformedError, Span, Structure, overrun

if TYPE_CHECKING:
    from collections.abc import Generator

    from receiver.media.walk import Steps

End: TypeAlias = "Generator[tuple[int, int], bytes, Span]"


class Format:
    """How the records of one format are headed."""

    first_bytes: int | None = None  # what the file's own header has at least, if that is less than a record's
    header_bytes: int  # the least that a record's header has
    alignment = 1  # records begin at multiples of this
    declared_bytes = 0  # what the file's own metadata say of its length, as soon as they were read

    def record(self, at: int, header: bytes) -> End:
        """Read the record whose header begins with `header`; it ends at `ENDLESS` if its length is not known.

        `MalformedError` means that no record begins here, and so that none will any more.
        """
        raise NotImplementedError

    def may_end(self, tail: bytes) -> bool:
        """Say whether a whole file can end with these bytes, fewer than a header has, behind its last record."""
        return not any(tail)

    def missing(self) -> str | None:
        """Say what a file lacks that ends behind its last record."""
        return None


class Records:
    """Reads one file of records. What lies behind the last one, if it begins as none does, is left alone."""

    def __init__(self, layout: Format) -> None:
        self._format = layout
        self._last = Span(b"", 0, 0)
        self._heading = False  # within a header, behind its first bytes
        self._lost = False

    def steps(self) -> Steps:
        at, header_bytes = 0, self._format.first_bytes or self._format.header_bytes
        while True:
            header = yield at, header_bytes
            header_bytes = self._format.header_bytes
            try:
                self._heading = True
                self._last = yield from self._format.record(at, header)
            except MalformedError:
                self._lost = True
                return
            self._heading = False
            at = -(-self._last.end // self._format.alignment) * self._format.alignment

    def conclude(self, size_bytes: int, tail: bytes) -> Structure:
        incomplete = self._incomplete(size_bytes, tail)
        return Structure(duration_s=None, incomplete=incomplete, is_cut=incomplete is not None)

    def _incomplete(self, size_bytes: int, tail: bytes) -> str | None:
        if self._last.overruns(size_bytes):
            return overrun(self._last.kind.decode("ascii", "replace"), self._last, size_bytes)
        if self._lost:
            return None
        if self._heading or not self._format.may_end(tail):
            return f"the file ends at byte {size_bytes:,}, within the header of a record"
        if self._format.declared_bytes > size_bytes:
            return f"the file says it has {self._format.declared_bytes:,} bytes, it has {size_bytes:,}"
        return self._format.missing()
