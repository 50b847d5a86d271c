"""`deploy/Containerfile`: judged by hadolint, built in empty folders, and what came out run as the image says."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from receiver.sandbox.ports import held_port
from tests.support.containerfile import Image, built
from tests.support.databases import memory_or_disk
from tests.support.service import WEBHOOK_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "Containerfile"
OWNER = 10001


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that the image's user may enter, as pytest's own may not be."""
    made = Path(tempfile.mkdtemp(prefix="image-", dir=memory_or_disk()))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def files(root: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in root.rglob("*") if not path.is_dir()}


def test_hadolint_finds_nothing() -> None:
    judged = subprocess.run([Path(sys.executable).with_name("hadolint"), FILE], check=False, capture_output=True)
    assert (judged.returncode, judged.stdout) == (0, b"")


async def test_the_image_serves_as_nobody_on_a_root_that_it_does_not_write_to(folder: Path) -> None:
    # how packages are got here, and where uv keeps them
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("RECEIVER_", "VIRTUAL_ENV"))}
    environ["UV_LINK_MODE"] = "copy"  # uv's own files are on another disk
    image = await asyncio.to_thread(built, FILE, ROOT, folder, environ)
    assert image.user == f"{OWNER}:{OWNER}"
    before = files(image.root)
    with held_port() as port:
        process = await started(image, port)
        try:
            async with asyncio.timeout(180):  # it has no compiled file to start from
                while await healthy(image, port):
                    assert process.returncode is None
                    await asyncio.sleep(0.2)
        finally:
            process.terminate()
            assert await process.wait() == 0
        assert await healthy(image, port) != 0
    written = {name for name, changed in files(image.root).items() if before.get(name) != changed}
    assert {Path(name).parent for name in written} == {image.root / "var/lib/receiver"}
    programs = {path.name for path in (image.root / "opt/receiver/.venv/bin").iterdir()}
    assert "receiver" in programs
    assert programs.isdisjoint({"pytest", "hadolint", "pip", "uv"}), "what tests and builds need stays outside"


async def started(image: Image, port: int) -> asyncio.subprocess.Process:
    words = [*image.entrypoint, *image.cmd]
    assert words[-4:] == ["--host", "0.0.0.0", "--port", "8080"]  # noqa: S104  (what the image says, not what is done)
    return await asyncio.create_subprocess_exec(
        *(*as_user(image), *words[:-4], "--port", str(port)),
        cwd=image.at(image.workdir),
        env={
            "PATH": image.environ["PATH"],
            "RECEIVER_S3_BUCKET": "team-recordings",
            "RECEIVER_S3_ENDPOINT_URL": "http://127.0.0.1:1",
            "RECEIVER_WEBHOOK_SECRETS": WEBHOOK_SECRET,
            "AWS_EC2_METADATA_DISABLED": "true",
        },
    )


async def healthy(image: Image, port: int) -> int:
    words = [word.replace("8080", str(port)) for word in image.health]
    asking = await asyncio.create_subprocess_exec(
        *(*as_user(image), *words), env={"PATH": image.environ["PATH"]}, stderr=asyncio.subprocess.DEVNULL
    )
    return await asyncio.wait_for(asking.wait(), 60)


def as_user(image: Image) -> list[str]:
    """Return what becomes the image's user where this one may; elsewhere its owner is this one."""
    user, group = image.user.split(":")
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
