"""A pause that the Meetings API asked for: `receiver check` shows it, `receiver lift-pause` ends it, on record."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from receiver.app.check import Health
from receiver.app.check.api import api_findings
from receiver.app.check.queue import queue_findings
from receiver.app.shared_pause import DatabasePause
from receiver.catalogue import audit_log
from receiver.cli import root
from receiver.errors import remedies_by_hand
from receiver.records import State
from receiver.tables import audit_log as entries
from tests.support.checking import expect, found_by, settings_of
from tests.support.operators import NOW, add, row, state_of

if TYPE_CHECKING:
    from receiver.tables import Database

API = "http://127.0.0.1:1"
"""Nothing answers there, and nothing is to be asked."""


def waiting(recording_id: str, code: str) -> dict[str, object]:
    return row(recording_id, state=State.WAITING, attempts=3, error_code=code, next_attempt_at=NOW)


async def test_an_operator_sees_it_and_ends_it(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"API_URL": API, "API_ADMIN_KEY": "an-admin-key", "DATABASE_URL": database_url}
    for name, value in variables.items():
        monkeypatch.setenv(f"RECEIVER_{name}", value)
    await add(database, waiting("r1", "api_paused"), waiting("r2", "source_unavailable"), row("r3"))
    pause = DatabasePause(database, API)
    await pause.ask(86_400)

    found = await found_by(api_findings(settings_of(**variables)))
    expect(found, "api pause", Health.WARNING, "lasts 86", "nobody asks it anything", "receiver lift-pause")
    assert [finding.name for finding in found] == ["api pause", "api"], "it is not asked meanwhile"
    found = await found_by(queue_findings(settings_of(**variables)))
    expect(found, "queue", Health.WARNING, "waiting with the code api_paused: 1")

    done = await asyncio.to_thread(CliRunner().invoke, root, ["lift-pause", "--json"])
    assert done.exit_code == 0, done.output
    lifted = json.loads(done.stdout)
    assert lifted["recordings"] == 1
    assert 86_300 < lifted["seconds_left"] <= 86_400
    assert await pause.left_s() == 0
    assert [await state_of(database, one) for one in ("r1", "r2", "r3")] == [
        State.PENDING,
        State.WAITING,
        State.PENDING,
    ]
    assert await audit_log.seal(database) == 1
    assert await audit_log.verify(database) is None
    written = await database.read(lambda tx: tx.execute(sa.select(entries)).one())
    user = pwd.getpwuid(os.getuid()).pw_name
    assert (written.actor, written.action, written.subject) == (f"cli:{user}", "api_pause_lifted", API)
    assert written.details["recordings"] == 1
    found = await found_by(queue_findings(settings_of(**variables)))
    expect(found, "queue", Health.OK)

    again = await asyncio.to_thread(CliRunner().invoke, root, ["lift-pause"])
    assert (again.exit_code, again.stdout) == (0, "no pause was running; recordings that are tried now: 0\n")


@pytest.mark.parametrize("code", ["api_unauthorized", "bucket_missing", "proof_too_weak"])
async def test_whatever_waits_for_a_hand_is_told_of_with_what_it_waits_for(
    code: str, database: Database, database_url: str
) -> None:
    await add(database, waiting("r1", code), waiting("r2", "source_unavailable"))
    found = await found_by(queue_findings(settings_of(DATABASE_URL=database_url)))
    expect(found, "queue", Health.WARNING, f"waiting with the code {code}: 1", remedies_by_hand()[code])
