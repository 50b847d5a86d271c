"""The headers of each of the page's answers.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx

from receiver.records import State
from tests.support.databases import ON_SQLITE
from tests.support.operators import ARCHIVED, OPERATOR, Outside, add, row
from tests.support.page import PAGES, sign_in

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


async def test_every_answer_keeps_to_itself(database: Database, browser: httpx.AsyncClient, outside: Outside):
    await add(database, row("r1", **ARCHIVED), row("r2", state=State.FAILED))
    unsigned = [await browser.get("/sign-in"), await browser.get("/"), await sign_in(browser, "wrong")]
    unsigned += [await browser.get("/docs"), await browser.get("/docs/errors")]
    signed = [await sign_in(browser, OPERATOR)]
    signed += [await browser.get(path) for path in (*PAGES, "/recordings/r2", "/recordings/no", "/?sort=x")]
    signed += [await browser.post("/recordings/r1/retry", data={"form_key": "0"})]
    for answer in (*unsigned, *signed):
        assert answer.headers["cache-control"] == "no-store", answer.url
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        if answer.status_code not in {303, 307}:
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            media = "; media-src 'self' https://team.s3.example.com" if answer.url.path == "/recordings/r1" else ""
            assert answer.headers["content-security-policy"] == POLICY + media
        assert not re.search(r"<script[^>]*>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:", answer.text)


async def test_own_files_are_sent_anew_only_when_changed(browser: httpx.AsyncClient):
    for name, start in (("page.css", ":root"), ("page.js", "//"), ("icon.svg", "<svg")):
        answer = await browser.get(f"/static/{name}")
        assert answer.text.startswith(start)
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
        again = await browser.get(f"/static/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    for path in ("/static/", "/static/no.css", "/static/%2e%2e/routes.py", "/static/..%2fparts.py"):
        assert (await browser.get(path)).status_code == 404
