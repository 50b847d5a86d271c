"""The service's life: start, serve, drain, stop; and the pieces that commands open beside it."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from receiver import logs
from receiver.app import audit_log, cleanup, erasure, fixity, indexing, notices, reconcile, retention
from receiver.app.configs import (
    api_config,
    bucket_config,
    credentials,
    cursor_keys,
    download_policy,
    learn_secrets,
    limits,
    retention_period,
    sqlite_path,
)
from receiver.app.opening import api_of, checked_database, engine, index_beside, migrate, utc_now
from receiver.app.process import (
    exposed_files,
    give_freed_buffers_back,
    inherited,
    listening,
    only_worker,
    raise_descriptor_limit,
)
from receiver.app.secrets import Secrets
from receiver.app.store import learning_early, store_lessons, stray_schedules
from receiver.app.supervisor import supervised
from receiver.app.watch import watch_work
from receiver.catalogue import Catalogue, Holds, Interventions, Runs
from receiver.errors import ReceiverError
from receiver.inbox import Inbox
from receiver.inbox.replay import Replays
from receiver.lifecycle import RetryPolicy
from receiver.objectstore import Bucket, open_bucket
from receiver.operators import Actions
from receiver.pipeline import KeyTemplate, Pipeline, PipelineParts
from receiver.settings import rotated_files
from receiver.transfer import open_copier
from receiver.worker import Worker

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from receiver.app.http_server import Server
    from receiver.jobs import Jobs
    from receiver.settings import Settings
    from receiver.tables import Database

_NOTE_EVERY_S = 0.25
"""A note costs as much CPU as moving some megabytes."""
_log = logs.get("app")


@asynccontextmanager
async def open_catalogue(settings: Settings) -> AsyncIterator[Catalogue]:
    """Open the index for a command that runs beside the service; raises `SchemaOutdatedError`."""
    async with index_beside(settings) as database:
        yield Catalogue(database, cursor_keys=lambda: cursor_keys(settings), period=retention_period(settings))


@asynccontextmanager
async def open_actions(settings: Settings) -> AsyncIterator[Actions]:
    """Open what an operator may do for a command that runs beside the service; raises `SchemaOutdatedError`."""
    async with index_beside(settings) as database:
        jobs = engine(settings, database)
        yield _actions(settings, database, jobs, _inbox(settings, database, jobs))


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Bucket]:
    """Open the team's bucket; nothing is sent before the first use."""
    learn_secrets(settings)
    async with open_bucket(bucket_config(settings)) as bucket:
        yield bucket


async def serve(settings: Settings, *, host: str, port: int, work: bool) -> None:
    """Run intake, the operators' surface and (with `work`) the worker until SIGTERM or SIGINT, then drain.

    A listening socket that the process inherits is used in place of `host` and `port`.
    Raises `SettingsError`, `DatabaseLockedError`, `SchemaOutdatedError`, or `ReceiverError` for a port that is taken.
    """
    from receiver.app import web  # noqa: PLC0415  (6 MB and a tenth of a second that only this process needs)

    give_freed_buffers_back()
    stop = _stop_on_signal()
    secrets = Secrets(settings, rotated_files())
    async with AsyncExitStack() as stack:
        stack.enter_context(only_worker(settings))  # first: the port may be taken by the one that holds it
        bound = stack.enter_context(inherited() or listening(host, port))
        database = await stack.enter_async_context(_ready_database(settings))
        jobs = engine(settings, database)
        bucket = await stack.enter_async_context(open_bucket(bucket_config(settings)))
        inbox = _inbox(settings, database, jobs)
        actions = _actions(settings, database, jobs, inbox)
        app = web.service(secrets, database, bucket, stop, inbox=inbox, actions=actions)
        allowed = settings.forwarded_allow_ips
        server = web.server(app, settings, raise_descriptor_limit(), forwarded_allow_ips=allowed)
        worker = await _worker(stack, secrets, database, jobs, bucket) if work else None
        watching = asyncio.create_task(watch_work(database, jobs, stop), name="watch")
        stack.callback(watching.cancel)
        notices.start_watch(stack, settings, database, jobs, stop)
        await _run(server, bound, worker, stop)


async def work(settings: Settings, *, host: str) -> None:
    """Run a worker alone, beside any number of others, until SIGTERM or SIGINT, then drain.

    With `WORK_PORT` it answers probes and metrics there. Raises `SettingsError`, `SchemaOutdatedError`, or
    `ReceiverError` for a port that is taken, and on SQLite, which one process serves and works.
    """
    if sqlite_path(settings) is not None:
        raise ReceiverError(
            "`receiver work` needs PostgreSQL (RECEIVER_DATABASE_URL=postgresql://…)",
            "on SQLite `receiver serve` does the work itself",
        )
    give_freed_buffers_back()
    descriptors = raise_descriptor_limit()
    stop = _stop_on_signal()
    secrets = Secrets(settings, rotated_files())
    async with AsyncExitStack() as stack:
        port = settings.work_port
        bound = None if port is None else stack.enter_context(listening(host, port, setting="RECEIVER_WORK_PORT"))
        database = await stack.enter_async_context(_ready_database(settings))
        jobs = engine(settings, database)
        bucket = await stack.enter_async_context(open_bucket(bucket_config(settings)))
        worker = await _worker(stack, secrets, database, jobs, bucket)
        notices.start_watch(stack, settings, database, jobs, stop)
        if bound is None:
            async with supervised(stop):
                await worker.run(stop)
            return
        from receiver.app import web  # noqa: PLC0415  (as in `serve`)

        await _run(web.server(web.probes(settings, database, stop), settings, descriptors), bound, worker, stop)


def _stop_on_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@asynccontextmanager
async def _ready_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database for work: an embedded one, whose lock is held, is upgraded, a shared one must be at head."""
    learn_secrets(settings)
    if (path := sqlite_path(settings)) is not None:
        await migrate(settings)
        for exposed in exposed_files(path):
            _log.warning("database_file_exposed", path=str(exposed.path), mode=f"{exposed.mode:o}")
    async with checked_database(settings) as database:
        yield database


async def _run(server: Server, bound: socket.socket, worker: Worker | None, stop: asyncio.Event) -> None:
    """Serve until `stop`; then the worker drains while intake still answers, and the server closes last."""
    serving = asyncio.create_task(server.serve(sockets=[bound]), name="http")
    working = asyncio.create_task(worker.run(stop) if worker else stop.wait(), name="worker")
    host, port = bound.getsockname()[:2]
    _log.info("service_ready", url=f"http://{f'[{host}]' if ':' in host else host}:{port}", work=worker is not None)
    async with supervised(stop):
        try:
            await asyncio.wait({serving, working}, return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                _log.error("service_failed", part="http" if serving.done() else "worker")
            stop.set()
            await working
        finally:
            server.end()
            await serving
    _log.info("service_stopped")


def _inbox(settings: Settings, database: Database, jobs: Jobs) -> Inbox:
    return Inbox(database, jobs, keep_urls=credentials(settings) is None)


def _actions(settings: Settings, database: Database, jobs: Jobs, inbox: Inbox) -> Actions:
    has_api = credentials(settings) is not None
    replays = Replays(inbox=inbox, catalogue=Catalogue(database), has_api=has_api, clock=utc_now)
    return Actions(
        interventions=Interventions(database),
        holds=Holds(database),
        wake=jobs.wake,
        clock=utc_now,
        take_in=replays.replay,
    )


async def _worker(stack: AsyncExitStack, secrets: Secrets, database: Database, jobs: Jobs, bucket: Bucket) -> Worker:
    settings = secrets.now()
    config = api_config(secrets.now)
    client = None if config is None else await stack.enter_async_context(api_of(config, database))
    copier = await stack.enter_async_context(open_copier(download_policy(settings), limits(settings)))
    runs = Runs(database, notices.outbox(settings))
    keys = KeyTemplate(settings.s3_prefix, settings.key_template)
    lessons = store_lessons(settings, database, bucket)
    await stack.enter_async_context(learning_early(lessons))
    pipeline = Pipeline(
        PipelineParts(
            runs=runs,
            api=client,
            copier=copier,
            bucket=bucket,
            store=lessons,
            keys=keys,
            retries=RetryPolicy(
                max_attempts=settings.max_attempts, base_s=settings.backoff_base_s, cap_s=settings.backoff_max_s
            ),
            listing_grace_s=settings.listing_grace_s,
            note_every_s=_NOTE_EVERY_S,
            clock=utc_now,
            jitter=random.random,
        )
    )
    found = None if client is None else reconcile.reconciler(database, jobs, client)
    cleaning = None if client is None else cleanup.make_cleanup(database, client, bucket, lessons)
    return Worker(
        jobs,
        pipeline,
        grace_s=settings.shutdown_grace_s,
        schedules=(
            *indexing.schedules(database),
            *stray_schedules(lessons, runs, keys),
            *audit_log.schedules(settings, database, lessons),
            *reconcile.asking(database, found),
            *reconcile.schedules(settings, found),
            *cleanup.schedules(settings, cleaning),
            *fixity.schedules(settings, database, bucket),
            *await notices.event_schedules(stack, secrets.now, database),
            *retention.schedules(settings, database, bucket, lessons),
            *retention.lock_schedules(settings, database, bucket, lessons),
            *erasure.schedules(erasure.make_person_erasure(settings, database, bucket, lessons)),
        ),
    )
