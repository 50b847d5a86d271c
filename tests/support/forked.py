"""A process of the service's own, forked where all that it imports is imported already.

Importing is nine tenths of a start, more than a second of CPU, and the tests start the service hundreds of times.
Only modules are shared: whatever reads the environment does so after the fork.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver
from typing import TYPE_CHECKING

from receiver import cli, failpoints

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.support.preloaded"])


class ForkedProcess:
    """Looks like `asyncio.subprocess.Process`, as far as tests need it."""

    def __init__(
        self, arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, stdout: Path, stderr: Path
    ) -> None:
        for log in (stdout, stderr):
            log.touch()
        plain = {name: str(value) for name, value in env.items()}  # an enum of ours would bring its module along
        run = (list(arguments), plain, cwd, stdout, stderr)
        self._process = _context.Process(target=_run, args=run, daemon=True)
        with _unmeasured():
            forkserver.ensure_running()
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        assert self.returncode is not None
        return self.returncode


@contextlib.contextmanager
def _unmeasured() -> Iterator[None]:
    """Let no process that starts in the block be measured for coverage: what is forked from it would be too."""
    measuring = {name: os.environ.pop(name) for name in tuple(os.environ) if name.startswith("COV")}
    try:
        yield
    finally:
        os.environ.update(measuring)


def _run(arguments: list[str], env: dict[str, str], cwd: Path, stdout: Path, stderr: Path) -> None:
    """Become `python -m receiver` with these arguments, writing to the ends of these files."""
    assert "tests.support.preloaded" in sys.modules, "imported before the fork"
    os.environ.clear()
    os.environ.update(env)
    failpoints._wanted = env.get("FAILPOINT")  # the one thing that an import reads of the environment
    os.chdir(cwd)
    for stream, path in ((sys.stdout, stdout), (sys.stderr, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), stream.fileno())
    sys.argv = ["receiver", *arguments]
    cli.main()
