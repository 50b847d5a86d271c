"""What is held, and what the next run of retention would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.app.check.findings import ok, warning
from receiver.figures import moment, size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from receiver.app.check.findings import Finding
    from receiver.catalogue import Holds
    from receiver.records import RetentionReport
    from receiver.retention import Retention

_NAME = "retention"


async def retention_findings(retention: Retention, holds: Holds) -> AsyncGenerator[Finding, None]:
    """Count what is held and what is due; nothing is changed."""
    standing = await holds.count()
    yield ok("holds", f"{standing} stand" if standing != 1 else "one stands")
    if retention.period is None:
        yield ok(_NAME, "off: nothing is erased by itself (RECEIVER_RETENTION_DAYS)")
        return
    yield judged(await retention.look(), days=retention.period.days.days)


def judged(report: RetentionReport, *, days: int) -> Finding:
    """Say what the next run would erase, while people can still object."""
    if not report.due:
        return ok(_NAME, f"nothing is older than RECEIVER_RETENTION_DAYS={days}")
    seen = f"{report.due} recordings ({size(report.due_bytes)}) are older than RECEIVER_RETENTION_DAYS={days}"
    seen += f", {report.held} of them on hold; the next run erases {report.erased} ({size(report.erased_bytes)})"
    if report.kept:
        seen += f", {report.kept} are in their grace, the last until {moment(report.groups[-1].erased_from)}"
    if report.erased:
        return warning(_NAME, seen, "put on hold what must stay (`receiver recordings list --due true` names them)")
    return ok(_NAME, seen)
