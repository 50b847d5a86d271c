"""The stores' own programs, pinned like all else and kept apart from ours: nothing here imports their libraries."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".stores"
_PACKAGES = ROOT / "tests" / "data" / "stores"
NPM = ("npm", "ci", "--ignore-scripts", "--omit=dev", "--omit=optional", "--no-audit", "--no-fund", "--prefer-offline")


async def python_programs() -> Path:
    """Return the folder of the programs that the dependency group `stores` brings, in an environment of its own."""
    folder = CACHE / "python"
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".venv-uv" / "bin" / "uv")
    sync = (uv, "sync", "--quiet", "--locked", "--only-group", "stores", "--python", sys.executable)
    await _done(*sync, UV_PROJECT_ENVIRONMENT=str(folder))
    return folder / "bin"


async def node_programs() -> Path:
    """Return the folder of the programs that `tests/data/stores/package-lock.json` names; a second call finds them."""
    folder = CACHE / "node"
    folder.mkdir(parents=True, exist_ok=True)
    with (CACHE / "node.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        wanted = (_PACKAGES / "package-lock.json").read_bytes()
        made = folder / "made-of.json"
        if not made.exists() or made.read_bytes() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(_PACKAGES / name, folder)
            await _done(*NPM, "--prefix", str(folder))
            made.write_bytes(wanted)
    return folder / "node_modules" / ".bin"


async def _done(*command: str, **environ: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {said.decode()[-3000:]}")
