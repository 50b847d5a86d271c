"""The platform, and a receiver of its own for a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from receiver import logs
from receiver.sandbox import Sandbox, SandboxConfig
from tests.support.service import Service
from tests.support.store_proxy import StoreProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from receiver.objectstore import Bucket
    from receiver.sandbox.seaweed import SeaweedServer


@pytest.fixture(autouse=True)
def logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing that a test does to logging outlive it: neither a command's set-up nor the secrets it knows of."""
    monkeypatch.setattr("receiver.logs.configure", lambda **_options: None)
    monkeypatch.setattr(logs.redact, "_secrets", logs.redact._secrets)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Run the platform."""
    async with Sandbox(SandboxConfig()) as running:
        yield running


@pytest.fixture
async def service(
    tmp_path: Path, seaweed: SeaweedServer, bucket: Bucket, sandbox: Sandbox, database_url: str
) -> AsyncIterator[Service]:
    """Set a receiver up against the platform, a fresh bucket and a database, one of each kind in turn.

    The test starts it, its end is seen to.
    """
    made = Service(folder=tmp_path, bucket=bucket.name, seaweed=seaweed, sandbox=sandbox, forked=True)
    made.known_server = bucket.server or ""
    made.settings["DATABASE_URL"] = database_url
    yield made
    if made.process is not None and made.process.returncode is None:
        await made.stop()


@pytest.fixture
async def store_proxy(service: Service) -> AsyncIterator[StoreProxy]:
    """Stand between the receiver and its bucket."""
    async with StoreProxy(service.seaweed.endpoint_url) as proxy:
        service.environ["RECEIVER_S3_ENDPOINT_URL"] = proxy.endpoint_url
        yield proxy
