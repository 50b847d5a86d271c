"""What a copy needs of others: the place it writes to, and what makes its progress durable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from receiver.records import (
        HeldPart,
        NotedObject,
        ObjectHead,
        OpenUpload,
        StoreAbilities,
        UnfinishedUpload,
        UploadedPart,
    )


class Target(Protocol):
    """A bucket, reduced to the calls of a copy. One contract suite runs on every implementation."""

    @property
    def name(self) -> str:
        """The bucket's name."""

    @property
    def abilities(self) -> StoreAbilities:
        """What the bucket was found to do; it may change between two copies."""

    async def head(self, key: str, *, version_id: str | None = None) -> ObjectHead | None:
        """Return what lies under the key, in this version of it where one is named, or None."""

    async def put(self, key: str, body: bytes | bytearray, *, content_type: str) -> ObjectHead:
        """Store a small object; `KeyTakenError` where one was there."""
        ...

    async def begin_upload(self, key: str, *, content_type: str) -> OpenUpload:
        """Open a multipart upload; after a `StoreUnavailableError` one may be open or not."""
        ...

    async def open_uploads(self, prefix: str) -> list[OpenUpload]:
        """Return every upload under `prefix` that is neither completed nor aborted."""
        ...

    async def upload_part(
        self, upload: OpenUpload, number: int, chunks: Iterator[memoryview], *, size_bytes: int
    ) -> UploadedPart:
        """Send one part; sending it again replaces it.

        `chunks` is read in a thread, at most once, and each chunk is done with before the next is asked for. Where
        this is cancelled that thread may live on for a moment, so it is for the caller to end `chunks`.
        """
        ...

    async def list_parts(self, upload: OpenUpload) -> list[HeldPart] | None:
        """Return the parts of an open upload, by number; None where the upload is no more, or nobody can tell."""
        ...

    async def complete_upload(self, upload: OpenUpload, parts: Sequence[UploadedPart], *, checksum: str) -> ObjectHead:
        """Make the parts one object; `KeyTakenError` where one was there."""
        ...

    async def abort_upload(self, upload: OpenUpload) -> None:
        """End an upload; one that is gone already is success."""

    def read(self, key: str, *, version_id: str | None = None) -> AsyncIterator[bytes]:
        """Yield the whole object in chunks."""
        ...

    async def discard(self, head: ObjectHead) -> None:
        """Remove the version of an object that `put` or `complete_upload` returned; one that is gone is success."""


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

    async def read_back(self, read_bytes: int) -> None:
        """Note how much of the stored object has been read back."""
        ...

    def left_unproven(self, head: ObjectHead) -> bool:
        """Tell whether an earlier run stored this object, of which the store tells other than was sent."""
        ...

    def came_before(self, sha256: str) -> bool:
        """Tell whether an earlier run was brought these very bytes, and refused them since their end is missing."""
        ...
