"""The proof of a copy: the store's word where it counts, else the object's own bytes, read back whole."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import ObjectConflictError, ProofTooWeakError, StoreChecksumError
from receiver.media import walker_for
from receiver.media.sniff import UNKNOWN
from receiver.records import CopyProof, Rung, StoredFile
from receiver.transfer.digest import RunningDigest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from receiver.records import NotedObject, ObjectHead
    from receiver.transfer.ports import Target

_log = logs.get("transfer")


async def read_back(target: Target, head: ObjectHead, note: Callable[[int], Awaitable[None]]) -> RunningDigest:
    """Read all of an object, once, and digest it; `note` hears how many bytes have come."""
    digest = RunningDigest(walker_for(head.content_type or UNKNOWN.content_type))
    async for chunk in target.read(head.key, version_id=head.version_id):
        await asyncio.to_thread(digest.feed, digest.position, chunk)  # the event loop is the intake's
        await note(digest.position)
    return digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Proving:
    """How objects of one target are proven, on `weakest` or a rung above it; `note` hears of what is read back."""

    target: Target
    weakest: Rung
    note: Callable[[int], Awaitable[None]]

    def check_reachable(self, rung: Rung) -> None:
        """Raise `ProofTooWeakError`, before a byte is copied, where the bucket's best is not enough."""
        if rung.rank > self.weakest.rank:
            raise ProofTooWeakError(
                f"the strongest proof that this store gives of such a file is {rung}, and RECEIVER_S3_MIN_PROOF asks "
                f"for {self.weakest}"
            )

    async def of_written(self, head: ObjectHead, digest: RunningDigest, *, content_type: str) -> StoredFile:
        """Prove what was just stored, or found there with the same bytes and read back already.

        Raises `StoreChecksumError`, upon which the object is to be removed.
        """
        if head.size_bytes != digest.position:
            raise StoreChecksumError(f"the store reports another size of {head.key} than its bytes have")
        if head.is_contradicted or head.checksum not in {None, digest.checksum}:
            raise StoreChecksumError(f"the store reports another checksum of {head.key} than its bytes have")
        proof = head.proof
        if proof is None:
            found = await read_back(self.target, head, self.note)
            if found.sha256 != digest.sha256:
                raise StoreChecksumError(f"{head.key}, read back, does not hold the bytes that were sent")
            proof = CopyProof(rung=Rung.READ_BACK, value=found.sha256)
        elif proof.rung is Rung.READ_BACK and proof.value != digest.sha256:
            raise ObjectConflictError(f"{head.key} holds other bytes than the file, which its CRC64NVME does not show")
        return self._stored(head, digest, proof, content_type)

    async def existing(self, noted: NotedObject, *, proof: CopyProof | None = None) -> StoredFile | None:
        """Prove an object that a run stored and did not record, by reading it back; `proof` is what the store said.

        None where there is no object, or another than the noted one, and where the proof is too weak, which removes it.
        Bytes that do not agree with the store's own word are a `StoreChecksumError`.
        """
        head = await self.target.head(noted.key)
        if head is None or head.size_bytes != noted.size_bytes or head.checksum not in {None, noted.checksum}:
            return None
        digest = await read_back(self.target, head, self.note)
        if (digest.position, digest.checksum) != (noted.size_bytes, noted.checksum):
            if head.checksum is None and proof is None:
                return None
            raise StoreChecksumError(f"{head.key}, read back, does not hold the bytes that the store says")
        found = head.proof or proof or CopyProof(rung=Rung.READ_BACK, value=digest.sha256)
        if found.rung.rank > self.weakest.rank:
            _log.warning("proof_too_weak", key=head.key, rung=found.rung, asked=self.weakest)
            await self.target.discard(head)
            return None
        return self._stored(head, digest, found, head.content_type or UNKNOWN.content_type)

    def _stored(self, head: ObjectHead, digest: RunningDigest, proof: CopyProof, content_type: str) -> StoredFile:
        structure = digest.structure
        return StoredFile(
            bucket=self.target.name,
            key=head.key,
            version_id=head.version_id,
            size_bytes=digest.position,
            sha256=digest.sha256,
            checksum=digest.checksum,
            content_type=content_type,
            incomplete=structure.incomplete if structure is not None else None,
            proof=proof,
        )
