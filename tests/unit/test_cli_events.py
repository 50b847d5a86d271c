"""`receiver events list|replay` on an index in a SQLite file."""

from __future__ import annotations

import asyncio
import json

import pytest

from receiver.catalogue import Events, Outbox
from receiver.records import EventType, RecordingId
from receiver.tables import open_database
from tests.support.clock import NOW


@pytest.fixture
def events(index, tmp_path):
    """Note that `first` was archived and `second` failed; the latter's event was given up."""

    async def note():
        database = open_database(f"sqlite:///{tmp_path}/index.db")
        outbox = Outbox(lambda _: {})
        for name, kind in (("first", EventType.ARCHIVED), ("second", EventType.FAILED)):
            await database.write(lambda tx, name=name, kind=kind: outbox.add(tx, RecordingId(name), kind, at=NOW))
        _, second = await Events(database).due(NOW, most=10)
        await Events(database).refused(second, "https://hooks.example.com:443 answered 500", next_attempt_at=None)
        await database.close()

    asyncio.run(note())


def listed(run, *arguments):
    return json.loads(run("events", "list", "--json", *arguments).stdout)


@pytest.mark.usefixtures("events")
def test_events_are_listed_with_what_became_of_them(run):
    found = listed(run)
    assert (found["pending"], found["failed"]) == (1, 1)
    assert [(one["type"], one["recording_id"], one["state"], one["attempts"]) for one in found["items"]] == [
        ("recording.failed", "second", "failed", 1),
        ("recording.archived", "first", "pending", 0),
    ]
    assert [one["recording_id"] for one in listed(run, "--state", "failed")["items"]] == ["second"]
    table = run("events", "list")
    assert "https://hooks.example.com:443 answered 500" in table.stdout
    assert "1 to be sent, 1 given up" in table.stderr


@pytest.mark.usefixtures("events")
def test_what_was_given_up_is_sent_again_when_asked(run):
    assert run("events", "replay", "--failed").stdout == "1 to be sent again\n"
    assert {one["state"] for one in listed(run)["items"]} == {"pending"}
    (one, _) = listed(run)["items"]
    assert json.loads(run("events", "replay", one["id"], one["id"], "--json").stdout) == {"replayed": 1}


@pytest.mark.usefixtures("events")
def test_a_wrong_question_is_told(run):
    assert run("events", "replay").exit_code == 2
    assert run("events", "replay", "msg_x", "--failed").exit_code == 2
    unknown = run("events", "replay", "msg_x")
    assert unknown.exit_code == 1
    assert "there is no event msg_x; see `receiver events list`" in unknown.stderr
