"""Does somebody do the work, and what waits for a hand?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import ProgrammingError

from receiver.app.check.findings import ok, skipped, warning, wrong
from receiver.app.check.fixity import audit_findings
from receiver.app.check.retention import retention_findings
from receiver.app.configs import sqlite_path
from receiver.app.opening import engine
from receiver.app.process import is_worked_on
from receiver.app.retention import make_retention
from receiver.app.watch import LATE_S, look_at_work
from receiver.catalogue import Catalogue, FixityIndex, Holds
from receiver.errors import ReceiverError, WorkerCrashedError
from receiver.figures import duration
from receiver.records import State
from receiver.tables import open_database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from receiver.app.check.findings import Finding
    from receiver.app.watch import WorkSight
    from receiver.settings import Settings
    from receiver.tables import Database


async def work_findings(settings: Settings) -> AsyncGenerator[Finding, None]:
    """Look at what is due and at who would do it; nothing is changed."""
    path = sqlite_path(settings)
    if path is not None and not path.is_file():
        yield skipped("work", "there is no index yet")
        return
    database = open_database(settings.database_url)
    try:
        sight = await look_at_work(database, engine(settings, database))
        has_worker = is_worked_on(path) if path is not None else not sight.has_no_worker
        yield judged(sight, has_worker=has_worker)
        async for finding in _waiting(database):
            yield finding
        async for finding in audit_findings(settings, FixityIndex(database)):
            yield finding
        async for finding in retention_findings(make_retention(settings, database), Holds(database)):
            yield finding
    except (ReceiverError, ProgrammingError):
        yield skipped("work", "cannot be told from this index, see `database`")
    finally:
        await database.close()


def judged(sight: WorkSight, *, has_worker: bool) -> Finding:
    """Judge by the oldest that is due."""
    name = "work"
    seen = f"{sight.due} due, the first since {duration(sight.oldest_due_s)}" if sight.due else "nothing is due"
    if not has_worker:
        remedy = "start `receiver serve` (without --no-work), or on PostgreSQL `receiver work`"
        if sight.due:
            return wrong(name, f"{seen}, and no worker lives", remedy)
        return ok(name, f"{seen}; no worker lives just now", remedy)
    if sight.oldest_due_s > LATE_S:
        remedy = "see what the waiting ones say (`receiver recordings list --state waiting`); else add workers"
        return warning(name, f"{seen}: longer than usual", remedy)
    return ok(name, seen)


async def _waiting(database: Database) -> AsyncGenerator[Finding, None]:
    catalogue = Catalogue(database)
    (codes,) = await catalogue.error_codes(State.WAITING)
    aside = codes.pop(WorkerCrashedError.code, 0)
    if codes:
        remedy = "they go on by themselves; what the codes ask for is in deploy/errors.md"
        yield warning("work waiting", f"to be tried again: {_counted(codes)}", remedy)
    if aside:
        remedy = "see the host's memory and log; they are tried again ever more rarely, `recordings retry` does it now"
        yield warning("work set aside", f"{aside} that seem to end the process which runs them", remedy)
    (failed,) = await catalogue.error_codes(State.FAILED)
    if failed:
        remedy = "mend what they name, then `receiver recordings retry --state failed`"
        yield warning("work failed", _counted(failed), remedy)


def _counted(codes: dict[str, int]) -> str:
    return ", ".join(f"{count} {code}" for code, count in codes.items())
