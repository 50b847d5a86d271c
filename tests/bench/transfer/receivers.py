"""The contender that is judged: `receiver serve` as a whole, a fresh process for every measurement."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from receiver.catalogue import StoreNotes
from receiver.records import Learnt, StoreAbilities
from receiver.tables import open_database
from tests.bench.transfer.commands import BUCKET
from tests.bench.transfer.measured import Measured
from tests.bench.transfer.platform import ADMIN_KEY
from tests.bench.transfer.usage import Usage, usage_of_tree
from tests.support.payloads import payload
from tests.support.service import Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bench.transfer.ends import Ends
    from tests.bench.transfer.loads import Load
    from tests.bench.transfer.platform import Platform

_LOOK_EVERY_S = 0.01
_DEADLINE_S = 1800
_TROUBLE = (b'"recording_rescheduled"', b'"recording_failed"', b'"recording_missing"', b'"run_crashed"')


@dataclass(frozen=True)
class Receiver:
    """`settings` are the service's, without their prefix; `code` is a checkout of another build than this one."""

    name: str
    folder: Path
    ends: Ends
    platform: Platform
    settings: dict[str, str] = field(default_factory=dict)
    code: Path | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[Service, Usage]]:
        """Run a fresh service on an index of its own; yield it, and what its start took. At the end it is killed."""
        settings = {
            "API_URL": self.platform.url,
            "API_ADMIN_KEY": ADMIN_KEY,
            "DOWNLOAD_HOSTS": self.ends.source_url,
            "DOWNLOAD_NETWORKS": "127.0.0.0/8",
            "HOST_CONCURRENCY": self.settings.get("CONCURRENCY", "8"),  # all files are at one host
        }
        trust = {"SSL_CERT_FILE", "AWS_CA_BUNDLE"} if self.ends.certificate else set()
        service = Service(
            folder=Path(tempfile.mkdtemp(dir=self.folder)),
            bucket=BUCKET,
            seaweed=self.ends,
            settings=settings | self.settings,
            environ=dict.fromkeys(trust, str(self.ends.certificate))
            | ({"PYTHONPATH": str(self.code)} if self.code else {}),
        )
        await service.start()  # makes the database, for which the migrations' library is loaded, once in its life
        await service.kill()
        service.log_path.unlink()
        if self.code is None:
            await self._trust_the_sink(service)
        began = time.monotonic()
        await service.start()
        try:
            yield service, usage_of_tree(_pid(service), since=began)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(_pid(service)).children(recursive=True):
                    child.kill()
            await service.kill()

    async def _trust_the_sink(self, service: Service) -> None:
        """Note what is true of the store that the sink stands for: it verifies nothing, which would cost CPU."""
        learnt = Learnt(abilities=StoreAbilities(), server=self.ends.server(BUCKET), at=datetime.now(UTC))
        database = open_database(service.database_url)
        await StoreNotes(database, f"{self.ends.endpoint_url} {BUCKET}").save(learnt)
        await database.close()

    async def measure(self, load: Load) -> Measured:
        """Deliver the load in one webhook, and wait until all of it is archived and the sink has got it all."""
        async with self.running() as (service, start):
            began = time.monotonic()
            await self.deliver(service, load)
            await _archived(service, load.files)
            whole = usage_of_tree(_pid(service), since=began)
            for item in await service.recordings():
                key, size_bytes = item["archive"]["key"], item["archive"]["size_bytes"]
                if {size_bytes, self.ends.object_bytes(BUCKET, key)} != {load.size_bytes}:
                    raise RuntimeError(f"the service stored {size_bytes} bytes of {load.size_bytes} as {key}")
        usage = Usage(whole.cpu_s - start.cpu_s, whole.wall_s, whole.peak_rss_mb)
        return Measured(load, usage, start, starts=0)

    async def deliver(self, service: Service, load: Load) -> None:
        """Let the platform list a meeting with the load's recordings, and say that it is done."""
        meeting_id = f"meeting-{secrets.token_hex(4)}"
        urls = {f"{meeting_id}-{number}": url for number, url in enumerate(load.urls(self.ends.source_url))}
        self.platform.urls[meeting_id] = urls
        answer = await service.post(payload(*urls, meeting_id=meeting_id))
        answer.raise_for_status()


async def _archived(service: Service, count: int) -> None:
    """Wait for the log to say so, which costs the service nothing; a run that has to be tried again is an error."""
    assert service.process is not None
    found, tail = 0, b""
    ends_at = time.monotonic() + _DEADLINE_S
    with service.log_path.open("rb") as log:
        while found < count:
            text, _, tail = (tail + log.read()).rpartition(b"\n")
            found += text.count(b'"recording_archived"')
            late = time.monotonic() > ends_at
            if late or service.process.returncode is not None or any(word in text for word in _TROUBLE):
                raise RuntimeError(
                    f"{found} of {count} recordings were archived\n{service.log_path.read_text()[-3000:]}"
                )
            await asyncio.sleep(_LOOK_EVERY_S)


def _pid(service: Service) -> int:
    assert service.process is not None
    return service.process.pid
