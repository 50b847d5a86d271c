"""Exports by the API: complete, in the listing's filters, and nothing in them that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from structlog.testing import capture_logs

from receiver.records import State
from tests.support.api import assert_problem
from tests.support.operators import ARCHIVED, DESCRIBED, NOW, add, row

if TYPE_CHECKING:
    from receiver.tables import Database

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_both_formats_have_every_recording_and_the_listings_filters(
    database: Database, api_viewer: httpx.AsyncClient
):
    """More of them than the page in which they are read."""
    archived = [row(f"r{n:03}", created_at=NOW - timedelta(minutes=n), **ARCHIVED) for n in range(450)]
    await add(database, *archived, row("failed", state=State.FAILED))
    with capture_logs() as events:
        lines = await api_viewer.get("/api/export?format=ndjson&state=archived")
        rows = await api_viewer.get("/api/export?format=csv&state=archived&sort=created_at")
    found = [json.loads(line) for line in lines.text.splitlines()]
    assert [one["id"] for one in found] == [one["id"] for one in archived]
    assert found[7] == (await api_viewer.get("/api/recordings/r007")).json()
    assert [one["id"] for one in table(rows.text)] == [one["id"] for one in reversed(archived)]
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert rows.headers["content-type"] == "text/csv; charset=utf-8"
    assert rows.headers["content-disposition"] == 'attachment; filename="recordings.csv"'
    assert rows.headers["cache-control"] == "no-store"
    assert [(e["event"], e["format"], e["token_name"]) for e in events] == [
        ("recordings_exported", "ndjson", "ci"),
        ("recordings_exported", "csv", "ci"),
    ]


async def test_a_csv_has_a_column_for_each_field(database: Database, api_viewer: httpx.AsyncClient):
    await add(database, row("r1", **DESCRIBED, **ARCHIVED), row("r2", created_at=NOW - timedelta(days=1)))
    full, empty = table((await api_viewer.get("/api/export?format=csv")).text)
    assert (full["meeting.name"], full["host.id"], full["host.email"]) == ("Weekly", str(2**53 + 1), "zoe@example.com")
    assert (full["archive.size_bytes"], full["archive.sha256"]) == ("5000000000", "ab" * 32)
    assert (full["hold"], full["duration_s"], full["first_seen.via"]) == ("true", "61.5", "webhook")
    assert (empty["archive.size_bytes"], empty["error.code"], empty["meeting.name"]) == ("", "", "")


async def test_no_text_is_a_formula(database: Database, api_viewer: httpx.AsyncClient):
    names = [*FORMULAS, 'a"=1', "a\n=1", "a;=1", "a,=1", "Zoë", "1-1"]
    await add(database, *(row(f"r{n:02}", meeting_name=name, host_name=name) for n, name in enumerate(names)))
    text = (await api_viewer.get("/api/export?format=csv&sort=created_at")).text
    found = [(one["meeting.name"], one["host.name"]) for one in table(text)]
    expected = [f"'{name}" for name in FORMULAS] + names[len(FORMULAS) :]
    assert found == [(one, one) for one in expected]
    lines = (await api_viewer.get("/api/export?format=ndjson&sort=created_at")).text
    assert [json.loads(line)["meeting"]["name"] for line in lines.split("\n")[:-1]] == names


async def test_nothing_that_matches_is_an_empty_file(api_viewer: httpx.AsyncClient):
    assert (await api_viewer.get("/api/export?format=ndjson&state=failed")).content == b""
    names, *rows = (await api_viewer.get("/api/export?format=csv&state=failed")).text.splitlines()
    assert names.startswith('"id","meeting.id","meeting.name"')
    assert rows == []


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", "format= is missing; choose from csv, ndjson"),
        ("format=xlsx", "format='xlsx' is not known; choose from csv, ndjson"),
        ("format=csv&limit=1", "the parameter 'limit' is not known"),
        ("format=csv&state=gone", "state='gone' is not known"),
        ("format=csv&sort=name", "sort='name' is not known"),
    ],
)
async def test_refused_exports(api_viewer: httpx.AsyncClient, query: str, detail: str):
    assert_problem(await api_viewer.get(f"/api/export?{query}"), 400, detail)
