"""The S3 servers that run here, by the names that tests and the README know them under."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from receiver.sandbox.seaweed import SeaweedServer
from tests.support.stores.served import Store
from tests.support.stores.small import moto, nanio, rclone, s3rver
from tests.support.stores.swift import swift

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path


@asynccontextmanager
async def seaweedfs(folder: Path) -> AsyncIterator[Store]:
    """Run the server that the demo runs."""
    async with SeaweedServer(folder / "seaweed") as server:
        yield seaweedfs_at(server)


def seaweedfs_at(server: SeaweedServer) -> Store:
    """Return a running server as a store."""
    return Store(
        name="SeaweedFS 4.48",
        endpoint_url=server.endpoint_url,
        access_key=server.access_key,
        secret_key=server.secret_key,
        region=server.region,
    )


REAL: dict[str, Callable[[Path], AbstractAsyncContextManager[Store]]] = {
    "swift": swift,
    "moto": moto,
    "rclone": rclone,
    "s3rver": s3rver,
    "nanio": nanio,
}
"""Each starts its server in an empty folder."""
