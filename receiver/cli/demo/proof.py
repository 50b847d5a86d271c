"""What the demo proves: the platform's bytes, the bucket's bytes and the index say the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from receiver.errors import ReceiverError

if TYPE_CHECKING:
    from receiver.cli.demo.platform import PlatformFile
    from receiver.objectstore import Bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A file as one party holds or describes it."""

    sha256: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One recording as four parties see it. `indexed` is its `Recording` of the HTTP API."""

    indexed: dict[str, Any]
    source: PlatformFile
    index: Seen
    object: Seen
    manifest: Seen

    @property
    def key(self) -> str | None:
        """Where the object lies in the bucket."""
        archive = self.indexed["archive"]
        return archive["key"] if archive else None

    def differences(self) -> list[str]:
        """Say what is not as it should be; nothing, where the copy is proven."""
        if self.key is None:
            error = self.indexed["error"]
            why = f": {error['code']}: {error['message']}" if error else ""
            return [f"{self.indexed['id']} is {self.indexed['state']}, not archived{why}"]
        return [
            f"{self.indexed['id']}: the {name}'s {fact} is {theirs}, the source's is {ours}"
            for name, seen in (("index", self.index), ("object", self.object), ("manifest", self.manifest))
            for fact, theirs, ours in (
                ("SHA-256", seen.sha256, self.source.sha256),
                ("size", seen.size_bytes, self.source.size_bytes),
            )
            if theirs != ours
        ]


async def prove(indexed: dict[str, Any], source: PlatformFile, bucket: Bucket) -> Proof:
    """Read the object and its manifest back from the bucket and put them beside source and index."""
    archive = indexed["archive"]
    if archive is None:
        return Proof(indexed=indexed, source=source, index=Seen(), object=Seen(), manifest=Seen())
    return Proof(
        indexed=indexed,
        source=source,
        index=Seen(sha256=archive["sha256"], size_bytes=archive["size_bytes"]),
        object=await _object(bucket, archive["key"]),
        manifest=await _manifest(bucket, manifest_key(archive["key"]), indexed["id"]),
    )


def manifest_key(key: str) -> str:
    """Return where the manifest of the object at `key` lies."""
    return f"{key}.json"


async def _object(bucket: Bucket, key: str) -> Seen:
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        async for chunk in bucket.read(key):
            digest.update(chunk)
            size_bytes += len(chunk)
    except ReceiverError:
        return Seen()
    return Seen(sha256=digest.hexdigest(), size_bytes=size_bytes)


async def _manifest(bucket: Bucket, key: str, recording_id: str) -> Seen:
    """Return what the manifest says, or nothing where it is missing or another recording's."""
    try:
        document = json.loads(b"".join([chunk async for chunk in bucket.read(key)]))
        if document["recording"]["id"] != recording_id:
            return Seen()
        return Seen(sha256=document["object"]["sha256"], size_bytes=document["object"]["size_bytes"])
    except (ReceiverError, ValueError, KeyError, TypeError):
        return Seen()
