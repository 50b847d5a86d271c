"""`receiver recordings download`: the archived bytes out of the bucket, checked against the index on the way."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from receiver.app import open_actions, open_catalogue, open_store
from receiver.cli.environment import os_user, settings_for
from receiver.cli.lazy import failure
from receiver.cli.output import clean
from receiver.cli.progress import transfer_progress
from receiver.errors import ReceiverError
from receiver.figures import size
from receiver.records import Action, RecordingId, StoredFile
from receiver.settings import Needs, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class NotArchivedError(ReceiverError):
    """The recording has no object in the bucket."""


class DifferentBytesError(ReceiverError):
    """What the bucket gave is not what was archived."""


@click.command()
@click.argument("recording_id", metavar="ID")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    help="File or directory to write to; - is stdout.  [default: ID with the object's extension]",
)
def download(*, recording_id: str, output: Path | None) -> None:
    """Fetch the archived file of the recording ID.

    That it was fetched goes on record first. The file appears under its name only when it is complete and its SHA-256
    is the one in the index.
    """
    settings = settings_for(Needs.BUCKET)
    archive = asyncio.run(_archive(settings, RecordingId(recording_id)))
    if output == Path("-"):
        if sys.stdout.isatty():
            raise click.UsageError("refusing to write a recording to a terminal; redirect it or name a file")
        asyncio.run(_fetch(settings, archive, sys.stdout.buffer))
        sys.stdout.buffer.flush()
        return
    target = _target(output, recording_id, archive)
    try:
        with _appearing(target) as part:
            asyncio.run(_fetch(settings, archive, part))
    except OSError as e:
        raise failure(f"cannot write {target}: {e.strerror or e}") from e
    click.echo(f"{clean(str(target))}  {archive.size_bytes} bytes  sha256 {archive.sha256}", err=True)


async def _archive(settings: Settings, recording_id: RecordingId) -> StoredFile:
    async with open_catalogue(settings) as catalogue:
        recording = await catalogue.recording(recording_id)
    if recording.archive is None:
        raise NotArchivedError(f"recording {recording.id} is {recording.state.value}: there is no file to download")
    async with open_actions(settings) as actions:
        await actions.note(Action.DOWNLOADED, recording.id, os_user())
    return recording.archive


def _target(output: Path | None, recording_id: str, archive: StoredFile) -> Path:
    name = f"{recording_id}{Path(archive.key).suffix}"
    if output is None:
        return Path(name)
    return output / name if output.is_dir() else output


@contextmanager
def _appearing(target: Path) -> Iterator[BinaryIO]:
    """Open `target`.part; on success it becomes `target`, on any error it is removed."""
    part = target.with_name(f"{target.name}.part")
    with part.open("wb") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


async def _fetch(settings: Settings, archive: StoredFile, sink: BinaryIO) -> None:
    """Stream the object into `sink`; raises `DifferentBytesError` when it is not the one that was archived."""
    # the row names the bucket: the setting may have changed since
    settings = settings.model_copy(update={"s3_bucket": archive.bucket})
    with transfer_progress(Path(archive.key).name, archive.size_bytes) as advance:
        sha256, size_bytes = await _copy(settings, archive, sink, advance)
    if (sha256, size_bytes) != (archive.sha256, archive.size_bytes):
        raise DifferentBytesError(
            f"the bucket's object {archive.key} is not what was archived: {size(size_bytes)} with SHA-256 {sha256},"
            f" the index says {size(archive.size_bytes)} with {archive.sha256}"
        )


async def _copy(
    settings: Settings, archive: StoredFile, sink: BinaryIO, advance: Callable[[int], None]
) -> tuple[str, int]:
    """Read the very version that was proven: another may have come to lie over it."""
    digest = hashlib.sha256()
    size_bytes = 0
    async with open_store(settings) as bucket:
        async for chunk in bucket.read(archive.key, version_id=archive.version_id):
            digest.update(chunk)
            sink.write(chunk)
            size_bytes += len(chunk)
            advance(len(chunk))
    return digest.hexdigest(), size_bytes
