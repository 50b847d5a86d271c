"""What an audit found of one object, and of all that it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from receiver.records.kinds import Fixity
    from receiver.records.recordings import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How an archived object was found: `reason` says in words what is wrong, None where nothing is.

    `is_object`: it is the object; otherwise its manifest alone, of an object that was read and is intact.
    """

    recording: Recording
    fixity: Fixity
    read_bytes: int
    reason: str | None = None
    is_object: bool = True


@dataclass(slots=True, kw_only=True)
class AuditTally:
    """What an audit has counted: objects by how they were found, and bytes that were read."""

    checked: int = 0
    intact: int = 0
    damaged: int = 0
    missing: int = 0
    unreadable: int = 0
    repaired: int = 0
    bytes: int = 0

    def count(self, verdict: Verdict) -> None:
        """Count one object."""
        self.checked += 1
        self.bytes += verdict.read_bytes
        setattr(self, verdict.fixity, getattr(self, verdict.fixity) + 1)

    @property
    def is_good(self) -> bool:
        """Tell whether all are intact, or repaired."""
        return self.checked - self.intact == self.repaired


@dataclass(slots=True, kw_only=True)
class ReindexTally:
    """What a rebuilding of the index has counted, in manifests, but for `objects_without_manifest`.

    Of several files of one recording the last proven is its row; the manifests of the others are `equal`.
    """

    manifests: int = 0
    added: int = 0
    equal: int = 0
    differing: int = 0
    objects_without_manifest: int = 0
    manifests_without_object: int = 0
    erased: int = 0

    @property
    def is_good(self) -> bool:
        """Tell whether bucket and index say the same."""
        return not (self.differing or self.objects_without_manifest or self.manifests_without_object)
