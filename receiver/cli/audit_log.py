"""`receiver audit-log`."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from receiver import app
from receiver.api.record_bodies import ActsBody
from receiver.cli import types
from receiver.cli.bodies import plain
from receiver.cli.environment import settings_for
from receiver.cli.history import COLUMNS, row
from receiver.cli.output import Column, print_json, print_table
from receiver.operators import acts_query
from receiver.settings import Needs

if TYPE_CHECKING:
    from receiver.operators.query import ActsQuery
    from receiver.records import LoggedAct, Page
    from receiver.settings import Settings

_COLUMNS = (Column("ENTRY", right=True, whole=True), *COLUMNS, Column("OF"))


@click.command("audit-log")
@click.option("--actor", metavar="NAME", help="Only what this token, user or schedule did.")
@click.option("--action", metavar="ACTION", help="Only acts of this kind, such as url_issued.")
@click.option("--recording-id", metavar="ID", help="Only what was done to or shown of this recording.")
@click.option("--since", type=types.Moment(), help="Only since then: 2026-01-31 or 30d.")
@click.option("--verify", is_flag=True, help="Read the whole log and tell whether it is as it was written.")
@types.limit
@types.cursor
@types.as_json
def audit_log(*, verify: bool, as_json: bool, **given: Any) -> None:
    """Show who did, saw or fetched what, and what the service did by itself, newest first.

    With --verify every entry is compared with the chain of hashes, and the end of the log with what was noted of it
    in the database and in the bucket. Exit code 1 where the chain is broken; the place is named.
    """
    if verify:
        _verify(settings_for(Needs.DATABASE), as_json=as_json)
        return
    pairs = [(name, _text(value)) for name, value in given.items() if value is not None]
    page = asyncio.run(_page(settings_for(Needs.DATABASE), acts_query(pairs)))
    if as_json:
        print_json(plain(ActsBody.of(page)))
        return
    print_table(_COLUMNS, [[str(act.id), *row(act), act.subject] for act in page.items])
    if page.next_cursor is not None:
        click.echo(f"There are more: --cursor {page.next_cursor}", err=True)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


async def _page(settings: Settings, query: ActsQuery) -> Page[LoggedAct]:
    async with app.open_catalogue(settings) as catalogue:
        return await catalogue.acts(query.asked, limit=query.limit, cursor=query.cursor)


def _verify(settings: Settings, *, as_json: bool) -> None:
    found = asyncio.run(app.verify_log(settings))
    report = found.report
    if as_json:
        print_json(asdict(report) | {"bucket": found.told})
    else:
        click.echo(f"{report.entries} entries are as they were written, each after the one before it; {found.told}")
        if report.unsealed:
            click.echo(f"not sealed yet, and not vouched for: {report.unsealed}")
    if report.broken_at is not None:
        click.echo(f"Error: the log is broken at entry {report.broken_at}: {report.fault}", err=True)
        raise SystemExit(1)
