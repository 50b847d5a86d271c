"""The page when the index is down, or when it has not what was asked for.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from receiver.errors import StorageUnavailableError
from tests.support.databases import ON_SQLITE
from tests.support.operators import VIEWER, Broken, Outside
from tests.support.page import browser_of, get, seen, sign_in

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE


async def test_an_index_that_is_down_is_a_page_that_says_so(database: Database, outside: Outside):
    broken = Broken(StorageUnavailableError("db-7.internal refused"))
    async with browser_of(database, broken, broken, outside) as client:
        await sign_in(client, VIEWER)
        for path in ("/", "/recordings/r1", "/deliveries", "/deliveries/d1"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "the database cannot take the request now" in answer.text
            assert "db-7" not in answer.text


async def test_what_is_not_there_is_a_page_that_says_so(viewer: httpx.AsyncClient):
    for path in ("/recordings/nope", "/recordings/a.b", "/deliveries/nope", "/deliveries/a%00"):
        assert "there is no" in seen(await get(viewer, path, 404))
