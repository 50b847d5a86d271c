"""Erasing on the page and by the API: admins alone, with a reason and the id typed; then the certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from receiver.records import State
from tests.support.api import bearer
from tests.support.databases import ON_SQLITE
from tests.support.operators import ADMIN, ARCHIVED, OPERATOR, VIEWER, add, row, state_of
from tests.support.page import get, post, seen, sign_in

if TYPE_CHECKING:
    import httpx

    from receiver.tables import Database

FIELDS = {"reason": "request 7", "confirmation": "r1"}


@ON_SQLITE
@pytest.mark.parametrize("token", [VIEWER, OPERATOR])
async def test_who_is_no_admin_neither_sees_nor_does_it(
    database: Database, browser: httpx.AsyncClient, token: str
) -> None:
    await add(database, row("r1", **ARCHIVED))
    await sign_in(browser, token)
    assert "/recordings/r1/erase" not in await get(browser, "/recordings/r1")
    assert 'href="/erasures"' not in await get(browser, "/")
    for path in ("/recordings/r1/erase", "/erasures", "/erasures/x"):
        await get(browser, path, 403)
    assert (await post(browser, "/recordings/r1/erase", FIELDS)).status_code == 403
    assert await state_of(database) is State.ARCHIVED


async def test_an_admin_types_the_id_and_gets_a_certificate(database: Database, browser: httpx.AsyncClient) -> None:
    await add(database, row("r1", **ARCHIVED, host_email="sam@example.com"), row("held", hold=True))
    await sign_in(browser, ADMIN)
    assert "Nothing has been erased." in await get(browser, "/erasures")
    assert 'href="/recordings/r1/erase"' in await get(browser, "/recordings/r1")
    assert "Nothing has been changed yet" in await get(browser, "/recordings/r1/erase")
    assert "on hold" in await get(browser, "/recordings/held/erase")
    for wrong in (FIELDS | {"confirmation": "r2"}, FIELDS | {"reason": ""}, FIELDS | {"reason": "by sam@example.com"}):
        assert (await post(browser, "/recordings/r1/erase", wrong)).status_code == 422
    assert await state_of(database) is State.ARCHIVED
    kept = await post(browser, "/recordings/held/erase", FIELDS | {"confirmation": "held"})
    assert kept.status_code == 409
    done = await post(browser, "/recordings/r1/erase", FIELDS)
    assert done.status_code == 303
    certificate = seen(await get(browser, done.headers["location"]))
    for told in ("request 7", "token:root", "1 of 1 erased", "What may be left elsewhere"):
        assert told in certificate
    assert done.headers["location"] in await get(browser, "/erasures")
    page = await get(browser, "/recordings/r1")
    assert "sam@example.com" not in page
    assert "request 7" in page
    assert 'href="/recordings/r1/erase"' not in page
    await get(browser, "/erasures/none", 404)


@ON_SQLITE
async def test_the_api_erases_for_admins(database: Database, anonymous: httpx.AsyncClient) -> None:
    await add(database, row("r1", **ARCHIVED), row("held", hold=True))

    async def delete(one: str, token: str, reason: str = "request 7") -> httpx.Response:
        path = f"/api/recordings/{one}"
        return await anonymous.request("DELETE", path, headers=bearer(token), json={"reason": reason})

    assert (await delete("r1", OPERATOR)).status_code == 403
    assert (await delete("r1", ADMIN, "by sam@example.com")).status_code == 422
    assert (await delete("none", ADMIN)).status_code == 404
    kept = await delete("held", ADMIN)
    assert (kept.status_code, kept.json()["title"]) == (409, "On hold")
    done = (await delete("r1", ADMIN)).json()
    assert (done["complete"], done["scope"], done["value"], done["actor"]) == (True, "recording", "r1", "token:root")
    assert [one["recording_id"] for one in done["recordings"]] == ["r1"]
    assert (await delete("r1", ADMIN)).json()["erased_before"] == ["r1"]
    shown = (await anonymous.get("/api/recordings/r1", headers=bearer(ADMIN))).json()
    assert (shown["state"], shown["host"]["email"], shown["archive"]) == ("erased", None, None)
