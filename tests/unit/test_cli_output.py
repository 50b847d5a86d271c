"""What reaches stdout: nothing a terminal would act on, nothing cut short in a pipe."""

from __future__ import annotations

import json
import re

import pytest

from receiver.cli import output
from receiver.cli.output import Column

ID = "64ba8abeea1de683a37139fd"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Friday sync", "Friday sync"),
        ("Пятница 会议 🎥", "Пятница 会议 🎥"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("two\nlines\t", r"two\nlines\t"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202eright to left", r"\u202eright to left"),
        ("\ud800", r"\ud800"),
    ],
)
def test_control_characters_of_names_are_shown_not_sent(text, shown):
    assert output.clean(text) == shown


def test_a_table_in_a_pipe_is_plain_aligned_and_complete(capsys):
    long = "a very long meeting name " * 20
    columns = [Column("ID", whole=True), Column("SIZE", right=True), Column("MEETING")]
    output.print_table(columns, [[ID, "8.0 MB", long.strip()], [ID, "-", "[bold]\x1b[31mred"]])
    head, first, second = capsys.readouterr().out.splitlines()
    assert head == f"{'ID':24}    SIZE  MEETING"
    assert first == f"{ID}  8.0 MB  {long.strip()}"
    assert second == f"{ID}       -  [bold]\\x1b[31mred"


def test_a_table_on_a_narrow_terminal_keeps_ids_whole(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    output.print_table([Column("ID", whole=True), Column("MEETING")], [[ID, "[bold]a meeting with a long name"]])
    head, row = re.sub(r"\x1b\[[01]m", "", capsys.readouterr().out).splitlines()
    assert "\x1b" not in head + row, "NO_COLOR leaves nothing but bold"
    assert head.split() == ["ID", "MEETING"]
    assert row.startswith(f"{ID} ")
    assert row.rstrip().endswith("…")
    assert "[bold]a" in row


def test_an_empty_table_is_its_head(capsys):
    output.print_table([Column("ID"), Column("STATE")], [])
    assert capsys.readouterr().out == "ID  STATE\n"


def test_json_is_one_document_that_no_terminal_acts_on(capsys):
    value = {"name": "Пятница \x1b[2J \x9b31m \x7f \ud800", "none": None}
    output.print_json(value)
    printed = capsys.readouterr().out
    assert json.loads(printed) == value
    assert "Пятница" in printed
    assert printed.isascii() is False
    assert not {"\x1b", "\x9b", "\x7f"} & set(printed)


def test_fields_are_flat_and_named_by_their_path(capsys):
    body = {
        "id": ID,
        "meeting": {"id": "m", "name": None},
        "participant_ids": [1, 2],
        "hold": False,
        "rejected": [{"index": 0, "errors": ["_id: is missing"]}],
        "recording_ids": [],
    }
    output.print_fields(body)
    assert capsys.readouterr().out.splitlines() == [
        f"id                  {ID}",
        "meeting.id          m",
        "meeting.name        -",
        "participant_ids     1, 2",
        "hold                no",
        "rejected[0].index   0",
        "rejected[0].errors  _id: is missing",
        "recording_ids       -",
    ]
