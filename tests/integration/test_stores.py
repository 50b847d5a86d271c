"""Any store: a recording is archived and proven there, or refused by name, and nothing else stays in the bucket.

What the suite sees is what the README's table says.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.stores.bucket import SeenBucket
from tests.stores.suite import examined
from tests.support.stores.real import REAL, seaweedfs_at
from tests.support.stores.rules import DOCUMENTED

SEAWEEDFS = "SeaweedFS 4.48"
REQUESTS = {
    "1 MB": {"PutObject": 2},
    "20 MB": {
        "CreateMultipartUpload": 1,
        "HeadObject": 1,
        "UploadPart": 4,
        "CompleteMultipartUpload": 1,
        "PutObject": 1,
    },
}
"""What one recording asks of a store that lacks nothing, its manifest's put with the rest."""
ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def said_of(name):
    """Return the README's cells of a store: proof, overwrite guard, versions."""
    (row,) = [line for line in README.read_text().splitlines() if line.startswith(f"| {name} |")]
    return cells_of(row)


def cells_of(row):
    return [cell.strip() for cell in row.strip("| \n").split("|")[1:4]]


@asynccontextmanager
async def bucket_of(store, *, keeps_versions=False):
    """Make a bucket, and remove it: SeaweedFS keeps several volume files for each, and has only so many."""
    bucket = SeenBucket(store, f"test-{secrets.token_hex(8)}", "")
    await asyncio.to_thread(bucket.made, keeps_versions=keeps_versions)
    try:
        yield bucket
    finally:
        await asyncio.to_thread(bucket.dropped)


@pytest.mark.parametrize("name", [SEAWEEDFS, *DOCUMENTED])
async def test_before_seaweedfs_recordings_are_proven_or_refused_and_nothing_else_stays(name, seaweed, tmp_path):
    async with bucket_of(seaweedfs_at(seaweed)) as bucket:
        seen = await examined(bucket.store, bucket.name, "team/", tmp_path, DOCUMENTED.get(name), forked=True)
    assert seen.faults == []
    assert [seen.proof, seen.guard, seen.versions] == said_of(name)
    if name == SEAWEEDFS:
        assert {case: seen.requests[case] for case in REQUESTS} == REQUESTS


@pytest.mark.parametrize("name", REAL)
async def test_recordings_are_proven_or_refused_and_nothing_else_stays(name, tmp_path):
    folders = [tmp_path / part for part in ("store", "service")]
    for folder in folders:
        folder.mkdir()
    async with REAL[name](folders[0]) as store:
        bucket = SeenBucket(store, "team-bucket", "")
        await asyncio.to_thread(bucket.made)
        seen = await examined(store, bucket.name, "team/", folders[1], forked=True)
    assert seen.faults == []
    assert [seen.proof, seen.guard, seen.versions] == said_of(store.name)


async def test_the_command_prints_the_row_of_a_bucket_and_leaves_no_version_in_it(seaweed):
    async with bucket_of(seaweedfs_at(seaweed), keeps_versions=True) as bucket:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.stores", f"{seaweed.endpoint_url}/{bucket.name}", "--name", "ours"),
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "AWS_ACCESS_KEY_ID": seaweed.access_key,
                "AWS_SECRET_ACCESS_KEY": seaweed.secret_key,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        assert (bucket.keys(), bucket.spare_versions(), bucket.open_uploads()) == (set(), [], [])
    row = said.decode().splitlines()[-1]
    assert row.startswith("| ours |")
    assert cells_of(row) == said_of(SEAWEEDFS)
