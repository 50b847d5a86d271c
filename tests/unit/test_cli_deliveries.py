"""`deliveries` on a real SQLite file: what they print, and how they exit."""

from __future__ import annotations

import json
import os
import pwd

import pytest
from structlog.testing import capture_logs


def test_deliveries_list_and_show(run, index):
    done = run("deliveries", "list")
    head, *rows = [line.split() for line in done.stdout.splitlines()]
    assert head == ["ID", "STATUS", "RECEIVED", "SIZE", "REJECTED", "RECORDINGS"]
    assert [row[1] for row in rows] == ["rejected", "accepted", "accepted", "accepted"]
    assert [row[-1] for row in rows] == ["-", "third", "second", "first"]
    listed = json.loads(run("deliveries", "list", "--json", "--status", "accepted").stdout)
    assert [item["recordings"] for item in listed["items"]] == [["third"], ["second"], ["first"]]
    shown = json.loads(run("deliveries", "show", rows[1][0], "--json").stdout)
    assert shown == {**listed["items"][0], "body": shown["body"]}
    assert json.loads(shown["body"])["meeting"]["_id"] == "meeting-2"
    assert "s1gn" not in shown["body"]
    assert f"id                {rows[1][0]}" in run("deliveries", "show", rows[1][0]).stdout


def test_deliveries_replay(run, index):
    rejected, good = (run("deliveries", "list").stdout.splitlines()[n].split()[0] for n in (1, 2))
    with capture_logs() as events:
        done = run("deliveries", "replay", good, rejected, "nobody")
    assert [event["os_user"] for event in events] == [pwd.getpwuid(os.getuid()).pw_name]
    assert (done.exit_code, done.stdout) == (1, f"{good}  1 recordings\n")
    first, second, note = done.stderr.splitlines()
    assert first == f"Error: {rejected}: meeting: field required; callRecords: input should be a valid list"
    assert second == "Error: nobody: there is no delivery nobody"
    assert note.startswith("Note: without API credentials a recording can be fetched only where its row holds a live")
    told = run("deliveries", "replay", "--rejected", "--json")
    found = json.loads(told.stdout)
    assert (told.exit_code, found["replayed"], [one["delivery_id"] for one in found["refused"]]) == (1, [], [rejected])
    with capture_logs():
        replayed = json.loads(run("deliveries", "replay", good, "--json").stdout)["replayed"]
    assert [one["recordings"] for one in replayed] == [[{"id": "third", "state": "pending"}]]


@pytest.mark.parametrize("arguments", [[], ["d1", "--rejected"]])
def test_a_replay_of_nothing_or_of_both_is_wrong_usage(run, index, arguments):
    done = run("deliveries", "replay", *arguments)
    assert (done.exit_code, "name deliveries by their ids, or give --rejected" in done.stderr) == (2, True)


def test_deliveries_are_paged(run, index):
    done = run("deliveries", "list", "--limit", "3")
    assert len(done.stdout.splitlines()) == 4
    told, _, cursor = done.stderr.strip().rpartition(" ")
    assert told == "There are more; go on with: receiver deliveries list --limit 3 --cursor"
    last = run("deliveries", "list", "--json", "--limit", "3", "--cursor", cursor)
    assert (last.exit_code, len(json.loads(last.stdout)["items"])) == (0, 1)


def test_an_unknown_delivery_exits_1(run, index):
    done = run("deliveries", "show", "nobody")
    assert (done.exit_code, done.stderr) == (1, "Error: there is no delivery nobody\n")
