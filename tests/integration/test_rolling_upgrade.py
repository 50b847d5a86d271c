"""A rolling upgrade: the code before each revision goes on working while the schema is upgraded under it.

The old code is the real one, taken out of the repository's history.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import tarfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.script import ScriptDirectory

from receiver.catalogue import Catalogue, Filters
from receiver.tables import check_head, open_database, upgrade
from receiver.tables.schema import folder
from tests.support import release_work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
DRIVER = "tests/support/release_work.py"
REVISIONS = [script.revision for script in reversed(list(ScriptDirectory(folder()).walk_revisions()))]


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], check=False, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"this test runs older releases out of the git history, but git says: {done.stderr!r}")
    return done.stdout


def releases() -> dict[str | None, str]:
    """Map each release that a revision came after to the last revision that came with it.

    A release is the last commit that did not know a revision: the code that runs while it is introduced. None stands
    for this one's, where the whole history begins with a revision, so that there never was one to upgrade from.
    """
    changes = git("rev-list", "--first-parent", "HEAD", "--", "migrations/versions").decode().split()
    known = [git("ls-tree", "--name-only", commit, "migrations/versions/").decode().split() for commit in changes]
    found: dict[str | None, str] = {}
    for revision in REVISIONS[1:]:
        older = [
            number
            for number, names in enumerate(known)
            if names and all(Path(name).name.partition("_")[0] < revision for name in names)
        ]
        if older:
            found[f"{changes[older[0] - 1]}^" if older[0] else "HEAD"] = revision
        elif git("rev-parse", "--is-shallow-repository").strip() == b"true":
            raise RuntimeError(
                f"no commit before revision {revision} is here; this test runs it, so clone the repository with its "
                "whole history (git fetch --unshallow)"
            )
        else:
            found[None] = REVISIONS[-1]
    return found


def unpack(commit: str, folder: Path) -> Path:
    """Lay an old release's code out in `folder` with the script that works with it, and return that.

    A release older than the script gets it as it was first written, since it calls the code as that was then.
    """
    with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", commit, "receiver", "migrations"))) as archive:
        archive.extractall(folder, filter="data")
    is_with_driver = git("ls-tree", "--name-only", commit, DRIVER)
    first = git("log", "--diff-filter=A", "--format=%H", "--", DRIVER).decode().split()[-1]
    script = folder / Path(DRIVER).name
    script.write_bytes(git("show", f"{commit if is_with_driver else first}:{DRIVER}"))
    return script


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
