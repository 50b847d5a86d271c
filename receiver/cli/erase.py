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
from receiver.cli.person import who
from receiver.cli.signals import run_until_signal
from receiver.errors import NotFoundError, ReasonError
from receiver.operators import actor_of
from receiver.records import MeetingId, RecordingId, Scope
from receiver.retention import check_reason
from receiver.settings import Needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from receiver.catalogue import Prospect
    from receiver.records import Certificate
    from receiver.retention import PersonErasure
    from receiver.settings import Settings


@click.command()
@click.option("--recording-id", metavar="ID", help="This recording.")
@click.option("--meeting-id", metavar="ID", help="All recordings of this meeting, and what deliveries said of it.")
@click.option("--person", metavar="ID-OR-EMAIL", help="What this person hosts; elsewhere they are forgotten.")
@click.option("--also-attended", is_flag=True, help="With --person: erase also what they only took part in.")
@click.option("--reason", required=True, metavar="TEXT", help="Why. It stays on record for ever, so it names nobody.")
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be erased, and what is held.")
@click.option("--yes", is_flag=True, help="Do not ask before.")
@types.as_json
def erase(  # noqa: PLR0913  (one argument an option)
    *,
    recording_id: str | None,
    meeting_id: str | None,
    person: str | None,
    also_attended: bool,
    reason: str,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase for good: rows, attendees, search index, bodies of deliveries, and each version of the files.

    Prints a certificate: what was deleted, and what may be left where this service cannot reach, with the command that
    ends it. Nothing brings an erased recording back, neither webhook nor replay nor reconciliation nor a restored
    backup. Killed, the service ends what was begun, and so does the same command again.

    Exit code 1 where a hold or the store kept something.
    """
    given = [(Scope.RECORDING, recording_id), (Scope.MEETING, meeting_id), (Scope.PERSON, person)]
    asked = [(scope, value) for scope, value in given if value is not None]
    if len(asked) != 1:
        raise click.UsageError("name one of --recording-id, --meeting-id and --person")
    if also_attended and person is None:
        raise click.UsageError("--also-attended goes with --person")
    try:
        reason = check_reason(reason)
    except ReasonError as e:
        raise click.UsageError(str(e)) from e
    settings = settings_for(Needs.BUCKET)
    wanted = Erasable(
        scope=asked[0][0],
        value=asked[0][1],
        also_attended=also_attended,
        reason=reason,
        dry_run=dry_run,
        asks=not (yes or dry_run),
    )
    code = run_until_signal(_run(settings, wanted, print_json if as_json else print_fields))
    if code:
        raise SystemExit(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasable:
    """What is to be erased, and why; whether to do it, and to ask before."""

    scope: Scope
    value: str
    also_attended: bool
    reason: str
    dry_run: bool
    asks: bool


async def _run(settings: Settings, wanted: Erasable, show: Callable[[Mapping[str, Any]], None]) -> int:
    async with open_erasure(settings) as persons:
        ids, forgotten_in = await _named(persons, wanted)
        prospect = await persons.erasure.index.look(ids)
        if wanted.dry_run:
            show(_prospect(prospect, forgotten_in))
            return 1 if prospect.held else 0
        if wanted.asks:
            _confirm(prospect, forgotten_in)
        certificate = await _erased(persons, wanted)
    show(plain(CertificateBody.of(certificate)))
    for line in _kept(certificate):  # behind all that may remain anyhow, and short
        click.echo(line, err=True)
    return 0 if certificate.is_complete else 1


async def _named(persons: PersonErasure, wanted: Erasable) -> tuple[list[RecordingId], list[RecordingId]]:
    """Return the recordings that go, and those that stay and forget the person."""
    index = persons.erasure.index
    match wanted.scope:
        case Scope.PERSON:
            hosted, attended = await persons.named(who(wanted.value))
            return ([*hosted, *attended], []) if wanted.also_attended else (hosted, attended)
        case Scope.MEETING:
            ids = await index.of_meeting(MeetingId(wanted.value))
        case _:
            ids = [RecordingId(wanted.value)]
            ids = [] if (await index.look(ids)).unknown else ids
    if not ids:
        raise NotFoundError(f"there is no recording {'of meeting ' * (wanted.scope is Scope.MEETING)}{wanted.value}")
    return ids, []


async def _erased(persons: PersonErasure, wanted: Erasable) -> Certificate:
    by, reason = actor_of(os_user()), wanted.reason
    match wanted.scope:
        case Scope.PERSON:
            return await persons.erase(who(wanted.value), by=by, reason=reason, also_attended=wanted.also_attended)
        case Scope.MEETING:
            return await persons.erasure.of_meeting(MeetingId(wanted.value), by=by, reason=reason)
        case _:
            ids = [RecordingId(wanted.value)]
            return await persons.erasure.erase(ids, by=by, reason=reason, scope=wanted.scope, value=wanted.value)


def _kept(certificate: Certificate) -> Iterator[str]:
    """Say what was not erased, why, and what to do."""
    if certificate.held:
        recording_id, holds = next(iter(certificate.held.items()))
        named = f"{recording_id} by hold {', '.join(str(hold.id) for hold in holds)}"
        more = f" and {len(certificate.held) - 1} more" if len(certificate.held) > 1 else ""
        yield f"Not erased, on hold: {named}{more}. `receiver holds release`, then run this again."
    refused = [one for one in certificate.recordings if one.refused_because is not None]
    if refused:
        more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        yield (
            f"The bucket still has files of {refused[0].recording_id}{more}: {refused[0].refused_because}. "
            "`receiver recordings list --state erased --error-code erasure_unfinished` lists all."
        )


def _prospect(prospect: Prospect, forgotten_in: Sequence[RecordingId]) -> dict[str, Any]:
    return {
        "would_erase": list(prospect.kept),
        "would_forget_in": list(forgotten_in),
        "held": {one: [hold.id for hold in holds] for one, holds in prospect.held.items()},
        "erased_before": list(prospect.before),
    }


def _confirm(prospect: Prospect, forgotten_in: Sequence[RecordingId]) -> None:
    """Ask, where somebody can answer."""
    told = f"Erase {len(prospect.kept)} recordings for good"
    if forgotten_in:
        told += f", and forget the person in {len(forgotten_in)} more"
    if prospect.held:
        told += f" ({len(prospect.held)} are held and stay)"
    click.confirm(f"{told}?", abort=True, err=True)
