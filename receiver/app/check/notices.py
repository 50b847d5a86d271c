"""Who is told when something goes wrong, and what is it that people were told of last?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import ProgrammingError

from receiver.app.check.findings import ok, skipped, warning, wrong
from receiver.app.configs import credentials, sqlite_path
from receiver.app.notices import channels
from receiver.catalogue import Events, Notices
from receiver.errors import ReceiverError, SettingsError
from receiver.figures import moment
from receiver.tables import open_database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from receiver.app.check.findings import Finding
    from receiver.settings import Settings
    from receiver.tables import Database


async def notice_findings(settings: Settings) -> AsyncGenerator[Finding, None]:
    """Look at the ways to people, at what they were told, and at events; nothing is sent."""
    yield _ways(settings)
    path = sqlite_path(settings)
    if path is not None and not path.is_file():
        return
    database = open_database(settings.database_url)
    try:
        if settings.notify_urls:
            yield await _told(database)
        if settings.events_url is not None:
            yield await _events(database)
    except (ReceiverError, ProgrammingError):
        yield skipped("notify", "what was told cannot be read from this index, see `database`")
    finally:
        await database.close()


def _ways(settings: Settings) -> Finding:
    count = len(settings.notify_urls)
    if not count:
        return ok("notify", "nobody is told of outages", "set RECEIVER_NOTIFY_URLS, then `receiver notify --test`")
    try:
        channels(settings)
    except SettingsError as e:
        return wrong("notify", e.happened, e.remedy)
    if settings.notify_silence and (credentials(settings) is None or not settings.reconcile_every):
        return warning(
            "notify",
            "nobody is told of a silent webhook: without reconciliation nothing shows that it missed something",
            "set a way to the Meetings API, and RECEIVER_RECONCILE_EVERY",
        )
    silence = "" if settings.notify_silence else "; not of a silent webhook, since RECEIVER_NOTIFY_SILENCE is not set"
    return ok("notify", f"people are told by {count} {'channel' if count == 1 else 'channels'}{silence}")


async def _told(database: Database) -> Finding:
    notices = Notices(database)
    last, still = await notices.last(), await notices.open()
    seen = f"people were told last {moment(last)}" if last else "people were told of nothing yet"
    if not still:
        return ok("notices", seen)
    kinds = ", ".join(sorted({one.kind.value for one in still}))
    return warning("notices", f"{seen}; not over: {kinds}", "see what they were told to do")


async def _events(database: Database) -> Finding:
    counts = await Events(database).counts()
    seen = f"{counts.pending} to be sent, {counts.failed} given up"
    if counts.failed:
        return warning(
            "events", seen, "see `receiver events list --state failed`, then `receiver events replay --failed`"
        )
    return ok("events", seen)
