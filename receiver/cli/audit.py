"""`receiver audit`."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from receiver.app.fixity import open_audit
from receiver.cli import types
from receiver.cli.environment import os_user, settings_for
from receiver.cli.output import clean, print_fields, print_json
from receiver.cli.progress import counted_progress
from receiver.cli.signals import run_until_signal
from receiver.errors import JobError
from receiver.figures import size
from receiver.records import Fixity, RecordingId
from receiver.settings import Needs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from receiver.fixity import AuditWalk
    from receiver.records import AuditTally, Verdict
    from receiver.settings import Settings


class Share(click.ParamType[float]):
    """`5%`, from more than 0 to 100."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return a number from 0 to 1."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)%?", value.strip())
        share = float(found[1]) / 100 if found else 0.0
        if not 0 < share <= 1:
            self.fail(f"{value!r} is not a share (5%)", param, ctx)
        return share


@click.command()
@click.option("--sample", type=Share(), metavar="SHARE", help="Only a share of them, chosen by chance: 5%.")
@click.option("--older-than", type=types.Moment(), metavar="AGE", help="Only what was not proven for so long: 90d.")
@click.option("--recording-id", "recording_ids", metavar="ID", multiple=True, help="This one. May be repeated.")
@click.option("--repair", is_flag=True, help="Put right what can be: from the platform, or from an older version.")
@types.as_json
def audit(
    *, sample: float | None, older_than: datetime | None, recording_ids: Sequence[str], repair: bool, as_json: bool
) -> None:
    """Read archived objects again, all bytes of each, and say which are not what was archived.

    Each is read in the very version that was proven, at RECEIVER_AUDIT_MB_S for all together, and its manifest is
    compared with the index. An audit of all that was killed goes on where it was when it is run again. A store that is
    away is waited for, a quarter of an hour at most.

    --repair fetches the file from the platform where that still lists it, else from an older version of the object,
    compares it with what was recorded, and stores it beside the damaged object, which is left alone.

    Exit code 1 unless all are intact, or repaired.
    """
    if recording_ids and (sample is not None or older_than is not None):
        raise click.UsageError("--recording-id goes with neither --sample nor --older-than")
    settings = settings_for(Needs.BUCKET)
    wanted = Wanted(sample=sample, older_than=older_than, ids=[RecordingId(one) for one in recording_ids])
    code = run_until_signal(_run(settings, wanted, repairs=repair, as_json=as_json))
    if code:
        raise SystemExit(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which objects are asked for: all, where nothing is given."""

    sample: float | None
    older_than: datetime | None
    ids: Sequence[RecordingId]

    async def read(self, walk: AuditWalk) -> None:
        """Read them."""
        if self.ids:
            await walk.named(self.ids)
        elif self.sample is not None:
            await walk.sample(self.sample, older_than=self.older_than)
        elif self.older_than is not None:
            await walk.old(self.older_than)
        elif await walk.everything():
            click.echo("Went on with an audit that was not ended.", err=True)


async def _run(settings: Settings, wanted: Wanted, *, repairs: bool, as_json: bool) -> int:
    error: JobError | None = None
    with counted_progress() as on_progress:

        def on_verdict(verdict: Verdict, told: str | None, tally: AuditTally) -> None:
            if verdict.fixity is not Fixity.INTACT:
                said = "; ".join(filter(None, (verdict.reason, told)))
                click.echo(f"{verdict.fixity}: {verdict.recording.id}: {clean(said)}", err=True)
            on_progress(f"{tally.checked:,} read, {size(tally.bytes)}, {tally.checked - tally.intact:,} not intact")

        async with open_audit(settings, os_user(), on_verdict, repairs=repairs) as walk:
            try:
                await wanted.read(walk)
            except JobError as e:
                error = e
            tally = walk.tally
    (print_json if as_json else print_fields)(asdict(tally))
    if error is not None:
        click.echo(f"Error: {error}", err=True)
    return 0 if tally.is_good and error is None else 1
