"""Events for another program and messages to people: what the service runs, and the commands beside it."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from receiver import metrics
from receiver.app.configs import learn_secrets
from receiver.app.opening import index_beside, utc_now
from receiver.app.watch import LATE_S, look_at_work
from receiver.catalogue import Events, Notices, Outbox, Sights
from receiver.jobs import Schedule
from receiver.notices import (
    Channels,
    EventDelivery,
    EventRefusedError,
    EventSender,
    EventTarget,
    Outcome,
    Watch,
    WatchPace,
    WatchParts,
    open_channels,
    open_sender,
    trial,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AsyncExitStack

    from receiver.jobs import Jobs
    from receiver.records import Recording
    from receiver.settings import Settings
    from receiver.tables import Database

_PERSONAL: dict[str, Any] = {"meeting": {"name", "attendees"}, "host": True, "participant_ids": True}
"""What of a recording names people, or what they called their meeting."""
_KEY_NAMES = ("{meeting_name", "{host_id")
_EVENTS_EVERY = timedelta(seconds=5)


def outbox(settings: Settings) -> Outbox:
    """Make what notes events: nothing is noted without `EVENTS_URL`.

    An event has the recording as the API shows it, without what is personal. So is an object's key, where the
    template takes a name into it.
    """
    if settings.events_url is None:
        return Outbox()
    from receiver.api.bodies import RecordingBody  # noqa: PLC0415  (brings all of the API)

    left_out = dict(_PERSONAL)
    if any(name in settings.key_template for name in _KEY_NAMES):
        left_out["archive"] = {"key"}

    def data_of(recording: Recording) -> dict[str, Any]:
        return RecordingBody.of(recording).model_dump(mode="json", exclude=left_out)

    return Outbox(data_of)


@asynccontextmanager
async def open_events(settings: Settings) -> AsyncIterator[Events]:
    """Open the events for a command that runs beside the service; raises `SchemaOutdatedError`."""
    async with index_beside(settings) as database:
        yield Events(database)


def event_target(now: Callable[[], Settings]) -> EventTarget | None:
    """Return where events go, signed with the secrets that `now` has each time; None where they go nowhere."""
    settings = now()
    if settings.events_url is None:
        return None
    return EventTarget(
        url=settings.events_url.get_secret_value(),
        secrets=lambda: tuple(secret.get_secret_value() for secret in now().events_secret),
        networks=settings.events_networks,
        source=f"s3://{settings.s3_bucket}/{settings.s3_prefix}",
    )


async def event_schedules(
    stack: AsyncExitStack, now: Callable[[], Settings], database: Database
) -> tuple[Schedule, ...]:
    """Return what sends events while `stack` is open, and what forgets old ones; nothing without `EVENTS_URL`."""
    target = event_target(now)
    if target is None:
        return ()
    events = Events(database)

    async def forget() -> None:
        await events.forget(now=utc_now())

    forgetting = Schedule(name="events-forget", every=timedelta(days=1), first_after=timedelta(hours=1), action=forget)
    sender: EventSender = await stack.enter_async_context(open_sender(target, utc_now))
    delivery = EventDelivery(events=events, sender=sender, clock=utc_now, jitter=random.random)
    sending = Schedule(name="events", every=_EVENTS_EVERY, first_after=timedelta(0), action=delivery.deliver)
    return (sending, forgetting)


def channels(settings: Settings) -> Channels | None:
    """Make the ways to people, None where no `NOTIFY_URLS` are set; raises `SettingsError`."""
    urls = [url.get_secret_value() for url in settings.notify_urls]
    return open_channels(urls) if urls else None


def make_watch(settings: Settings, database: Database, jobs: Jobs, pace: WatchPace | None = None) -> Watch | None:
    """Make what tells people, None where nobody is to be told; raises `SettingsError`."""
    ways = channels(settings)
    if ways is None:
        return None

    async def has_no_worker() -> bool:
        sight = await look_at_work(database, jobs)
        return sight.has_no_worker or (sight.silent_s is None and sight.oldest_due_s > LATE_S)

    parts = WatchParts(
        name=settings.s3_bucket or "recording archive",
        notices=Notices(database),
        sights=Sights(database),
        channels=ways,
        has_no_worker=has_no_worker,
        refused_posts=lambda: metrics.registry.get_sample_value("receiver_refused_posts_total") or 0.0,
        silence=settings.notify_silence or None,
        clock=utc_now,
        is_alone=database.is_sqlite,
    )
    return Watch(parts, pace)


def start_watch(stack: AsyncExitStack, settings: Settings, database: Database, jobs: Jobs, stop: asyncio.Event) -> None:
    """Tell people of what goes wrong until `stop`, or for as long as `stack` is open; raises `SettingsError`."""
    watch = make_watch(settings, database, jobs)
    if watch is None:
        return
    watching = asyncio.create_task(watch.run(stop), name="notices")

    async def end() -> None:
        await asyncio.wait({watching}, timeout=1)
        watching.cancel()
        await asyncio.wait({watching})

    stack.push_async_callback(end)


async def try_ways(settings: Settings) -> list[Outcome]:
    """Send a test to everybody who would be told, people and the receiver of events; raises `SettingsError`."""
    learn_secrets(settings)
    ways, target = channels(settings), event_target(lambda: settings)
    outcomes = [] if ways is None else await ways.send(trial(settings.s3_bucket or "recording archive", utc_now()))
    if target is not None:
        async with open_sender(target, utc_now) as sender:
            try:
                await sender.ping()
            except EventRefusedError as e:
                outcomes.append(Outcome(f"events ({target.origin})", str(e)))
            else:
                outcomes.append(Outcome(f"events ({target.origin})", None))
    return outcomes
