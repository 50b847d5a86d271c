"""`receiver recordings list|show|retry|cancel`: the index as operators ask it, beside a running service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import click

from receiver.api.bodies import RecordingBody, RecordingsBody
from receiver.app import open_actions, open_catalogue
from receiver.catalogue import SORTS
from receiver.cli import filters, types
from receiver.cli.bodies import plain
from receiver.cli.environment import os_user, settings_for
from receiver.cli.output import Column, clean, print_fields, print_json, print_table
from receiver.cli.paging import tell_more
from receiver.errors import NotFoundError, WrongStateError
from receiver.figures import moment, progress, size
from receiver.lifecycle import REPLAYABLE
from receiver.operators import UNDONE, recordings_query
from receiver.records import RecordingId, State
from receiver.settings import Needs

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from receiver.operators.query import RecordingsQuery
    from receiver.records import Page, Recording
    from receiver.settings import Settings

_MOST_COUNTED = 10_000
_COLUMNS = (
    Column("ID", whole=True),
    Column("STATE", whole=True),
    Column("CREATED", whole=True),
    Column("SIZE", right=True),
    Column("MEETING"),
    Column("HOST"),
    Column("TRIES", right=True),
    Column("ERROR"),
)


@click.command("list")
@filters.options
@click.option("--sort", type=click.Choice(sorted(SORTS)), default="-created_at", show_default=True)
@types.limit
@types.cursor
@types.as_json
@click.pass_context
def list_(ctx: click.Context, /, *, sort: str, limit: int, cursor: str | None, as_json: bool, **given: Any) -> None:
    """List recordings, newest first. All the filters given must hold."""
    paging = [("sort", sort), ("limit", str(limit)), *([("cursor", cursor)] if cursor is not None else [])]
    asked = recordings_query([*filters.pairs(given), *paging])
    page, following = asyncio.run(_page(settings_for(Needs.DATABASE), asked))
    if as_json:
        print_json(plain(RecordingsBody.of(page)))
        return
    print_table(_COLUMNS, [_row(item) for item in page.items])
    if page.next_cursor is not None:
        tell_more(ctx, page.next_cursor, count=following, most=_MOST_COUNTED)


async def _page(settings: Settings, asked: RecordingsQuery) -> tuple[Page[Recording], int]:
    """Return a page, and how many recordings come after it."""
    async with open_catalogue(settings) as catalogue:
        page = await catalogue.page(asked.filters, sort=asked.sort, limit=asked.limit, cursor=asked.cursor)
        if page.next_cursor is None:
            return page, 0
        return page, await catalogue.following(
            asked.filters, sort=asked.sort, cursor=page.next_cursor, most=_MOST_COUNTED
        )


def _row(recording: Recording) -> list[str]:
    return [
        recording.id,
        recording.state.value,
        moment(recording.vendor.created_at),
        _size(recording),
        recording.meeting.name or recording.meeting.id,
        recording.host.name or recording.host.login or str(recording.host.id or "-"),
        str(recording.attempts),
        recording.error.code if recording.error else "-",
    ]


def _size(recording: Recording) -> str:
    """Return the archived file's size, or how far its transfer is."""
    if recording.transfer is not None:
        return progress(recording.transfer)
    return size(recording.archive.size_bytes if recording.archive else None)


@click.command()
@click.argument("recording_id", metavar="ID")
@types.as_json
def show(*, recording_id: str, as_json: bool) -> None:
    """Show everything known about the recording ID."""
    recording = asyncio.run(_one(settings_for(Needs.DATABASE), RecordingId(recording_id)))
    body = plain(RecordingBody.of(recording))
    if as_json:
        print_json(body)
    else:
        print_fields(body | {"transfer": progress(recording.transfer) if recording.transfer else None})


async def _one(settings: Settings, recording_id: RecordingId) -> Recording:
    async with open_catalogue(settings) as catalogue:
        return await catalogue.recording(recording_id)


@click.command()
@click.argument("recording_ids", metavar="[ID...]", nargs=-1)
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in sorted(REPLAYABLE)]),
    multiple=True,
    help="All in this state.",
)
@click.option(
    "--error-code", metavar="CODE", help="Only those with this code; of no --state, all that did not succeed."
)
@click.option("--dry-run", is_flag=True, help="Change nothing; say how many they are.")
def retry(*, recording_ids: tuple[str, ...], states: tuple[str, ...], error_code: str | None, dry_run: bool) -> None:
    """Make recordings pending again, with fresh attempts; the running service takes them up within 2 seconds.

    Name their ids, or choose them by state, by error code, or by both.
    """
    is_chosen = bool(states or error_code)
    if is_chosen == bool(recording_ids) or (dry_run and not is_chosen):
        raise click.UsageError("name ids, or choose with --state or --error-code (and look first with --dry-run)")
    if recording_ids:
        _change("retry", recording_ids)
        return
    chosen = {State(state) for state in states} or UNDONE
    settings = settings_for(Needs.DATABASE)
    count = asyncio.run(_retry_all(settings, chosen, error_code=error_code, dry_run=dry_run))
    noun = "recording" if count == 1 else "recordings"
    click.echo(f"{count} {noun} would be tried again" if dry_run else f"{count} {noun} pending again")


async def _retry_all(settings: Settings, states: Collection[State], *, error_code: str | None, dry_run: bool) -> int:
    async with open_actions(settings) as actions:
        return await actions.retry_all(states, error_code=error_code, by=os_user(), dry_run=dry_run)


@click.command()
@click.argument("recording_ids", metavar="ID...", nargs=-1, required=True)
def cancel(*, recording_ids: tuple[str, ...]) -> None:
    """Take recordings that are pending, waiting or failed out of work; `retry` brings them back."""
    _change("cancel", recording_ids)


def _change(verb: Literal["retry", "cancel"], recording_ids: Sequence[str]) -> None:
    refused = asyncio.run(_change_each(settings_for(Needs.DATABASE), verb, recording_ids))
    if refused:
        raise SystemExit(1)


async def _change_each(settings: Settings, verb: Literal["retry", "cancel"], recording_ids: Sequence[str]) -> int:
    """Change one after the other, each for itself; return how many were refused."""
    refused = 0
    by = os_user()
    async with open_actions(settings) as actions:
        for recording_id in recording_ids:
            try:
                act = actions.retry if verb == "retry" else actions.cancel
                changed = await act(RecordingId(recording_id), by)
            except (NotFoundError, WrongStateError) as e:
                click.echo(f"Error: {clean(recording_id)}: {e}", err=True)
                refused += 1
            else:
                click.echo(f"{changed.id}  {changed.state.value}")
    return refused
