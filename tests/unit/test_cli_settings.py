"""Wrong settings: exit 2 and every problem at once; misspelt ones: a warning with the name that was meant."""

from __future__ import annotations

import logging

import pytest
from click.testing import CliRunner

from receiver.cli import environment, root
from receiver.settings import Needs


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments, **variables):
        return CliRunner().invoke(root, arguments, env={f"RECEIVER_{k}": v for k, v in variables.items()})

    return invoke


def test_serve_without_settings_names_all_that_are_needed(run):
    done = run("serve")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "Error: 2 problems:",
        "  RECEIVER_S3_BUCKET is not set (example: RECEIVER_S3_BUCKET=team-recordings)",
        "  RECEIVER_WEBHOOK_SECRETS is not set (example: RECEIVER_WEBHOOK_SECRETS=3f9c0a6b7d21485e9b54c6f0)",
    ]
    assert done.stdout == ""


def test_a_wrong_value_is_named_without_being_shown(run):
    done = run("recordings", "list", DATABASE_URL="mysql://root:hunter2@db/x")
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: RECEIVER_DATABASE_URL is wrong: must be sqlite:///path or postgresql://")
    assert "hunter2" not in done.output


def test_download_needs_a_bucket(run):
    done = run("recordings", "download", "x")
    assert done.exit_code == 2
    assert "RECEIVER_S3_BUCKET is not set" in done.stderr


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("S3_BUKET", "; did you mean RECEIVER_S3_BUCKET?"),
        ("DATABASE_URI", "; did you mean RECEIVER_DATABASE_URL?"),
        ("WEBHOOK_SECRETS_FIEL", "; did you mean RECEIVER_WEBHOOK_SECRETS_FILE?"),
    ],
)
def test_a_misspelt_variable_is_a_warning(run, name, hint):
    done = run("migrate", DATABASE_URL="sqlite:///./x.db", **{name: "x"})
    assert done.exit_code == 0
    assert done.stderr == f"Warning: RECEIVER_{name} is not a setting and is ignored{hint}\n"


def test_a_misspelt_line_of_the_dotenv_file_is_a_warning_too(run, tmp_path):
    (tmp_path / ".env").write_text("RECEIVER_DATABASE_URL=sqlite:///./x.db\nRECEIVER_ZZZ=1\n")
    done = run("migrate")
    assert done.exit_code == 0
    assert done.stderr == "Warning: RECEIVER_ZZZ is not a setting and is ignored\n"
    assert (tmp_path / "x.db").exists()


def test_a_command_creates_no_database(run, tmp_path):
    done = run("recordings", "list", DATABASE_URL=f"sqlite:///{tmp_path}/none.db")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: there is no database at {tmp_path}/none.db; set RECEIVER_DATABASE_URL as")
    assert not (tmp_path / "none.db").exists()


def test_a_database_that_cannot_be_opened_is_one_line_and_exit_1(run, tmp_path):
    done = run("recordings", "list", DATABASE_URL=f"sqlite:///{tmp_path}")
    assert done.exit_code == 1
    assert done.stderr == "Error: the database did not take the statement: unable to open database file\n"


def test_a_place_that_cannot_be_written_is_named(run):
    done = run("migrate", DATABASE_URL="sqlite:////nowhere/at/all.db")
    assert done.exit_code == 1
    assert done.stderr.startswith(
        "Error: cannot write /nowhere/at/all.db: No such file or directory; RECEIVER_DATABASE"
    )


@pytest.mark.parametrize(
    ("variables", "service", "command"),
    [
        ({}, (logging.INFO, None), (logging.WARNING, None)),
        ({"LOG_LEVEL": "DEBUG", "LOG_FORMAT": "text"}, (logging.DEBUG, True), (logging.WARNING, True)),
        ({"LOG_LEVEL": "error", "LOG_FORMAT": "json"}, (logging.ERROR, False), (logging.ERROR, False)),
    ],
)
def test_how_much_is_logged_and_how(tmp_path, monkeypatch, variables, service, command):
    configured = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("receiver.logs.configure", lambda *, level, pretty: configured.append((level, pretty)))
    for name, value in variables.items():
        monkeypatch.setenv(f"RECEIVER_{name}", value)
    environment.settings_for(Needs.DATABASE, is_service=True)
    environment.settings_for(Needs.DATABASE)
    assert configured == [service, command]


def test_a_wrong_level_or_format_is_told_with_what_there_is(run):
    done = run("recordings", "list", LOG_LEVEL="verbose", LOG_FORMAT="xml")
    assert done.exit_code == 2
    assert "RECEIVER_LOG_LEVEL is wrong: input should be 'debug', 'info', 'warning' or 'error'" in done.stderr
    assert "RECEIVER_LOG_FORMAT is wrong: input should be 'json' or 'text'" in done.stderr
    assert "(example: RECEIVER_LOG_LEVEL=info)" in done.stderr
