"""Wrong uses of reconcile and backfill, and what people are shown."""

from __future__ import annotations

import io
import sys

import pytest
from click.testing import CliRunner

from receiver.cli import root
from receiver.cli.progress import meetings_progress
from receiver.cli.tally import print_tally
from receiver.records import Tally


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no .env is read


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["reconcile", "--since", "yesterday"], "is neither a time"),
        (["reconcile", "extra"], "unexpected extra argument"),
        (["reconcile"], "no way to the API is set"),
        (["backfill"], "--meeting-ids"),
        (["backfill", "--meeting-ids", "no-such-file"], "no-such-file"),
        (["backfill", "--meeting-ids", "-"], "no way to the API is set"),
    ],
)
def test_wrong_use_exits_2(arguments, told):
    done = CliRunner().invoke(root, arguments)
    assert done.exit_code == 2, done.output
    assert told in done.stderr


def test_a_missing_database_exits_1_with_the_remedy():
    done = CliRunner().invoke(root, ["reconcile"], env={"RECEIVER_API_TOKEN": "canary-token"})
    assert done.exit_code == 1
    assert "RECEIVER_DATABASE_URL" in done.stderr


@pytest.mark.parametrize(
    ("tally", "code", "told"),
    [
        (Tally(), 0, ""),
        (Tally(meetings=2, recordings=2000, found=2000, reopened=1), 0, ""),
        (Tally(gone=1, recent=1), 0, "Recent: "),
        (Tally(gone=1, lost=1), 1, "Lost: "),
        (Tally(changed=1), 1, "Changed: "),
        (Tally(unreadable=1), 1, "Unreadable: "),
    ],
)
def test_people_are_shown_every_count_and_what_to_do(capsys, tally, code, told):
    assert print_tally(tally, {}, as_json=False) == code
    titles, counts, *remedies = capsys.readouterr().out.splitlines()
    assert titles.split() == [
        *("MEETINGS", "RECORDINGS", "FOUND", "REOPENED", "RECENT", "GONE", "LOST", "CHANGED", "UNREADABLE")
    ]
    assert counts.split()[2] == f"{tally.found:,}"
    assert any(line.startswith(told) for line in remedies) or not told
    assert bool(remedies) == bool(told)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal(), True), (io.StringIO(), False)], ids=["terminal", "pipe"])
def test_progress_is_shown_on_a_terminal_alone(monkeypatch, stream, shown):
    monkeypatch.setattr(sys, "stderr", stream)
    with meetings_progress() as on_progress:
        on_progress(Tally(meetings=1200, recordings=2, found=1))
    assert ("1,200 meetings, 2 recordings, 1 found" in stream.getvalue()) is shown
    assert shown or stream.getvalue() == ""
