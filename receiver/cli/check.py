"""`receiver check`."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import textwrap
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from receiver import logs
from receiver.app.check import Finding, Health, check
from receiver.cli.environment import DOTENV, given, misspelt
from receiver.cli.output import clean, print_json
from receiver.settings import Needs, survey

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS = {Health.OK: "green", Health.WARNING: "yellow", Health.WRONG: "red", Health.SKIPPED: "bright_black"}
_STATE_CHARS = max(len(state) for state in Health)


def _public_url(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in value or "?" in value or "#" in value:
        raise click.BadParameter("must be an http(s) URL such as https://archive.example.com")
    return value.rstrip("/")


@click.command("check")
@click.option("--public-url", metavar="URL", callback=_public_url, help="This service's outside address; it is tried.")
@click.option("--show-secret", is_flag=True, help="Show the webhook's URL whole, to paste it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, public_url: str | None, show_secret: bool, as_json: bool) -> None:
    """Try all that the settings lead to, and say what is wrong with it and what to do.

    The database is only read. In the bucket two tiny objects are made under .receiver-check/ and deleted. Exits with 1
    where something is wrong.
    """
    logs.configure(level=logging.CRITICAL)  # what is wrong is told once, in the table
    settings, problems = survey(Needs.SERVE, dotenv=DOTENV)
    found = [Finding("settings", Health.WARNING, seen, meant or "unset it") for seen, meant in misspelt(given())]
    found += asyncio.run(check(settings, problems, public_url=public_url, show_secret=show_secret))
    shown = [_shown(finding, whole=show_secret) for finding in found]
    is_good = all(finding.state is not Health.WRONG for finding in found)
    if as_json:
        print_json({"ok": is_good, "checks": [_body(finding) for finding in shown]})
    else:
        _print(shown)
    if not is_good:
        raise SystemExit(1)


def _shown(finding: Finding, *, whole: bool) -> Finding:
    """Blank every secret, but the one that was asked for."""
    if whole and finding.name == "webhook url":
        return finding
    return Finding(finding.name, finding.state, logs.redact(finding.seen), logs.redact(finding.remedy))


def _body(finding: Finding) -> dict[str, str]:
    return {"name": finding.name, "state": finding.state, "seen": finding.seen, "remedy": finding.remedy}


def _print(found: Sequence[Finding]) -> None:
    """Print a line each, wrapped on a terminal alone."""
    name_chars = max(len(finding.name) for finding in found)
    indent = _STATE_CHARS + name_chars + 4
    columns = max(indent + 40, shutil.get_terminal_size().columns)
    for finding in found:
        told = [clean(finding.seen), f"→ {clean(finding.remedy)}"] if finding.remedy else [clean(finding.seen)]
        if sys.stdout.isatty():
            wrap = textwrap.TextWrapper(columns - indent, break_long_words=False, break_on_hyphens=False)
            told = [line for text in told for line in wrap.wrap(text)]
        first, *rest = told if sys.stdout.isatty() else [" ".join(told)]
        state = click.style(finding.state.ljust(_STATE_CHARS), fg=_COLOURS[finding.state])
        click.echo(f"{state}  {finding.name.ljust(name_chars)}  {first}")
        for line in rest:
            click.echo(" " * indent + line)
    counts = Counter(finding.state for finding in found)
    click.echo(", ".join(f"{counts[state]} {state}" for state in Health if counts[state]))
