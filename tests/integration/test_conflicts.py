"""PostgreSQL ends a transaction for a conflict with another: it is run again, as its manual asks (13.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from receiver.errors import StorageUnavailableError
from tests.support.databases import ON_POSTGRESQL

if TYPE_CHECKING:
    from receiver.tables import Database

ENOUGH = 4
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'a conflict' USING ERRCODE = '{}'; END $$"


@ON_POSTGRESQL
@pytest.mark.parametrize("code", ["40001", "40P01"])
@pytest.mark.parametrize("conflicts", [ENOUGH - 1, ENOUGH])
async def test_a_conflict_is_no_outage_unless_it_goes_on(database: Database, code: str, conflicts: int) -> None:
    runs = 0

    def body(tx: sa.Connection) -> int:
        nonlocal runs
        runs += 1
        if runs <= conflicts:
            tx.execute(sa.text(RAISE.format(code)))
        return runs

    if conflicts < ENOUGH:
        assert await database.write(body) == ENOUGH
    else:
        with pytest.raises(StorageUnavailableError, match="a conflict"):
            await database.write(body)
    assert runs == ENOUGH
