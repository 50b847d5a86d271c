"""Help is cheap, and a mistyped command is answered with the one that was meant."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from receiver.cli import root

HEAVY = {"aiobotocore", "botocore", "sqlalchemy", "pydantic", "starlette", "rich", "aiohttp", "structlog", "uvicorn"}
MAX_CPU_S = 0.4

PROBE = """
import json, sys, time
from receiver.cli import root
root.main(sys.argv[1:], prog_name="receiver", standalone_mode=False)
print(json.dumps([sorted({name.partition(".")[0] for name in sys.modules}), time.process_time()]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["recordings", "--help"], ["deliveries", "--help"]], ids=" ".join
)
def test_help_imports_no_library_but_click(arguments):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True, timeout=30
    )
    modules, cpu_s = json.loads(done.stderr)
    assert not HEAVY & set(modules)
    assert cpu_s < MAX_CPU_S
    assert "receiver" in done.stdout


def test_help_lists_every_command_with_what_it_does():
    done = CliRunner().invoke(root, ["--help"])
    assert done.exit_code == 0
    names = (
        "serve",
        "migrate",
        "check",
        "recordings",
        "deliveries",
        "reconcile",
        "backfill",
        "clean-up",
        "export",
        "openapi",
        "demo",
        "sandbox",
    )
    for name in names:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "migrate",
        "check",
        "demo",
        "sandbox",
        "recordings list",
        "recordings show",
        "recordings download",
        "recordings retry",
        "recordings cancel",
        "deliveries list",
        "deliveries show",
        "deliveries replay",
        "reconcile",
        "backfill",
        "clean-up",
        "holds list",
        "holds add",
        "holds release",
        "retention",
        "export",
        "openapi",
    ],
)
def test_every_command_of_the_tables_exists_and_explains_itself(command):
    done = CliRunner().invoke(root, [*command.split(), "--help"])
    assert done.exit_code == 0, done.output
    assert f"{command} [OPTIONS]" in done.stdout
    assert "--help" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "meant"), [(["recordngs"], "recordings"), (["recordings", "lst"], "list"), (["demoo"], "demo")]
)
def test_a_mistyped_command_exits_2_and_names_the_nearest(arguments, meant):
    done = CliRunner().invoke(root, arguments)
    assert done.exit_code == 2
    assert f"Did you mean '{meant}'?" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("receiver recor", {"recordings"}),
        ("receiver recordings ", {"list", "show", "download", "retry", "cancel"}),
        ("receiver export --format ", {"csv", "ndjson"}),
        ("receiver recordings list --state m", {"missing"}),
    ],
)
def test_the_shell_is_offered_what_may_come_next(words, offered):
    environment = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_RECEIVER_COMPLETE": "bash_complete"}
    done = CliRunner().invoke(root, env=environment, prog_name="receiver")
    assert {line.partition(",")[2] for line in done.stdout.split()} == offered


@pytest.mark.parametrize("arguments", [[], ["recordings"], ["deliveries"]])
def test_a_command_left_out_exits_2_and_shows_the_help(arguments):
    done = CliRunner().invoke(root, arguments)
    assert done.exit_code == 2
    assert "Commands:" in done.output
