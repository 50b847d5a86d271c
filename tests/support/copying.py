"""What a test needs to run one copy: a copier, a URL that the test's server answers, and a record of `began`."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from receiver.errors import JobError
from receiver.records import FreshUrl, NotedObject, Origin, StoredFile, UnfinishedUpload, UploadedPart, UrlOrigin
from receiver.transfer import Copier, DownloadPolicy, Limits, open_copier
from tests.support.memory_target import MemoryTarget
from tests.support.source_server import Content, SourceServer, ranged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from receiver.records import ObjectHead
    from receiver.transfer import Target
    from tests.support.source_server import Answer, Request

KIB = 1024
LOOPBACK = ip_network("127.0.0.0/8")


def fresh(url: str) -> FreshUrl:
    """Wrap a URL as the API's listing would."""
    return FreshUrl(url=url, expires_at=datetime.max.replace(tzinfo=UTC), origin=UrlOrigin.API)


def limits(**changes: float) -> Limits:
    """Return limits small enough for a test to see them act."""
    values: dict[str, float] = {
        "max_file_bytes": 1 << 40,
        "small_file_bytes": 64 * KIB,
        "part_size_bytes": 5 * 1024 * KIB,
        "pause_s": 0.001,
        "progress_timeout_s": 10,
    }
    return Limits(**(values | changes))  # type: ignore[arg-type]


@dataclass
class Run:
    """One copy and what it asked for on its way."""

    copier: Copier
    urls: list[str]
    key: str = "recordings/r1"
    rejected: list[FreshUrl] = field(default_factory=list)
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[tuple[UnfinishedUpload | None, str]] = field(default_factory=list)
    parts: list[UploadedPart] = field(default_factory=list)
    noted: list[NotedObject] = field(default_factory=list)
    forgotten: int = 0
    was_read_back: list[int] = field(default_factory=list)
    resume: UnfinishedUpload | None = None
    cut_sha256: str | None = None
    noted_before: tuple[NotedObject, ...] = ()

    async def refresh(self, rejected: FreshUrl | None) -> FreshUrl:
        """Hand out the URLs one after the other; the last one stays."""
        if rejected is not None:
            self.rejected.append(rejected)
        return fresh(self.urls[min(len(self.rejected), len(self.urls) - 1)])

    async def began(self, upload: UnfinishedUpload | None, key: str) -> None:
        self.begun.append((upload, key))
        if upload is not None:
            self.has_begun.set()

    async def stored(self, part: UploadedPart) -> None:
        self.parts.append(part)

    async def completing(self, noted: NotedObject) -> None:
        self.noted.append(noted)

    async def read_back(self, read_bytes: int) -> None:
        self.was_read_back.append(read_bytes)

    async def aborted(self) -> None:
        self.forgotten += 1

    def left_unproven(self, head: ObjectHead) -> bool:
        return any(one.is_told_otherwise(head) for one in self.noted_before)

    def came_before(self, sha256: str) -> bool:
        return sha256 == self.cut_sha256

    async def copy(self, target: Target) -> StoredFile:
        self.noted_before = tuple(self.noted)
        return await self.copier.copy(
            refresh=self.refresh,
            target=target,
            key_for=lambda extension: self.key + extension,
            ledger=self,
            resume=self.resume,
        )


@asynccontextmanager
async def run_of(*urls: str, origins: tuple[Origin, ...] | None = None, **changes: float) -> AsyncIterator[Run]:
    """Yield a run that may go to the origins of its URLs and connect to loopback."""
    parts = [urlsplit(url) for url in urls]
    listed = origins or tuple({Origin(part.scheme, "127.0.0.1", part.port or 0) for part in parts})
    async with open_copier(DownloadPolicy(origins=listed, networks=(LOOPBACK,)), limits(**changes)) as copier:
        yield Run(copier, list(urls))


@asynccontextmanager
async def source_and_run(
    content: Content, serve: Callable[[Content, Request], Answer] = ranged, **changes: float
) -> AsyncIterator[tuple[SourceServer, Run]]:
    """Serve the content in the given way, and yield its source with a run that may go there."""
    async with SourceServer(lambda r: serve(content, r)) as source, run_of(source.url(), **changes) as run:
        yield source, run


async def failure(
    handler: Callable[[Request], Answer], *, target: MemoryTarget | None = None, **changes: float
) -> tuple[JobError, SourceServer]:
    """Run a copy that must fail, check that it left nothing behind, and return why."""
    target = target or MemoryTarget()
    async with SourceServer(handler) as source, run_of(source.url(), **changes) as run:
        with pytest.raises(JobError) as caught:
            await run.copy(target)
    assert target.objects == {}
    assert target.uploads == {}
    assert "s3cr3t" not in str(caught.value)
    assert str(caught.value).count(f"http://127.0.0.1:{source.port}") == 1, "operators look at a host, not at a file"
    return caught.value, source
