"""`receiver migrate --from … --to …` as operators run it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from receiver.app.process import only_worker
from receiver.cli import root
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.settings import Settings
from receiver.tables import open_database, upgrade
from tests.support.clock import NOW
from tests.support.databases import fresh_database
from tests.support.intake import accept
from tests.support.payloads import example

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "hunter2hunter2"


async def _fill(url: str) -> None:
    database = open_database(url)
    await upgrade(database)
    await accept(Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False), example(), now=NOW)
    await database.close()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name an embedded database with one delivery; the command runs in its folder."""
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/receiver.db"
    asyncio.run(_fill(url))
    return url


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Iterator[str]:
    """Name an empty PostgreSQL database, with a password that its local socket does not ask for."""
    with fresh_database(request.getfixturevalue("postgres"), "template0") as url:
        yield url.replace("postgres:@", f"postgres:{PASSWORD}@")


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(root, ["migrate", *arguments])
    assert PASSWORD not in result.output
    return result


def test_each_table_is_shown_with_its_proof(source: str, target: str) -> None:
    done = _run("--from", source, "--to", target)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["TABLE", "ROWS", "SHA-256", "PROOF"]
    (recordings,) = [line.split() for line in lines if line.startswith("recordings ")]
    assert (recordings[1], len(recordings[2]), recordings[3:]) == ("2", 64, ["same", "on", "both"])
    assert "Set RECEIVER_DATABASE_URL to the new database" in lines[-1]
    again = _run("--from", source, "--to", target)
    assert again.exit_code == 1
    assert "already has rows in" in again.stderr


def test_as_json(source: str, target: str) -> None:
    body = json.loads(_run("--from", source, "--to", target, "--json").stdout)
    assert body["from"] == source
    assert body["to"].startswith("postgresql:///test_")
    rows = {item["table"]: (item["rows"], item["ok"]) for item in body["tables"]}
    assert (rows["deliveries"], rows["recordings"]) == ((1, True), (2, True))


def test_a_file_that_a_service_works_on_is_refused(source: str, target: str) -> None:
    with only_worker(Settings(database_url=source)):
        refused = _run("--from", source, "--to", target)
    assert refused.exit_code == 1
    assert "another receiver works on" in refused.stderr


NOWHERE = f"postgresql://u:{PASSWORD}@127.0.0.1:1/db"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (("--from", "sqlite:///receiver.db"), 2, "--from and --to go together"),
        (("--to", NOWHERE), 2, "--from and --to go together"),
        (("--from", NOWHERE, "--to", NOWHERE), 2, "--from must be sqlite:///path"),
        (("--from", "sqlite:///receiver.db", "--to", "sqlite:///b.db"), 2, "--to must be postgresql://"),
        (("--from", "sqlite:///receiver.db", "--to", f"postgresql://u:{PASSWORD}@h:port/db"), 2, "--to is not a URL"),
        (("--from", "sqlite:///absent.db", "--to", NOWHERE), 1, "there is no database at absent.db"),
        (("--from", "sqlite:///receiver.db", "--to", NOWHERE), 1, "the database did not take"),
    ],
)
def test_wrong_ends_are_refused_without_a_traceback(
    source: str, arguments: tuple[str, ...], exit_code: int, says: str
) -> None:
    refused = _run(*arguments)
    assert refused.exit_code == exit_code
    assert says in refused.stderr
    assert not Path("absent.db").exists()
