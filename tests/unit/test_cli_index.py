"""`recordings` and `deliveries` on a real SQLite file: what they print, and how they exit."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shlex

import pytest
from structlog.testing import capture_logs

from receiver.api.bodies import RecordingsBody
from receiver.catalogue import FILTERS, Catalogue, Filters
from receiver.cli import filters
from receiver.tables import open_database
from tests.support.index import STORED


async def _page(url):
    database = open_database(url)
    try:
        return await Catalogue(database).page(Filters())
    finally:
        await database.close()


def ids(done):
    assert done.exit_code == 0, done.output
    return [item["id"] for item in json.loads(done.stdout)["items"]]


def test_list_is_a_plain_complete_table(run, index):
    done = run("recordings", "list")
    assert done.exit_code == 0
    head, *rows = [line.split() for line in done.stdout.splitlines()]
    assert head == ["ID", "STATE", "CREATED", "SIZE", "MEETING", "HOST", "TRIES", "ERROR"]
    assert [row[:2] for row in rows] == [["third", "pending"], ["second", "failed"], ["first", "archived"]]
    assert rows[2][2:] == ["2026-11-20", "10:00:00Z", "8.0", "MB", "Weekly", "Sam", "Fisher", "1", "-"]
    assert rows[1][-1] == "source_too_large"
    assert done.stderr == ""


def test_json_is_what_the_api_answers(run, index, tmp_path):
    done = run("recordings", "list", "--json")
    body = RecordingsBody.of(asyncio.run(_page(f"sqlite:///{tmp_path}/index.db")))
    assert json.loads(done.stdout) == json.loads(body.model_dump_json())


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--state", "archived"], ["first"]),
        (["--state", "archived", "--state", "failed"], ["second", "first"]),
        (["--meeting-id", "meeting-2"], ["third"]),
        (["--host-id", "7"], ["third", "second", "first"]),
        (["--host-id", "8"], []),
        (["--participant-id", "8"], ["third", "second", "first"]),
        (["--q", "WEEKLY fish"], ["third", "second", "first"]),
        (["--q", "daily"], []),
        (["--since", "2026-11-21"], ["third", "second"]),
        (["--since", "2026-11-21", "--until", "2026-11-22"], ["second"]),
        (["--until", "2026-11-21T12:00+02:00"], ["first"]),
        (["--sort", "created_at"], ["first", "second", "third"]),
        (["--limit", "2"], ["third", "second"]),
    ],
)
def test_filters_and_order(run, index, options, found):
    assert ids(run("recordings", "list", "--json", *options)) == found


def test_pages_follow_the_cursor_to_the_end(run, index):
    first = run("recordings", "list", "--limit", "2")
    told, _, cursor = first.stderr.strip().rpartition(" ")
    assert told == "There is 1 more; go on with: receiver recordings list --limit 2 --cursor"
    assert cursor == json.loads(run("recordings", "list", "--json", "--limit", "2").stdout)["next"]
    last = run("recordings", "list", "--json", "--limit", "2", "--cursor", cursor)
    assert ids(last) == ["first"]
    assert json.loads(last.stdout)["next"] is None


def test_the_way_on_has_all_that_was_asked_and_is_counted_so_far(run, index, monkeypatch):
    asked = ("recordings", "list", "--state", "pending", "--state", "failed", "--q", "weekly fish", "--limit", "1")
    more = run(*asked, "--sort", "created_at", "--since", "2026-01-01").stderr
    told = more[: more.index(" --cursor")]
    assert told == (
        "There is 1 more; go on with: receiver recordings list --state pending --state failed --q 'weekly fish'"
        " --since 2026-01-01T00:00:00+00:00 --sort created_at --limit 1"
    )
    again = shlex.split(more.partition("go on with: receiver ")[2])
    assert run(*again).stdout.splitlines()[1].split()[0] == "third"
    monkeypatch.setattr("receiver.cli.recordings._MOST_COUNTED", 1)
    assert run("recordings", "list", "--limit", "1").stderr.startswith("There are 1 more or over; go on with: ")


def test_every_filter_is_an_option(run, index):
    """Those of the table that have no words of their own are called as the API calls them."""
    asked = {"text": "x-1", "words": "weekly", "number": "7", "time": "2026-11-21T00:00:00+00:00"}
    for one in FILTERS:
        text = asked.get(one.kind.shape) or one.kind.choices[0]
        option = filters._option(one).flag
        done = run("recordings", "list", option, text)
        assert done.exit_code == 0, (option, done.stderr)
        given = {filters._option(each).flag[2:].replace("-", "_"): None for each in FILTERS if not each.kind.is_list}
        lists = {filters._option(each).flag[2:].replace("-", "_"): () for each in FILTERS if each.kind.is_list}
        chosen = {option[2:].replace("-", "_"): (text,) if one.kind.is_list else text}
        assert list(filters.pairs(given | lists | chosen)) == [(one.name, text)]
    assert run("recordings", "list", "--json", "--archived-at-gte", "2026-11-01").stdout.count('"id": "first"') == 1


def test_an_export_writes_what_the_api_does(run, index):
    lines = run("export", "--format", "ndjson", "--state", "archived").stdout.splitlines()
    listed = json.loads(run("recordings", "list", "--state", "archived", "--json").stdout)["items"]
    assert [json.loads(line) for line in lines] == listed
    rows = run("export", "--format", "csv", "--sort", "created_at").stdout.splitlines()
    assert [row.partition(",")[0] for row in rows] == ['"id"', '"first"', '"second"', '"third"']
    assert run("export", "--format", "csv", "--sort", "name").exit_code == 2
    assert run("export").exit_code == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cursor", "forged"], "cursor= is not one that this listing gave out"),
        (["--state", "lost"], "'lost' is not one of 'pending'"),
        (["--limit", "0"], "0 is not in the range 1<=x<=1000"),
        (["--since", "yesterday"], "neither a time"),
        (["--sort", "name"], "'name' is not one of"),
        (["--host-id", "-1"], "host_id='-1' is not a user id"),
        (["--meeting-id", "../x"], "meeting_id='../x' is not an id"),
        (["--stat", "failed"], "No such option '--stat'. (Did you mean one of: '--sort', '--state'?)"),
        (["extra"], "Got unexpected extra argument"),
    ],
)
def test_wrong_questions_exit_2_and_say_what_is_wrong(run, index, options, message):
    done = run("recordings", "list", *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_show_names_every_field(run, index):
    done = run("recordings", "show", "first")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["meeting.name"] == "Weekly"
    assert lines["archive.key"] == STORED.key
    assert lines["archive.sha256"] == STORED.sha256
    assert lines["participant_ids"] == "7, 8"
    assert lines["hold"] == "no"
    assert lines["error"] == "-"


def test_show_json_is_the_listing_s_item(run, index):
    shown = json.loads(run("recordings", "show", "second", "--json").stdout)
    assert shown in json.loads(run("recordings", "list", "--json").stdout)["items"]
    assert shown["error"]["code"] == "source_too_large"


@pytest.mark.parametrize("command", ["recordings show", "recordings retry", "recordings cancel"])
def test_an_unknown_recording_exits_1(run, index, command):
    done = run(*command.split(), "nobody")
    assert done.exit_code == 1
    assert "there is no recording nobody" in done.stderr
    assert done.stdout == ""


@pytest.fixture
def events():
    """Keep what is logged off the terminal, as a command's level does, and look at it."""
    with capture_logs() as found:
        yield found


def test_retry_and_cancel_write_the_row(run, index, events):
    assert run("recordings", "retry", "second").stdout == "second  pending\n"
    shown = json.loads(run("recordings", "show", "second", "--json").stdout)
    assert (shown["state"], shown["attempts"]) == ("pending", 0)
    assert run("recordings", "cancel", "second", "third").stdout == "second  cancelled\nthird  cancelled\n"
    assert ids(run("recordings", "list", "--json", "--state", "cancelled")) == ["third", "second"]
    user = pwd.getpwuid(os.getuid()).pw_name
    assert [(e["event"], e["recording_id"], e["os_user"]) for e in events] == [
        ("recording_retried", "second", user),
        ("recording_cancelled", "second", user),
        ("recording_cancelled", "third", user),
    ]


def test_who_runs_a_command_is_told_by_number_where_the_system_knows_no_name(run, index, events, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    run("recordings", "cancel", "third")
    assert [e["os_user"] for e in events] == [f"uid {2**31 - 7}"]


def test_each_of_several_is_changed_for_itself(run, index, events):
    done = run("recordings", "retry", "first", "second", "nobody")
    assert done.exit_code == 1
    assert done.stdout == "second  pending\n"
    refused = done.stderr.splitlines()
    assert refused[0].startswith("Error: first: ")
    assert "archived" in refused[0]
    assert refused[1] == "Error: nobody: there is no recording nobody"


def test_retry_needs_an_id(run):
    done = run("recordings", "retry")
    assert done.exit_code == 2
    assert "name ids, or choose with --state or --error-code" in done.stderr


def test_a_recording_that_is_not_archived_has_no_file(run, index, monkeypatch):
    monkeypatch.setenv("RECEIVER_S3_BUCKET", "team")
    done = run("recordings", "download", "second")
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: recording second is failed: there is no file to download\n",
    )


def test_migrate_says_what_it_did(run):
    assert run("migrate").stdout.startswith("The database was brought from no schema to 0")
    assert "nothing to do" in run("migrate").stdout
