"""What lies in the bucket: objects, proven files, and multipart uploads not yet completed."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from receiver.records.proofs import Rung

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from receiver.records.proofs import CopyProof

_VERSION = re.compile(r"\.v([1-9]\d*)\.[a-z0-9]+$")
_END = re.compile(r"(?:\.v[1-9]\d*)?\.[a-z0-9]+$")


def versions_of(key: str) -> Iterator[str]:
    """Yield where the first file of a recording lies, then the second, and so on: `a.mp4`, `a.v2.mp4`, `a.v3.mp4`.

    An object is never overwritten: a file that finds another under its key goes to the next of these.
    """
    yield key
    stem, dot, extension = key.rpartition(".")
    for number in itertools.count(2):
        yield f"{stem}.v{number}{dot}{extension}"


def stem_of(key: str) -> str:
    """Return what the keys of all files of a recording begin with, up to the dot of `.v2` or the extension."""
    return _END.sub("", key)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHead:
    """What the store says of an object.

    `checksum` is `crc64nvme:<base64>` over the whole object, or None where the store tells none, or none of its own.
    `proof` is set where the store has verified the bytes as they came; else they are to be read back, unless the object
    `is_contradicted`: just written, by a store that verifies and yet tells another value of it than was sent.
    """

    key: str
    size_bytes: int
    etag: str
    checksum: str | None
    content_type: str | None
    version_id: str | None
    proof: CopyProof | None = None
    is_contradicted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A proven object: its length, own SHA-256 (hex) and `proof` all agreed. `checksum` is our own CRC64NVME.

    Without a `proof` the store has verified the checksum, as it had to for earlier releases.
    `incomplete` says what the file itself lacks where its container tells that it is cut or cannot be played.
    """

    bucket: str
    key: str
    version_id: str | None
    size_bytes: int
    sha256: str
    checksum: str
    content_type: str
    incomplete: str | None = None
    proof: CopyProof | None = None

    @property
    def version(self) -> int:
        """Count the files of the recording up to this one: from 2 on, earlier ones lie beside it."""
        found = _VERSION.search(self.key)
        return int(found[1]) if found else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedObject:
    """What a run was about to store, noted before it did: an object with this size and checksum is that run's."""

    key: str
    size_bytes: int
    checksum: str

    def matches(self, head: ObjectHead | None) -> bool:
        """Tell whether this is what lies in the store."""
        return head is not None and (head.size_bytes, head.checksum) == (self.size_bytes, self.checksum)

    def is_told_otherwise(self, head: ObjectHead) -> bool:
        """Tell whether the store tells another checksum of it, though it lies there in its length."""
        same_place = (head.key, head.size_bytes) == (self.key, self.size_bytes)
        return same_place and head.checksum != self.checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUpload:
    """A multipart upload that a run has begun; kept on the row so that the next run can go on with it or end it.

    `begun_at` is known of an upload that the store listed, by the store's clock; `rung` of one that a run began: how it
    is to be proven. Releases before the ladder began all with a CRC64NVME.
    """

    key: str
    upload_id: str
    begun_at: datetime | None = field(default=None, compare=False)
    rung: Rung = field(default=Rung.CRC64NVME, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedPart:
    """A part as the store confirmed it. `number` counts from 1; `checksum` is the part's `crc64nvme:<base64>`.

    `digest` is the part's value on its upload's rung, in base64, where that is another than a CRC64NVME.
    """

    number: int
    etag: str
    size_bytes: int
    checksum: str
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPart:
    """A part as the store lists it: not every store tells its checksum, so none is read."""

    number: int
    etag: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedUpload:
    """What a later run needs to go on with an upload: how the file was cut, which file it was, which parts are sent.

    Without `source_etag` (a strong one) nothing can tell whether the source is still that file. `parts` are in order.
    """

    upload: OpenUpload
    part_size_bytes: int
    source_etag: str | None
    source_size_bytes: int
    parts: tuple[UploadedPart, ...] = ()
