"""Packages of npm that tests use: installed as their lock file says, and run."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_INSTALL = ("npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--prefer-offline")


async def installed(locked: Path, folder: Path) -> Path:
    """Copy a folder with a package-lock.json, install what that names, and return the copy."""
    await asyncio.to_thread(shutil.copytree, locked, folder)
    await output_of(*_INSTALL, cwd=folder)
    return folder


async def output_of(*command: str, cwd: Path) -> str:
    """Return what a command printed; it must exit with 0."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    stdout, stderr = await process.communicate()
    assert process.returncode == 0, (stdout + stderr).decode()[-3000:]
    return stdout.decode()
