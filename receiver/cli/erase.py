"""`receiver erase`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from receiver.api.erasure_bodies import CertificateBody
from receiver.app.erasure import open_erasure
from receiver.cli import types
from receiver.cli.bodies import plain
from receiver.cli.environment import os_user, settings_for
from receiver.cli.output import print_fields, print_json
from receiver.cli.signals import run_until_signal
from receiver.errors import NotFoundError, ReasonError
from receiver.operators import actor_of
from receiver.records import MeetingId, RecordingId, Scope
from receiver.retention import check_reason
from receiver.settings import Needs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from receiver.catalogue import Prospect
    from receiver.records import Certificate
    from receiver.retention import Erasure
    from receiver.settings import Settings


@click.command()
@click.option("--recording-id", metavar="ID", help="This recording.")
@click.option("--meeting-id", metavar="ID", help="All recordings of this meeting, and what deliveries said of it.")
@click.option("--reason", required=True, metavar="TEXT", help="Why. It stays on record for ever, so it names nobody.")
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be erased, and what is held.")
@click.option("--yes", is_flag=True, help="Do not ask before.")
@types.as_json
def erase(  # noqa: PLR0913  (one argument an option)
    *, recording_id: str | None, meeting_id: str | None, reason: str, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Erase for good: rows, attendees, search index, bodies of deliveries, and each version of the files.

    Prints a certificate: what was deleted, and what may be left where this service cannot reach, with the command that
    ends it. Nothing brings an erased recording back, neither webhook nor replay nor reconciliation nor a restored
    backup. Killed, the service ends what was begun, and so does the same command again.

    Exit code 1 where a hold or the store kept something.
    """
    given = [(Scope.RECORDING, recording_id), (Scope.MEETING, meeting_id)]
    asked = [(scope, value) for scope, value in given if value is not None]
    if len(asked) != 1:
        raise click.UsageError("name one of --recording-id and --meeting-id")
    try:
        reason = check_reason(reason)
    except ReasonError as e:
        raise click.UsageError(str(e)) from e
    settings = settings_for(Needs.BUCKET)
    wanted = Wanted(scope=asked[0][0], value=asked[0][1], reason=reason, dry_run=dry_run, asks=not (yes or dry_run))
    code = run_until_signal(_run(settings, wanted, print_json if as_json else print_fields))
    if code:
        raise SystemExit(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be erased, and why; whether to do it, and to ask before."""

    scope: Scope
    value: str
    reason: str
    dry_run: bool
    asks: bool


async def _run(settings: Settings, wanted: Wanted, show: Callable[[Mapping[str, Any]], None]) -> int:
    async with open_erasure(settings) as erasure:
        prospect = await erasure.index.look(await _ids(erasure, wanted))
        if wanted.dry_run:
            show(_prospect(prospect))
            return 1 if prospect.held else 0
        if wanted.asks:
            _confirm(prospect)
        certificate = await _erased(erasure, wanted)
    show(plain(CertificateBody.of(certificate)))
    return 0 if certificate.is_complete else 1


async def _ids(erasure: Erasure, wanted: Wanted) -> list[RecordingId]:
    if wanted.scope is Scope.RECORDING:
        ids = [RecordingId(wanted.value)]
        if (await erasure.index.look(ids)).unknown:
            raise NotFoundError(f"there is no recording {wanted.value}")
        return ids
    ids = await erasure.index.of_meeting(MeetingId(wanted.value))
    if not ids:
        raise NotFoundError(f"there is no recording of meeting {wanted.value}")
    return ids


async def _erased(erasure: Erasure, wanted: Wanted) -> Certificate:
    by = actor_of(os_user())
    if wanted.scope is Scope.MEETING:
        return await erasure.of_meeting(MeetingId(wanted.value), by=by, reason=wanted.reason)
    ids = [RecordingId(wanted.value)]
    return await erasure.erase(ids, by=by, reason=wanted.reason, scope=wanted.scope, value=wanted.value)


def _prospect(prospect: Prospect) -> dict[str, Any]:
    return {
        "would_erase": list(prospect.kept),
        "held": {one: [hold.id for hold in holds] for one, holds in prospect.held.items()},
        "erased_before": list(prospect.before),
    }


def _confirm(prospect: Prospect) -> None:
    """Ask, where somebody can answer."""
    held = f", {len(prospect.held)} are held and stay" if prospect.held else ""
    click.confirm(f"Erase {len(prospect.kept)} recordings for good{held}?", abort=True, err=True)
