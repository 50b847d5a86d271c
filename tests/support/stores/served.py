"""What each S3 server is to the tests: where it answers and who may ask; and a process that ends with them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import botocore.session
from botocore.config import Config

from receiver.sandbox.seaweed import _answers, _die_with_parent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Store:
    """A server that speaks S3; `token` where the credentials are temporary."""

    name: str
    endpoint_url: str
    access_key: str
    secret_key: str
    token: str | None = None
    region: str = "us-east-1"

    def client(self) -> Any:
        """Return a client that sends each request once, as it is asked to."""
        return botocore.session.get_session().create_client(
            "s3",
            region_name=self.region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.token,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"total_max_attempts": 1},
                proxies={},
            ),
        )


@asynccontextmanager
async def served(
    *command: str | Path, url: str, folder: Path, environ: Mapping[str, str] | None = None
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run a server in `folder` until the block ends, from when it answers at `url`; what it prints is `<name>.log`."""
    log = folder / f"{Path(command[0]).name}.log"
    process = _started(command, folder, log, environ or {})
    try:
        async with asyncio.timeout(START_TIMEOUT_S), aiohttp.ClientSession() as http:
            while not await _answers(http, "GET", url):
                if process.poll() is not None:
                    raise RuntimeError(f"{command[0]} ended with {process.returncode}: {log.read_text()[-2000:]}")
                await asyncio.sleep(0.05)
        yield process
    finally:
        await asyncio.to_thread(_stop, process)


def _started(
    command: Sequence[str | Path], folder: Path, log: Path, environ: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with log.open("wb") as written:
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **environ},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  # one prctl call
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and what it started; a process that is killed ends, however busy the machine."""
    for number, timeout_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
            return
