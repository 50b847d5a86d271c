"""Small S3 servers, each started as its own manual says: moto, `rclone serve s3`, s3rver, nanio."""

from __future__ import annotations

import sysconfig
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from receiver.sandbox.ports import held_port
from tests.support.stores.installed import node_programs, python_programs
from tests.support.stores.served import Store, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ACCESS_KEY, SECRET_KEY = "AKEXAMPLE0000000", "examplesecret000"


@asynccontextmanager
async def moto(folder: Path) -> AsyncIterator[Store]:
    """moto keeps all in memory and takes any key."""
    with held_port() as port:
        url = f"http://127.0.0.1:{port}"
        program = await python_programs() / "moto_server"
        async with served(program, "-H", "127.0.0.1", "-p", str(port), url=f"{url}/moto-api/", folder=folder):
            yield Store(name="moto 5.2.5", endpoint_url=url, access_key=ACCESS_KEY, secret_key=SECRET_KEY)


@asynccontextmanager
async def rclone(folder: Path) -> AsyncIterator[Store]:
    """rclone serves a folder, with its defaults: no cache, ETags by MD5."""
    with held_port() as port:
        url = f"http://127.0.0.1:{port}"
        program = Path(sysconfig.get_path("scripts")) / "rclone"
        data = folder / "data"
        data.mkdir()
        command = (program, "serve", "s3", data, "--addr", f"127.0.0.1:{port}", "--config", folder / "none")
        async with served(*command, "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", url=url, folder=folder):
            yield Store(name="rclone serve s3 1.75.2", endpoint_url=url, access_key=ACCESS_KEY, secret_key=SECRET_KEY)


@asynccontextmanager
async def s3rver(folder: Path) -> AsyncIterator[Store]:
    """s3rver knows one key, its own name."""
    with held_port() as port:
        url = f"http://127.0.0.1:{port}"
        program = await node_programs() / "s3rver"
        command = (program, "-d", folder, "-a", "127.0.0.1", "-p", str(port), "--no-vhost-buckets", "--silent")
        async with served(*command, url=url, folder=folder):
            yield Store(name="s3rver 3.7.1", endpoint_url=url, access_key="S3RVER", secret_key="S3RVER")


@asynccontextmanager
async def nanio(folder: Path) -> AsyncIterator[Store]:
    """nanio serves a folder. Of the small servers it lacks most without saying so: wrong checksums and conditions are
    taken, the framing of aws-chunked is stored, MaxParts and prefixes of listings are ignored.
    """
    with held_port() as port:
        url = f"http://127.0.0.1:{port}"
        program = await python_programs() / "nanio"
        command = (program, "serve", "--data-dir", folder / "data", "--host", "127.0.0.1", "--port", str(port))
        keys = {"NANIO_ACCESS_KEY": ACCESS_KEY, "NANIO_SECRET_KEY": SECRET_KEY}
        async with served(*command, "--no-access-log", url=url, folder=folder, environ=keys):
            yield Store(name="nanio 0.1.7", endpoint_url=url, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
