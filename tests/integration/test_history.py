"""What is on record of a recording, and what the log can be asked, by API, page and command."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from receiver.catalogue import Catalogue, CleanupIndex, Interventions, Runs, audit_log, history
from receiver.catalogue.audit_log import AuditEntry
from receiver.cli.commands import root
from receiver.lifecycle import Decision
from receiver.records import Actor, Failure, RecordingId, State
from tests.support.api import assert_problem, bearer
from tests.support.intake import STORED
from tests.support.operators import ADMIN, NOW, OPERATOR, VIEWER, add, add_delivery, row
from tests.support.page import get, seen

if TYPE_CHECKING:
    import httpx

    from receiver.tables import Database

R1 = RecordingId("r1")


def later(minutes: int) -> Any:
    return NOW + timedelta(minutes=minutes)


async def note(database: Database, action: str, subject: str, minute: int, by: str = "service", **details: Any) -> None:
    await Interventions(database).note(AuditEntry.of(Actor(by), action, subject, at=later(minute), **details))


async def live(database: Database) -> None:
    """Let the recording r1 live through all that a history tells, one minute each."""
    await add(database, row("r1", next_attempt_at=NOW))
    await add_delivery(database, body=b"{}", recording_ids=("r1",))
    runs = Runs(database)
    claim = await runs.claim(R1, now=later(1))
    assert claim is not None
    waits = Decision(state=State.WAITING, attempts=1, next_attempt_at=later(2))
    await runs.settle(claim, waits, Failure(code="source_unavailable", message="y", at=later(1)))
    assert await runs.claim(R1, now=later(2)) is not None  # whose process dies
    claim = await runs.claim(R1, now=later(3))
    assert claim is not None
    failed = Decision(state=State.FAILED, attempts=2, next_attempt_at=None)
    await runs.settle(claim, failed, Failure(code="not_a_recording", message="y", at=later(4)))
    await Interventions(database).retry(R1, now=later(5), by=Actor("token:alice", "operator"))
    claim = await runs.claim(R1, now=later(6))
    assert claim is not None
    await runs.finish(claim, STORED, now=later(6))
    await note(database, "body_shown", "d1", 7, "cli:root")
    await audit_log.seal(database)
    await note(database, "played", "r1", 8, "token:ci")
    archived = await Catalogue(database).recording(R1)
    cleanup = CleanupIndex(database)
    assert await cleanup.begin([archived], [archived], now=later(9))
    await cleanup.deleted(archived.meeting.id, [archived], now=later(10))
    await cleanup.deleted(archived.meeting.id, [], now=later(11))  # of others of the meeting
    await note(database, "played", "r2", 12)


TOLD = [
    ("webhook", "first_seen", None, None),
    ("worker", "run_failed", "source_unavailable", "waiting"),
    ("worker", "run_lost", None, None),
    ("worker", "run_failed", "not_a_recording", "failed"),
    ("token:alice", "retried", None, "pending"),
    ("worker", "archived", None, None),
    ("cli:root", "body_shown", None, None),
    ("token:ci", "played", None, None),
    ("cleanup", "source_deletion_began", None, None),
    ("cleanup", "source_deleted", None, None),
]


async def test_a_history_tells_all_from_first_sight_on_in_order_of_time(
    database: Database, api_viewer: httpx.AsyncClient
) -> None:
    await live(database)
    told = (await api_viewer.get("/api/recordings/r1/history")).json()
    events = told["events"]
    assert (told["recording_id"], told["is_cut"]) == ("r1", False)
    assert [(one["actor"], one["action"], one["reason"], one["outcome"]) for one in events] == TOLD
    minutes = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10]
    assert [one["at"] for one in events] == [later(minute).isoformat().replace("+00:00", "Z") for minute in minutes]
    assert (events[4]["role"], events[4]["details"]) == ("operator", {"before": "failed"})
    assert events[5]["details"] == {"key": "k.mp4", "size_bytes": 1, "sha256": "0" * 64}
    assert [one["id"] is None for one in events] == [True, False, False, False, False, True, False, True, True, True]


async def test_a_failure_that_an_older_release_left_on_the_row_alone_is_told(database: Database) -> None:
    failure = {"error_code": "x", "error_message": "y", "error_at": later(1)}
    await add(database, row("r1", state=State.FAILED, **failure))
    found = await Catalogue(database).history(R1)
    assert [(one.action, one.reason) for one in found.events] == [("first_seen", None), ("run_failed", "x")]


async def test_an_erasure_that_the_store_keeps_from_ending_is_no_failed_run(database: Database) -> None:
    error = {"error_code": "erasure_unfinished", "error_message": "the store is away", "error_at": later(1)}
    await add(database, row("r1", state=State.ERASED, **error))
    told = await Catalogue(database).history(R1)
    assert [event.action for event in told.events] == ["first_seen"]


async def test_of_a_long_history_the_newest_acts_are_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_ACTS", 2)
    await add(database, row("r1"))
    for minute in (1, 2, 3):
        await note(database, "played", "r1", minute)
        if minute == 2:
            await audit_log.seal(database)
    found = await Catalogue(database).history(R1)
    assert [one.at for one in found.events] == [later(minute) for minute in (0, 2, 3)]
    assert found.is_cut


async def test_the_page_of_a_recording_shows_its_history(database: Database, viewer: httpx.AsyncClient) -> None:
    await live(database)
    text = seen(await get(viewer, "/recordings/r1"))
    told = text[text.index("History") :]
    words = ["first seen", "source_unavailable", "ended without a word", "not_a_recording", "tried anew", "archived"]
    words += ["body of a delivery", "played on the page", "about to be asked for", "deleted at the platform"]
    places = [told.index(one) for one in words]
    assert places == sorted(places)
    assert "token:alice operator" in told


async def test_the_log_answers_an_admin_alone(anonymous: httpx.AsyncClient) -> None:
    for token in (VIEWER, OPERATOR):
        answer = await anonymous.get("/api/audit-log", headers=bearer(token))
        assert_problem(answer, 403, "this needs the role admin")


FILTERS = {
    "": [5, 4, 3, 2, 1],
    "actor=alice": [4, 2],
    "actor=token:alice": [4],
    "action=held": [2],
    "recording_id=r1": [4, 1],
    "since=2026-11-23T12:03:00Z": [5, 4, 3],
    "until=2026-11-23T12:03:00Z": [2, 1],
    "actor=nobody": [],
}


@pytest.mark.parametrize("asked", FILTERS)
async def test_the_log_is_asked_by_actor_action_recording_and_time(
    database: Database, anonymous: httpx.AsyncClient, asked: str
) -> None:
    await add(database, row("r1", meeting_id="m9"))
    await note(database, "url_issued", "r1", 1, "token:ci")
    await note(database, "held", "r2", 2, "cli:alice")
    await note(database, "url_issued", "r3", 3)
    await note(database, "url_issued", "r1", 4, "token:alice", role="operator", key="k")
    await note(database, "url_issued", "r5", 5)
    told = (await anonymous.get(f"/api/audit-log?{asked}", headers=bearer(ADMIN))).json()
    assert [one["id"] for one in told["items"]] == FILTERS[asked]
    assert told["next"] is None
    if asked == "actor=token:alice":
        assert told["items"] == [
            {
                "id": 4,
                "at": "2026-11-23T12:04:00Z",
                "actor": "token:alice",
                "role": "operator",
                "action": "url_issued",
                "subject": "r1",
                "reason": None,
                "outcome": None,
                "details": {"key": "k"},
            }
        ]


async def test_the_log_is_paged_by_place_while_it_grows(database: Database, anonymous: httpx.AsyncClient) -> None:
    for minute in range(5):
        await note(database, "url_issued", f"r{minute}", minute)
    places, path = [], "/api/audit-log?limit=2"
    while path:
        answer = await anonymous.get(path, headers=bearer(ADMIN))
        places += [one["id"] for one in answer.json()["items"]]
        await note(database, "url_issued", "r9", 9)
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    assert places == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        ("actor=", "is not a name"),
        ("action=Held", "is not an action"),
        ("recording_id=%20", "is not an id"),
        ("since=30d", "is not a time"),
        ("limit=0", "out of range"),
        ("cursor=x", "not one that this listing gave out"),
        ("colour=red", "is not known"),
    ],
)
async def test_a_question_that_the_log_does_not_understand_is_refused(
    anonymous: httpx.AsyncClient, asked: str, detail: str
) -> None:
    assert_problem(await anonymous.get(f"/api/audit-log?{asked}", headers=bearer(ADMIN)), 400, detail)


async def test_commands_show_the_history_and_the_log(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECEIVER_DATABASE_URL", database_url)
    await live(database)

    async def run(*arguments: str) -> Any:
        done = await asyncio.to_thread(CliRunner().invoke, root, arguments)
        assert done.exit_code == 0, done.output
        return done.stdout

    told = json.loads(await run("history", "r1", "--json"))
    assert [one["action"] for one in told["events"]] == [action for _, action, _, _ in TOLD]
    lines = (await run("history", "r1")).splitlines()
    assert len(lines) == 1 + len(TOLD)
    assert "token:alice (operator)" in lines[5]
    log = json.loads(await run("audit-log", "--actor", "alice", "--since", "2026-01-01", "--json"))
    assert [(one["action"], one["subject"]) for one in log["items"]] == [("retried", "r1")]
    assert len((await run("audit-log", "--recording-id", "r1", "--action", "run_failed")).splitlines()) == 3
    unknown = await asyncio.to_thread(CliRunner().invoke, root, ["history", "nobody"])
    assert (unknown.exit_code, "no recording" in unknown.output) == (1, True)
