"""`receiver holds` and `receiver retention` on an index in a file."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.usefixtures("index")


def test_a_hold_is_added_listed_and_released(run):
    printed = run("holds", "add", "--meeting-id", "meeting-1", "--reason", "case 17", "--json").stdout
    made = json.loads(printed[printed.index("{\n") :])  # what tests before this one let logs write there stands first
    assert {made[name] for name in ("scope", "value", "reason")} == {"meeting", "meeting-1", "case 17"}
    assert made["actor"].startswith("cli:")
    assert json.loads(run("holds", "list", "--recording-id", "first", "--json").stdout)["items"] == [made]
    assert json.loads(run("holds", "list", "--recording-id", "third", "--json").stdout)["items"] == []
    assert "case 17" in run("holds", "list").stdout
    held = json.loads(run("recordings", "list", "--hold", "true", "--json").stdout)["items"]
    assert {one["id"] for one in held} == {"first", "second"}
    done = run("holds", "release", str(made["id"]), "--reason", "over")
    assert (done.exit_code, "meeting-1" in done.stdout) == (0, True)
    again = run("holds", "release", str(made["id"]))
    assert (again.exit_code, again.stderr) == (1, f"Error: there is no hold {made['id']}, or it was released\n")
    assert json.loads(run("recordings", "list", "--hold", "true", "--json").stdout)["items"] == []


def test_one_thing_is_held_and_for_a_reason(run):
    for arguments in ([], ["--meeting-id", "m", "--host-id", "7"]):
        done = run("holds", "add", *arguments, "--reason", "x")
        assert (done.exit_code, "name one of --recording-id" in done.stderr) == (2, True)
    assert run("holds", "add", "--meeting-id", "m").exit_code == 2
    done = run("holds", "add", "--recording-id", "nobody", "--reason", "x")
    assert (done.exit_code, done.stderr) == (1, "Error: there is no recording nobody\n")
    done = run("holds", "add", "--person", "zoe", "--reason", "x")
    assert (done.exit_code != 0, "'zoe' is neither a user id nor an e-mail" in done.stderr) == (True, True)


def test_a_dry_run_of_retention_says_what_and_when(run, monkeypatch):
    monkeypatch.setenv("RECEIVER_S3_BUCKET", "team")
    done = run("retention", "--dry-run")
    assert (done.exit_code, "set RECEIVER_RETENTION_DAYS" in done.stderr) == (2, True)
    monkeypatch.setenv("RECEIVER_RETENTION_DAYS", "1")
    monkeypatch.setenv("RECEIVER_KEY_TEMPLATE", "{recording_id}")
    found = json.loads(run("retention", "--dry-run", "--json").stdout)
    (group,) = found.pop("groups")
    assert (group["recordings"], group["bytes"]) == (1, 8_000_000)
    assert found == {
        "due": 1,
        "held": 0,
        "erased": 0,
        "kept": 1,
        "due_bytes": 8_000_000,
        "erased_bytes": 0,
        "dry_run": True,
    }
    assert "8.0 MB" in run("retention", "--dry-run").stdout
