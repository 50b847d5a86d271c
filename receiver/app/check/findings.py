"""What a check found: one line for an operator, and the group that it belongs to."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

DEADLINE_S = 20.0
"""How long all checks of one group may take together: nothing that hangs may hang the check."""


class Health(StrEnum):
    """How a thing stands. `WRONG` keeps the service from doing its work; `WARNING` does not, or not yet."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it stands, what was seen, and what to do about it in words."""

    name: str
    state: Health
    seen: str
    remedy: str = ""


def ok(name: str, seen: str, remedy: str = "") -> Finding:
    return Finding(name, Health.OK, seen, remedy)


def warning(name: str, seen: str, remedy: str) -> Finding:
    return Finding(name, Health.WARNING, seen, remedy)


def wrong(name: str, seen: str, remedy: str) -> Finding:
    return Finding(name, Health.WRONG, seen, remedy)


def skipped(name: str, seen: str) -> Finding:
    return Finding(name, Health.SKIPPED, seen)


async def collected(
    group: str, findings: AsyncGenerator[Finding, None], *, deadline_s: float = DEADLINE_S
) -> list[Finding]:
    """Return all findings of a group; where the deadline cuts it short, those until then and one that says so."""
    found: list[Finding] = []
    try:
        async with asyncio.timeout(deadline_s), aclosing(findings):
            async for finding in findings:
                found.append(finding)  # noqa: PERF401  (a comprehension would lose them at the deadline)
    except TimeoutError:
        after = f" after `{found[-1].name}`" if found else ""
        found.append(
            wrong(group, f"no answer within {deadline_s:g} s{after}", "look at what lies between here and there")
        )
    return found


def clock(name: str, skew_s: float | None, *, limit_s: float, whose: str) -> Finding:
    """Judge by how many seconds our clock is ahead of the other side's, which refuses requests beyond `limit_s`."""
    if skew_s is None:
        return skipped(name, f"{whose} does not tell its time")
    way = "ahead of" if skew_s > 0 else "behind"
    seen = f"this machine's clock is {_span(abs(skew_s))} {way} that of {whose}"
    remedy = "set the clock, and keep it with NTP (timedatectl set-ntp true)"
    if abs(skew_s) > limit_s:
        return wrong(name, f"{seen}, which refuses more than {limit_s / 60:.0f} minutes", remedy)
    if abs(skew_s) > _CLOCK_WARNING_S:
        return warning(name, seen, remedy)
    return ok(name, f"within a minute of that of {whose}")


_CLOCK_WARNING_S = 60.0


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
