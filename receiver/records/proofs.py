"""How a copy was proven, and what a bucket was found to do: learnt by trying, never taken from its name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Rung(StrEnum):
    """The ladder of proofs, strongest first. All but the last are the store's word, which counts where it was tried.

    A copy's own SHA-256 is taken on every rung; the rung says what tied the stored bytes to it.
    """

    CRC64NVME = "crc64nvme"
    """CRC64NVME over the whole object, of which the store refuses a wrong one."""
    CRC32C = "crc32c"
    CRC32 = "crc32"
    SHA256_PARTS = "sha256-parts"
    """SHA-256 of each part, of which the store refuses a wrong one, and the object's own made from them."""
    CRC32C_PARTS = "crc32c-parts"
    MD5 = "md5"
    """The ETag is the MD5, or the MD5 of the parts' MD5s, in a store that refuses a wrong Content-MD5."""
    READ_BACK = "read-back"
    """The object was read back whole, and has the SHA-256 of what was sent."""

    @property
    def algorithm(self) -> str:
        """Return which digest it is."""
        return {Rung.READ_BACK: "sha256"}.get(self, self.removesuffix("-parts"))

    @property
    def is_of_parts(self) -> bool:
        """Tell whether the value of an object in parts is made from the parts' values."""
        return self.endswith("-parts")

    @property
    def is_full_object(self) -> bool:
        """Tell whether the store takes one checksum over the whole of an object in parts."""
        return self in {Rung.CRC64NVME, Rung.CRC32C, Rung.CRC32}

    @property
    def rank(self) -> int:
        """Return how far down the ladder it is."""
        return list(Rung).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyProof:
    """What a stored object was proven by, in the store's own spelling; `at` is known once it is recorded.

    Of `READ_BACK` the value is the SHA-256 in hex, of `MD5` the ETag, of the others base64, with `-N` for N parts.
    """

    rung: Rung
    value: str
    at: datetime | None = None

    @property
    def method(self) -> str:
        """Return what the value is of: `full_object`, `composite` (of the parts' values), `etag` or `read_back`."""
        if self.rung is Rung.READ_BACK:
            return "read_back"
        if self.rung is Rung.MD5:
            return "etag"
        return "composite" if "-" in self.value else "full_object"

    @property
    def algorithm(self) -> str:
        return self.rung.algorithm

    @property
    def verified_by(self) -> str:
        """Return who compared the bytes with the value: the `store` as they came, or we by `read_back`."""
        return "read_back" if self.rung is Rung.READ_BACK else "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAbilities:
    """What a bucket was found to do. The defaults are what AWS documents.

    `put_proof` and `upload_proof` are the strongest rungs whose wrong value was refused and whose right one was not.
    `part_trailers`: a part brings its checksum behind its bytes, since the store wants one and verifies it there.
    Without `conditional_put` or `conditional_complete` overwriting is not excluded by the store.
    """

    put_proof: Rung = Rung.CRC64NVME
    upload_proof: Rung = Rung.CRC64NVME
    part_trailers: bool = False
    conditional_put: bool = True
    conditional_complete: bool = True
    lists_parts: bool = True
    lists_uploads: bool = True
    aborts: bool = True
    lists_versions: bool = True
    ranges: bool = True
    response_headers: bool = True
    head_checksums: bool = True
    """Whether it bears to be asked for checksums with HEAD."""
    most_parts: int = 10_000

    @property
    def excludes_overwriting(self) -> bool:
        """Tell whether the store itself refuses to replace an object, however it is written."""
        return self.conditional_put and self.conditional_complete

    @property
    def tells_crc64nvme(self) -> bool:
        """Tell whether a CRC64NVME that the store tells of an object is its own, however that was written."""
        return self.put_proof is self.upload_proof is Rung.CRC64NVME


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """Abilities and when they were tried, on a store that called itself `server`.

    `is_sure` is false where a step met a 500: no refusal, but perhaps only a bad moment.
    """

    abilities: StoreAbilities
    server: str | None
    at: datetime
    is_sure: bool = True
