"""The same on a store that verifies nothing and gives out whatever lies in its folder: `rclone serve s3`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import pytest

from receiver.objectstore import BucketConfig, open_bucket
from receiver.records import AuditTally, Rung, StoreAbilities
from receiver.sandbox.ports import held_port
from tests.integration.test_audit import SIZE, spoil, walk_of
from tests.support.archived import archive
from tests.support.databases import ON_SQLITE

PLAIN = StoreAbilities(
    put_proof=Rung.READ_BACK,
    upload_proof=Rung.READ_BACK,
    conditional_put=False,
    conditional_complete=False,
    lists_versions=False,
    ranges=False,
)


@pytest.fixture
async def rclone(tmp_path, monkeypatch):
    """Run it over a folder; yield the bucket and its folder."""
    folder = tmp_path / "served"
    (folder / "team").mkdir(parents=True)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "dev")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "dev-secret")
    with held_port() as port:
        pass
    command = [str(Path(sys.executable).with_name("rclone")), "serve", "s3", str(folder), "--config", "/dev/null"]
    command += ["--addr", f"127.0.0.1:{port}", "--auth-key", "dev,dev-secret", "--vfs-cache-mode", "off"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        config = BucketConfig(bucket="team", endpoint_url=f"http://127.0.0.1:{port}", region="us-east-1", attempts=1)
        async with open_bucket(config) as bucket:
            bucket.abilities = PLAIN
            yield bucket, folder / "team", process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@ON_SQLITE  # about the store
async def test_files_that_are_changed_under_the_store_are_named_and_no_other(rclone, database):
    bucket, folder, process = rclone
    made = await archive(bucket, database, range(40), SIZE)
    flipped, cut, deleted, overwritten, changed = made[2::8]
    file = folder / flipped.archive.key
    content = bytearray(file.read_bytes())
    content[SIZE // 2] ^= 1
    file.write_bytes(content)
    with (folder / cut.archive.key).open("r+b") as opened:
        opened.truncate(SIZE - 7)
    (folder / deleted.archive.key).unlink()
    (folder / overwritten.archive.key).write_bytes(b"another")
    process.send_signal(signal.SIGHUP)  # it remembers what its folders hold, until it is told to look again
    while await bucket.head(deleted.archive.key) is not None:
        await asyncio.sleep(0.02)
    await spoil(bucket, changed, email="eve@example.com")
    found = {}
    walk = walk_of(bucket, database, found)
    await walk.everything()
    assert {key: fixity for key, (fixity, _) in found.items()} == {
        flipped.id: "damaged",
        cut.id: "damaged",
        deleted.id: "missing",
        overwritten.id: "damaged",
        changed.id: "damaged",
    }
    assert (walk.tally.checked, walk.tally.intact) == (40, 35)


@ON_SQLITE  # about the store
async def test_a_store_whose_process_is_stopped_in_the_middle_damages_nothing(rclone, database):
    bucket, _, process = rclone
    await archive(bucket, database, range(20), SIZE)
    walk = walk_of(bucket, database, patience_s=60)
    reading = asyncio.create_task(walk.everything())
    while walk.tally.checked < 5:
        await asyncio.sleep(0.001)
    process.kill()
    await process.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            await asyncio.shield(reading)
    assert not reading.done(), "it waits for the store"
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert walk.tally == AuditTally(
        checked=walk.tally.checked, intact=walk.tally.checked, bytes=walk.tally.checked * SIZE
    )
