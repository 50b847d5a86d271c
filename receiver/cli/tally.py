"""What `receiver reconcile` and `receiver backfill` print of what they saw."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from receiver.cli.output import Column, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from receiver.records import Tally

_REMEDIES = {
    "recent": "Recent: their webhooks may be under way; the next reconciliation sees to them.",
    "gone": "Gone: no longer listed at the platform. Their objects are in the bucket, but for those lost.",
    "lost": "Lost: gone before they were archived, see recording_lost in the log above. Look at the platform.",
    "changed": "Changed: another file than the archived one, see recording_changed in the log above. The object stays.",
    "unreadable": "Unreadable: listings that could not be had or read, see meeting_unreadable in the log above.",
}


def print_tally(tally: Tally, more: Mapping[str, Any], *, as_json: bool) -> int:
    """Print a report; return the exit code: 1 where something is lost, changed or unreadable."""
    counts = asdict(tally)
    if as_json:
        print_json(counts | dict(more))
    else:
        print_table(
            [Column(name.upper(), whole=True, right=True) for name in counts], [[f"{n:,}" for n in counts.values()]]
        )
        for name, remedy in _REMEDIES.items():
            if counts[name]:
                click.echo(remedy)
    return 0 if tally.is_good else 1
