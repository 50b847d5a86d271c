"""Earlier releases of the service, taken out of the repository's history."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from receiver.tables.schema import folder

ROOT = Path(__file__).parents[2]
DRIVER = "tests/support/release_work.py"
REVISIONS = [script.revision for script in reversed(list(ScriptDirectory(folder()).walk_revisions()))]


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], check=False, capture_output=True)
    if done.returncode:
        pytest.fail(f"this test runs older releases out of the git history, but git says: {done.stderr.decode()}")
    return done.stdout


def release_before(revision: str) -> str | None:
    """Return the last commit that did not know `revision`: the code that runs while it is introduced."""
    for commit in git("rev-list", "--first-parent", "HEAD").decode().split():
        names = [
            Path(name).name for name in git("ls-tree", "--name-only", commit, "migrations/versions/").decode().split()
        ]
        if names and all(name.partition("_")[0] < revision for name in names):
            return commit
    if git("rev-parse", "--is-shallow-repository").strip() == b"true":
        pytest.fail(
            f"no commit before revision {revision} is here; this test runs it, so clone the repository with its whole "
            "history (git fetch --unshallow)"
        )
    return None  # the whole history begins with this revision: there never was a release to upgrade from


def lay_out(commit: str, folder: Path) -> None:
    """Lay an old release's code out in `folder`."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", commit, "receiver", "migrations"))) as archive:
        archive.extractall(folder, filter="data")


def unpack(commit: str, folder: Path) -> Path:
    """Lay an old release's code out in `folder` with the script that works with it, and return that.

    A release older than the script gets it as it was first written, since it calls the code as that was then.
    """
    lay_out(commit, folder)
    is_with_driver = git("ls-tree", "--name-only", commit, DRIVER)
    first = git("log", "--diff-filter=A", "--format=%H", "--", DRIVER).decode().split()[-1]
    script = folder / Path(DRIVER).name
    script.write_bytes(git("show", f"{commit if is_with_driver else first}:{DRIVER}"))
    return script
