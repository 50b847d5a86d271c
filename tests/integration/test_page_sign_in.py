"""Signing in to the page and out of it: who gets in, where it leads, and what the cookie is.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from receiver.app.ended_sessions import DatabaseEndedSessions
from receiver.catalogue import Catalogue, Interventions
from receiver.page.sessions import LIFE, PageSessions
from tests.support.databases import ON_SQLITE
from tests.support.operators import ADMIN, ARCHIVED, NOW, OPERATOR, TOKENS, VIEWER, Outside, add, row
from tests.support.page import FORMS, PAGES, browser_of, post, sign_in

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE


@pytest.mark.parametrize(
    ("url", "name", "is_secure"),
    [("http://receiver", "receiver_session", False), ("https://receiver", "__Host-receiver_session", True)],
)
async def test_the_cookie_is_kept_from_scripts_and_other_sites(
    database: Database, outside: Outside, url: str, name: str, is_secure: bool
):
    async with browser_of(database, Catalogue(database), Interventions(database), outside, url=url) as client:
        with capture_logs() as events:
            answer = await sign_in(client, f"  {OPERATOR}\n")
        cookie, *flags = answer.headers["set-cookie"].split("; ")
        assert cookie.startswith(f"{name}=")
        expected = {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict"} | ({"Secure"} if is_secure else set())
        assert set(flags) == expected
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        home = await client.get("/")
        assert home.status_code == 200
        assert re.search(r"<bdi>alice</bdi>\s*<small>operator</small>", home.text)
        assert [(e["event"], e["token_name"]) for e in events] == [("operator_signed_in", "alice")]
        everything = str(answer.headers) + home.text + str(events)
        assert not [token for token in (VIEWER, OPERATOR, ADMIN) if token in everything]


async def test_over_tls_only_the_prefixed_cookie_counts(database: Database, outside: Outside):
    async with browser_of(
        database, Catalogue(database), Interventions(database), outside, url="https://receiver"
    ) as client:
        await sign_in(client, VIEWER)
        value = client.cookies["__Host-receiver_session"]
        client.cookies.clear()
        answer = await client.get("/", headers={"Cookie": f"receiver_session={value}"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2F")


async def test_a_wrong_token_is_told_so_and_gets_no_cookie(browser: httpx.AsyncClient):
    for token in ("", "wrong", VIEWER[:-1], f"{VIEWER} {VIEWER}"):
        answer = await sign_in(browser, token)
        assert answer.status_code == 401
        assert "That is not one of the service&#39;s ops tokens." in answer.text
        assert "set-cookie" not in answer.headers
        assert not token or token not in answer.text


async def test_guesses_at_the_page_and_the_api_are_counted_together(browser: httpx.AsyncClient):
    for _ in range(10):
        assert (await sign_in(browser, "guess")).status_code == 401
        assert (await browser.get("/api/stats", headers={"Authorization": "Bearer guess"})).status_code == 401
    answer = await sign_in(browser, "guess")
    assert answer.status_code == 429
    assert "too many requests without a good token came from this address" in answer.text
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert (await sign_in(browser, VIEWER)).status_code == 303


async def test_nobody_sees_a_page_unsigned_and_the_sign_in_leads_back(
    database: Database, browser: httpx.AsyncClient, outside: Outside
):
    await add(database, row("r1", **ARCHIVED))
    for path in (*PAGES, "/?q=a+b&state=failed"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.content) == (303, b""), path
        there = urlsplit(answer.headers["location"])
        assert (there.path, parse_qs(there.query)["next"]) == ("/sign-in", [path])
        to = re.search(r'name="next" value="([^"]*)"', (await browser.get(there.geturl())).text)
        assert to
        assert html.unescape(to[1]) == ("/" if path.endswith("/download") else path)
    assert outside.presigned == []


PLACES = [
    ("/recordings/r1", "/recordings/r1"),
    ("/deliveries?status=partial", "/deliveries?status=partial"),
    ("/?q=%2F%2Fevil", "/?q=%2F%2Fevil"),
    ("https://evil.example/", "/"),
    ("//evil.example", "/"),
    ("//2130706433?x", "/"),
    ("//2130706433", "/"),
    ("///2130706433?x", "/"),
    ("/\t/2130706433", "/"),
    ("/?q=\rSet-Cookie: a=b", "/"),
    ("/?q=\x00", "/"),
    ("/?q=a b", "/"),
    ("/recordings//evil.example", "/"),
    ("/%2f%2fevil.example", "/"),
    ("/@evil.example", "/"),
    ("@evil.example", "/"),
    ("\\\\evil.example", "/"),
    (" //evil.example", "/"),
    ("/;@evil.example", "/"),
    ("http:evil.example", "/"),
    ("?next=//evil.example", "/"),
    ("/\\evil.example", "/"),
    ("/recordings/../../evil", "/"),
    ("/recordings\r\nSet-Cookie: a=b", "/"),
    ("/?q=\r\nSet-Cookie: a=b", "/"),
    ("javascript:alert(1)", "/"),
    ("/api/recordings", "/"),
    ("/sign-in", "/"),
    ("", "/"),
]


async def test_a_sign_in_leads_to_no_other_place(browser: httpx.AsyncClient):
    for given, to in PLACES:
        answer = await sign_in(browser, VIEWER, next=given)
        assert (answer.status_code, answer.headers["location"]) == (303, to), given
        assert len(answer.headers.get_list("set-cookie")) == 1
        again = await browser.get("/sign-in?" + urlencode({"next": given}))
        assert (again.status_code, again.headers["location"]) == (303, to), given
        assert urljoin("https://archive.example", to).startswith("https://archive.example/")


async def test_a_link_from_elsewhere_arrives_by_a_step_of_our_own(browser: httpx.AsyncClient):
    """The browser sends no SameSite=Strict cookie with it, so that somebody signed in looks like a stranger."""
    there = "/sign-in?next=%2Frecordings%2Fr1"
    answer = await browser.get(there, headers={"Sec-Fetch-Site": "cross-site"})
    assert '<meta http-equiv="refresh" content="0; url=/recordings/r1">' in answer.text
    assert 'type="password"' not in answer.text
    assert 'type="password"' in (await browser.get(there, headers={"Sec-Fetch-Site": "same-origin"})).text


async def test_signing_out_ends_it(viewer: httpx.AsyncClient):
    value = viewer.cookies["receiver_session"]
    answer = await post(viewer, "/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await viewer.get("/")).headers["location"].startswith("/sign-in")
    kept = {"Cookie": f"receiver_session={value}"}
    for path in ("/", "/recordings/r1"):
        assert (await viewer.get(path, headers=kept)).headers["location"].startswith("/sign-in"), "a copy lives on"
    assert (await viewer.get("/sign-in", headers=kept)).status_code == 200
    assert (await viewer.post("/sign-out", headers=kept)).headers["location"] == "/sign-in"


async def test_an_expired_or_changed_session_is_none(database: Database, browser: httpx.AsyncClient):
    await sign_in(browser, VIEWER)
    value = browser.cookies["receiver_session"]
    browser.cookies.clear()
    ended = DatabaseEndedSessions(database, lambda: NOW)
    long_ago = PageSessions(lambda: TOKENS, lambda: (b"key",), ended).begin(TOKENS[0], now=NOW - LIFE)
    for cookie, status in ((value, 200), (value[:-1] + ("0" if value[-1] != "0" else "1"), 303), (long_ago, 303)):
        answer = await browser.get("/", headers={"Cookie": f"receiver_session={cookie}"})
        assert answer.status_code == status, cookie


async def test_without_configured_tokens_the_page_is_closed_and_says_why(database: Database, outside: Outside):
    async with browser_of(database, Catalogue(database), Interventions(database), outside, tokens=()) as client:
        asked = [("GET", path) for path in (*PAGES, "/sign-in")] + [("POST", path) for path in (*FORMS, "/sign-in")]
        for method, path in asked:
            answer = await client.request(method, path)
            assert answer.status_code == 403, path
            assert "no token is configured; set RECEIVER_OPS_TOKENS" in answer.text
            assert answer.headers["content-type"].startswith("text/html")
