"""A rolling upgrade: the code before each revision goes on working while the schema is upgraded under it.

The old code is the real one, taken out of the repository's history.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from receiver.catalogue import Catalogue, Filters
from receiver.tables import check_head, open_database, upgrade
from tests.support import release_work
from tests.support.releases import DRIVER, REVISIONS, ROOT, releases, unpack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def running(script: Path, folder: Path, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the release in `folder` until it has worked on its own schema and waits."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(script), url),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            pytest.fail((await process.communicate())[1].decode())
        assert json.loads(line) == {"ready": str(folder)}
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


RELEASES = releases()


@pytest.mark.parametrize(("release", "revision"), RELEASES.items(), ids=RELEASES.values())
async def test_the_release_before_a_revision_goes_on_while_and_after_it_comes(
    empty_database_urls: list[str], tmp_path: Path, release: str | None, revision: str
) -> None:
    """On both databases in turn, for what an old release costs is that it is compiled."""
    folder = tmp_path / "old" if release else ROOT
    script = unpack(release, folder) if release else ROOT / DRIVER
    for url in empty_database_urls:
        await _upgrade_under(script, folder, url, revision)


async def test_this_release_does_the_same_work_on_its_own_schema(empty_database_url: str) -> None:
    """Keep the script in step with the code, so that a later release finds one that fits this one."""
    await _upgrade_under(ROOT / DRIVER, ROOT, empty_database_url, REVISIONS[-1])


async def _upgrade_under(script: Path, folder: Path, url: str, revision: str) -> None:
    database = open_database(url)
    try:
        async with running(script, folder, url) as old:
            assert (await upgrade(database, revision))[1] == revision
            stdout, stderr = await old.communicate(b"go on\n")
        assert old.returncode == 0, stderr.decode()
        states = json.loads(stdout.splitlines()[-1])  # before it, a release logs that the schema is newer
        expected = {f"{n}-{end}": end for n in ("before", "during", "after") for end in release_work.ENDS}
        expected |= {f"{n}-retried": "pending" for n in ("before", "during", "after")} | {
            "before-archiving": "archived"
        }
        assert states == expected
        await upgrade(database)
        await check_head(database)
        page = await Catalogue(database).page(Filters(), limit=1000)
        assert {item.id: item.state for item in page.items} == states
    finally:
        await database.close()
