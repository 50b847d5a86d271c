"""A walk over an API that refuses, is away, or stumbles."""

from __future__ import annotations

import asyncio

import pytest

from receiver.errors import ApiLoginRefusedError, ApiPausedError, ApiUnavailableError
from receiver.records import Tally
from receiver.tables import Database
from tests.support.reconciling import old_file, reconciled, reconciling
from tests.support.service import make_meeting, set_fault

GIVEN_UP = (ApiUnavailableError, ApiPausedError)
"""Chance spaces the tries: with short waits the last of them is the probe of an API that was already left alone."""


async def test_refused_credentials_end_it_and_it_can_be_run_again(sandbox, database: Database) -> None:
    await make_meeting(sandbox, old_file())
    await set_fault(sandbox, on="api", kind="status", status=401, match="/session", times=1)
    async with reconciling(database, sandbox) as over:
        with pytest.raises(ApiLoginRefusedError):
            await reconciled(over)
        assert (await reconciled(over)).found == 1


async def test_an_api_that_is_away_at_first_is_given_up_on_soon(database: Database) -> None:
    async with reconciling(database, "http://127.0.0.1:9") as over, asyncio.timeout(60):
        with pytest.raises(GIVEN_UP, match=r"^no connection to the Meetings API at 127\.0\.0\.1 "):
            await reconciled(over)


async def test_an_api_that_stumbles_is_asked_again(sandbox, database: Database) -> None:
    for _ in range(20):
        await make_meeting(sandbox, old_file())
    await set_fault(sandbox, on="api", kind="status", status=429, retry_after=0.2, match="/recordings/", times=5)
    await set_fault(sandbox, on="api", kind="status", status=503, match="/meetings", times=3)
    async with reconciling(database, sandbox) as over:
        assert await reconciled(over) == Tally(meetings=20, recordings=20, found=20)
