"""Earlier releases of the service, taken out of the repository's history."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from alembic.script import ScriptDirectory

from receiver.tables.schema import folder

ROOT = Path(__file__).parents[2]
DRIVER = "tests/support/release_work.py"
REVISIONS = [script.revision for script in reversed(list(ScriptDirectory(folder()).walk_revisions()))]


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], check=False, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"this test runs older releases out of the git history, but git says: {done.stderr!r}")
    return done.stdout


def releases() -> dict[str | None, str]:
    """Map each release that a revision came after to the last revision that came with it, in the order of revisions.

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
