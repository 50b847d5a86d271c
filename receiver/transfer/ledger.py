"""What a copy makes durable on its way, so that a later run on any machine can go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from receiver.records import UnfinishedUpload, UploadedPart


class Ledger(Protocol):
    """Both calls raise `FenceLostError` where the run lost its right to the recording, which ends the copy."""

    async def began(self, upload: UnfinishedUpload | None, key: str) -> None:
        """Note the key and the multipart upload, or None for a single request; the store gets no byte before."""
        ...

    async def stored(self, part: UploadedPart) -> None:
        """Note a part that the store confirmed."""
        ...
