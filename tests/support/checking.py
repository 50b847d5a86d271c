"""Asking the checks in-process, and reading one line of what they found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.app.check import Finding, Health, check
from receiver.settings import Needs, survey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.settings import Settings


def settings_of(**values: str) -> Settings:
    """Return the settings that these variables (without their prefix) make."""
    settings, _ = survey(Needs.DATABASE, {f"RECEIVER_{name}": value for name, value in values.items()}, None)
    return settings


async def found_by(findings: AsyncIterator[Finding]) -> list[Finding]:
    """Return all that one group of checks found."""
    return [finding async for finding in findings]


async def found_with(**values: str) -> list[Finding]:
    """Return all that all checks find with these variables (without their prefix)."""
    settings, problems = survey(Needs.SERVE, {f"RECEIVER_{name}": value for name, value in values.items()}, None)
    return await check(settings, problems)


def line(found: list[Finding], name: str) -> Finding:
    """Return the one line of this name."""
    lines = [finding for finding in found if finding.name == name]
    assert len(lines) == 1, found
    return lines[0]


def expect(found: list[Finding], name: str, state: Health, *words: str) -> None:
    """Require one line of this name and state that says all the words, in what was seen or what to do."""
    finding = line(found, name)
    told = f"{finding.seen} → {finding.remedy}"
    assert finding.state is state, told
    for word in words:
        assert word in told, (word, told)
    assert finding.remedy or state is not Health.WRONG


def bad(found: list[Finding]) -> set[str]:
    """Name the lines that are not ok."""
    return {finding.name for finding in found if finding.state is not Health.OK}
