"""Reconciliation, as the service's schedule and as the commands beside it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs
from receiver.app.configs import api_config, unlisted_meetings
from receiver.app.opening import api_of, engine, index_beside, utc_now
from receiver.catalogue import KnownMeetings, NamedMeetings, Walks
from receiver.errors import SettingsError
from receiver.inbox import Inbox
from receiver.jobs import Jobs, Schedule
from receiver.reconcile import NamedMeetingsAsker, Reconciler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from receiver.meetings import MeetingsApi
    from receiver.records import RecordingFacts, RecordingId, Via
    from receiver.settings import Settings
    from receiver.tables import Database

_ASK_EVERY = timedelta(seconds=5)
_log = logs.get("reconcile")
_FIRST_AFTER = timedelta(minutes=5)
"""A service that was down has missed webhooks, but what came meanwhile goes first."""


def reconciler(database: Database, jobs: Jobs, api: MeetingsApi) -> Reconciler:
    """Make the reconciler over an index and an API, its way in being intake's."""
    inbox = Inbox(database, jobs, keep_urls=False)

    async def accept(facts: Sequence[RecordingFacts], via: Via) -> frozenset[RecordingId]:
        return await inbox.accept_found(facts, via=via, now=utc_now())

    return Reconciler(api=api, known=KnownMeetings(database), walks=Walks(database), accept=accept, clock=utc_now)


@asynccontextmanager
async def open_reconciler(settings: Settings) -> AsyncIterator[Reconciler]:
    """Open the reconciler for a command; raises `SettingsError` where no way to the API is set."""
    config = api_config(lambda: settings)
    if config is None:
        raise SettingsError(
            "no way to the API is set, so there is nothing to compare the catalogue with",
            "set RECEIVER_API_ADMIN_KEY, RECEIVER_API_TOKEN or a user session",
        )
    async with index_beside(settings) as database, api_of(config, database) as api:
        yield reconciler(database, engine(settings, database), api)


def window_name(settings: Settings) -> str:
    """Name the walk over the settings' own window, which the schedule and the bare command share."""
    return f"{settings.reconcile_window.total_seconds():.0f}s"


def asking(database: Database, found: Reconciler | None) -> tuple[Schedule, ...]:
    """Return the schedule that asks for meetings which deliveries named, none without API credentials."""
    if found is None:
        return ()
    asker = NamedMeetingsAsker(meetings=NamedMeetings(database), reconciler=found, clock=utc_now)
    return (Schedule(name="named-meetings", every=_ASK_EVERY, first_after=timedelta(0), action=asker.ask),)


def schedules(settings: Settings, found: Reconciler | None) -> tuple[Schedule, ...]:
    """Return the schedule, none without API credentials or with `RECONCILE_EVERY=0s`."""
    every = settings.reconcile_every
    if found is None or not every:
        return ()

    told = unlisted_meetings(settings)
    if told is not None:
        _log.warning("missed_webhooks_unlisted", reason=told[0], remedy=told[1])

    async def reconcile() -> None:
        await found.reconcile(
            window_name(settings), since=utc_now() - settings.reconcile_window, wait=False, on_progress=lambda _: None
        )

    return (Schedule(name="reconcile", every=every, first_after=min(every, _FIRST_AFTER), action=reconcile),)
