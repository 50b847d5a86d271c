"""All that lies in the bucket of one recording, deleted and proven gone: every version of its files and manifests.

The keys are those of this recording alone: what its row names, and what begins with the same stem and goes on as one
of its files would. Listings of versions leave entries out where they are long, so none goes beyond one recording.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from receiver import failpoints
from receiver.errors import StoreDeniedError, StoreRefusedError
from receiver.failpoints import ErasurePoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from receiver.objectstore.bucket import Bucket
    from receiver.records import FileVersion, OpenUpload

_UNVERSIONED = "null"
_KEPT = (
    "release what keeps it in the bucket (Object Lock, a legal hold, a policy), or grant s3:DeleteObject, "
    "s3:DeleteObjectVersion and, of what is retained, s3:BypassGovernanceRetention; the service tries again by itself"
)


async def erase_files(
    bucket: Bucket,
    stems: Sequence[str],
    known: Sequence[FileVersion],
    uploads: Sequence[OpenUpload] | None,
    *,
    retained: bool = False,
) -> list[FileVersion]:
    """Delete every version of the files of these stems, and the `known`; return those that were there.

    Open uploads of theirs are ended before, `uploads` among them; None says that there are none. Afterwards each
    version is asked for, and the store must not have it; what it keeps is a `StoreRefusedError` or `StoreDeniedError`.
    `retained`: the archive itself may have had the store retain them, and that is bypassed where it stands in the way.
    Safe to repeat: what is gone stays gone.
    """
    if uploads is not None:
        await _end_uploads(bucket, stems, uploads)
    found = await _listed(bucket, stems)
    for file in found:
        await _delete(bucket, file, retained=retained)
        failpoints.reach(ErasurePoint.VERSION_DELETED)
    for file in {_asked_for(file): file for file in (*known, *found)}.values():
        if await _is_there(bucket, file):  # of a known one no listing told, or its deletion was confirmed in vain
            await _delete(bucket, file, retained=retained)
            if await _is_there(bucket, file):
                raise StoreRefusedError(f"DeleteObject {file.key}: the store confirmed it, and still has it", _KEPT)
            if file not in found:
                found.append(file)
    if left := await _listed(bucket, stems):
        raise StoreRefusedError(f"DeleteObject {left[0].key}: the store confirmed it, and still lists it", _KEPT)
    return found


async def _end_uploads(bucket: Bucket, stems: Sequence[str], noted: Sequence[OpenUpload]) -> None:
    """End what is open; a bucket that lists no uploads is told of those that a run noted."""
    found = set(noted) if bucket.abilities.aborts else set()
    for stem in stems:
        found |= {upload for upload in await bucket.open_uploads(f"{stem}.") if _is_file_of(stem, upload.key)}
    for upload in found:
        await bucket.abort_upload(upload)


async def _listed(bucket: Bucket, stems: Sequence[str]) -> list[FileVersion]:
    return [file for stem in stems for file in await bucket.files_under(f"{stem}.") if _is_file_of(stem, file.key)]


def _is_file_of(stem: str, key: str) -> bool:
    return re.fullmatch(r"(?:\.v[1-9]\d*)?\.[a-z0-9]+(?:\.json)?", key.removeprefix(stem)) is not None


async def _delete(bucket: Bucket, file: FileVersion, *, retained: bool) -> None:
    """Delete it plainly first: who asks for a bypass needs the right to one, even where nothing is retained."""
    try:
        try:
            await bucket.delete_version(file)
        except (StoreRefusedError, StoreDeniedError):
            if not retained:
                raise
            await bucket.delete_version(file, bypass=True)
    except StoreDeniedError as e:
        raise StoreDeniedError(e.happened, _KEPT, operation=e.operation) from e


async def _is_there(bucket: Bucket, file: FileVersion) -> bool:
    key, version_id = _asked_for(file)
    return await bucket.head(key, version_id=version_id) is not None


def _asked_for(file: FileVersion) -> tuple[str, str | None]:
    """Return how a version is asked for: that of a bucket which keeps none has no name of its own."""
    return file.key, None if file.version_id == _UNVERSIONED else file.version_id
