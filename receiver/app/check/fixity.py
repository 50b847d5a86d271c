"""What it means to read all archived bytes again within `AUDIT_EVERY`, and what was found wanting so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.app.check.findings import ok, warning
from receiver.figures import moment, size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from receiver.app.check.findings import Finding
    from receiver.catalogue import FixityIndex
    from receiver.settings import Settings

_DAY_S = 86_400
_NAME = "audit"


async def audit_findings(settings: Settings, index: FixityIndex) -> AsyncGenerator[Finding, None]:
    """Count what an audit has to read; nothing is read."""
    yield judged(await index.stored_bytes(), settings)
    found = {fixity: count for fixity, count in (await index.unsound()).items() if count}
    if found:
        seen = ", ".join(f"{count} {fixity}" for fixity, count in found.items())
        remedy = "`receiver recordings list --fixity …` names them, `receiver audit --repair` puts right what can be"
        yield warning("audit found", seen, remedy)
    oldest = await index.oldest_proof_at()
    if oldest is not None:
        yield ok("audit oldest", f"all that is archived was proven since {moment(oldest)}")


def judged(stored_bytes: int, settings: Settings) -> Finding:
    """Say how many bytes a day that is, since some stores charge for reading, and whether the rate allows it."""
    every_s = settings.audit_every.total_seconds()
    if not every_s:
        return warning(
            _NAME,
            "RECEIVER_AUDIT_EVERY=0s: nothing that is archived is read again by itself",
            "set it to 90d, or run `receiver audit` now and then",
        )
    rate_bytes_s = stored_bytes / every_s
    seen = (
        f"{size(stored_bytes)} are read again within {every_s / _DAY_S:g} days, "
        f"{size(round(rate_bytes_s * _DAY_S))} a day"
    )
    if rate_bytes_s > settings.audit_mb_s * 1_000_000:
        days = stored_bytes / (settings.audit_mb_s * 1_000_000) / _DAY_S
        needed = -(-rate_bytes_s // 1_000_000)
        return warning(
            _NAME,
            f"{seen}, which takes {days:.0f} days at RECEIVER_AUDIT_MB_S={settings.audit_mb_s:g}",
            f"set RECEIVER_AUDIT_MB_S={needed:.0f} or more, or a longer RECEIVER_AUDIT_EVERY",
        )
    return ok(_NAME, f"{seen}; some stores charge for reading (RECEIVER_AUDIT_EVERY, RECEIVER_AUDIT_MB_S)")
