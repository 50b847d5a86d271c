"""`receiver check`: everything that could be wrong with the settings and what they lead to, before it matters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from receiver.app.check.api import api_findings
from receiver.app.check.bucket import bucket_findings
from receiver.app.check.database import database_findings
from receiver.app.check.downloads import download_findings
from receiver.app.check.findings import Finding, Health, collected, skipped
from receiver.app.check.given import given_findings
from receiver.app.check.notices import notice_findings
from receiver.app.check.queue import queue_findings
from receiver.app.check.webhook import webhook_findings
from receiver.app.check.work import work_findings
from receiver.app.configs import learn_secrets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from receiver.settings import Problem, Settings

__all__ = ["Finding", "Health", "check"]


async def check(
    settings: Settings, problems: Sequence[Problem], *, public_url: str | None = None, show_secret: bool = False
) -> list[Finding]:
    """Run all checks, those of different groups at the same time; what has wrong settings is not tried."""
    learn_secrets(settings)
    groups: dict[str, AsyncGenerator[Finding, None]] = {
        "settings": given_findings(settings, problems),
        "database": database_findings(settings),
        "bucket": bucket_findings(settings),
        "api": api_findings(settings),
        "queue": queue_findings(settings),
        "work": work_findings(settings),
        "notify": notice_findings(settings),
        "download": download_findings(settings),
        "webhook": webhook_findings(settings, public_url=public_url, show_secret=show_secret),
    }
    found = await asyncio.gather(
        *(collected(name, _unless_wrong(name, findings, problems)) for name, findings in groups.items())
    )
    return [finding for group in found for finding in group]


async def _unless_wrong(
    group: str, findings: AsyncGenerator[Finding, None], problems: Sequence[Problem]
) -> AsyncGenerator[Finding, None]:
    """Skip a group one of whose settings is wrong: with its default something else would be checked."""
    prefix = {"bucket": "s3_"}.get(group, f"{group}_")
    if any(problem.name.startswith(prefix) for problem in problems):
        yield skipped(group, "not tried, since a setting of it is wrong")
        return
    async for finding in findings:
        yield finding
