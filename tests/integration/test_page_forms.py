"""What a form of the page must bring to be obeyed.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from receiver.records import State
from tests.support.databases import ON_SQLITE
from tests.support.operators import OPERATOR, Outside, add, row, state_of
from tests.support.page import FORMS, form_key, sign_in

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE
OWN = [
    {},
    {"Origin": "null"},
    {"Origin": "http://receiver:8080"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
]
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://receiver:8081"},
    {"Origin": "http://receiver:8080.evil.example"},
    {"Origin": "http://evil.example", "Host": "receiver:8080"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Sec-Fetch-Site": "anything", "Origin": "http://receiver:8080"},
]


async def test_a_post_of_another_site_is_refused(database: Database, operator: httpx.AsyncClient, outside: Outside):
    await add(database, row("r1", state=State.FAILED))
    fields = {"form_key": form_key((await operator.get("/")).text), "token": OPERATOR}
    for headers in FOREIGN:
        for path in (*FORMS, "/sign-in"):
            answer = await operator.post(path, data=fields, headers=headers)
            assert answer.status_code == 403, (path, headers)
            assert "sent by another site" in answer.text
            assert "set-cookie" not in answer.headers
    assert (await state_of(database), outside.woken) == (State.FAILED, 0)


async def test_a_post_of_the_page_itself_is_obeyed(database: Database, operator: httpx.AsyncClient, outside: Outside):
    fields = {"form_key": form_key((await operator.get("/")).text)}
    for n, headers in enumerate(OWN):
        await add(database, row(f"r{n}", state=State.FAILED))
        answer = await operator.post(f"/recordings/r{n}/retry", data=fields, headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/recordings/r{n}"), headers
        assert (await state_of(database, f"r{n}"), outside.woken) == (State.PENDING, n + 1)


async def test_a_form_without_this_sessions_key_is_refused(
    database: Database, operator: httpx.AsyncClient, outside: Outside
):
    await add(database, row("r1", state=State.FAILED))
    earlier = form_key((await operator.get("/")).text)
    await sign_in(operator, OPERATOR)
    for path in FORMS:
        for fields in ({"other": "1"}, *({"form_key": key} for key in ("", "0" * 64, "ключ", earlier))):
            answer = await operator.post(path, data=fields, headers={"Sec-Fetch-Site": "same-origin"})
            assert answer.status_code == 403, (path, fields)
            assert "this form is not of your session" in answer.text
    assert (await state_of(database), outside.woken) == (State.FAILED, 0)
    assert (await operator.get("/")).status_code == 200


async def test_a_form_of_nobody_leads_to_the_sign_in(database: Database, browser: httpx.AsyncClient, outside: Outside):
    await add(database, row("r1", state=State.FAILED))
    for path in FORMS:
        answer = await browser.post(path, data={"form_key": "0" * 64})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), path
    assert (await state_of(database), outside.woken) == (State.FAILED, 0)


async def test_what_is_no_form_of_the_page(browser: httpx.AsyncClient):
    for content, media_type, status in (
        (b"token=" + b"a" * 16_400, "application/x-www-form-urlencoded", 413),
        (b"token=\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=1" for _ in range(40)), "application/x-www-form-urlencoded", 400),
        (b'{"token": "x"}', "application/json", 415),
        (b"token=x", "", 415),
    ):
        answer = await browser.post("/sign-in", content=content, headers={"Content-Type": media_type})
        assert answer.status_code == status, (content[:20], media_type)
        assert answer.headers["content-type"].startswith("text/html")
