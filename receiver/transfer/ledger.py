"""What a copy makes durable on its way, so that a later run on any machine can go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from receiver.records import NotedObject, UnfinishedUpload, UploadedPart


class Ledger(Protocol):
    """The calls raise `FenceLostError` where the run lost its right to the recording, which ends the copy."""

    async def began(self, upload: UnfinishedUpload | None, key: str) -> None:
        """Note the key, and the multipart upload once it is open; the store gets no byte before."""
        ...

    async def stored(self, part: UploadedPart) -> None:
        """Note a part that the store confirmed."""
        ...

    async def completing(self, noted: NotedObject) -> None:
        """Note what is about to become an object, so that a later run knows this one from any other under the key."""
        ...

    async def aborted(self) -> None:
        """Note that the upload is no more, nor any of its parts."""
        ...
