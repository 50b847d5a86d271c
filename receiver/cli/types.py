"""Option types that several commands share: points in time, sizes and output format."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_AGE = re.compile(r"(\d{1,6})([smhdwy])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([kmg]?)(i?)b?", re.IGNORECASE)


class Moment(click.ParamType[datetime]):
    """`2026-01-31`, `2026-01-31T09:30+01:00` (UTC where no offset is given), or an age such as `30d`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return an aware time in UTC."""
        if isinstance(value, datetime):
            return value
        now = datetime.now(UTC)
        try:
            if age := _AGE.fullmatch(value):
                return now - timedelta(seconds=int(age[1]) * _SECONDS[age[2]])
            given = datetime.fromisoformat(value)
            return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a time (2026-01-31, 2026-01-31T09:30Z) nor an age (30d, 12h)", param, ctx)


class Size(click.ParamType[int]):
    """`8MB`, `512kB`, `1GiB` or a plain number of bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(value.strip())
        power = " kmg".index(found[2].lower() or " ") if found else 0
        size_bytes = round(float(found[1]) * (1024 if found[3] else 1000) ** power) if found else 0
        if size_bytes < 1:
            self.fail(f"{value!r} is not a size (8MB, 512kB, 1GiB)", param, ctx)
        return size_bytes


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, in the shape of the HTTP API.")
limit = click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Most rows on one page."
)
cursor = click.option("--cursor", help="Go on where the last page ended; it is named there.")
