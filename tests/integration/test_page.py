"""The operators' page over the protocol: who gets in, what a form must bring, and what each answer carries.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from receiver.catalogue import Catalogue
from receiver.page.sessions import LIFE, Sessions
from receiver.records import State
from tests.support.databases import ON_SQLITE
from tests.support.operators import ADMIN, ARCHIVED, NOW, OPERATOR, TOKENS, VIEWER, Outside, add, row
from tests.support.page import browser_of, form_key, post, sign_in

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGES = ("/", "/recordings/r1", "/recordings/r1/download", "/deliveries", "/deliveries/d1")
FORMS = (*(f"/recordings/r1/{verb}" for verb in ("retry", "cancel", "hold", "release")), "/sign-out")


async def state_of(database: Database, recording_id: str = "r1") -> State:
    return (await Catalogue(database).recording(recording_id)).state


# --- signing in and out ---


@pytest.mark.parametrize(
    ("url", "name", "is_secure"),
    [("http://receiver", "receiver_session", False), ("https://receiver", "__Host-receiver_session", True)],
)
async def test_the_cookie_is_kept_from_scripts_and_other_sites(
    database: Database, outside: Outside, url: str, name: str, is_secure: bool
):
    async with browser_of(Catalogue(database), outside, url=url) as client:
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
    async with browser_of(Catalogue(database), outside, url="https://receiver") as client:
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


async def test_a_link_from_elsewhere_arrives_by_a_step_of_our_own(browser: httpx.AsyncClient):
    """The browser sends no SameSite=Strict cookie with it, so that somebody signed in looks like a stranger."""
    there = "/sign-in?next=%2Frecordings%2Fr1"
    answer = await browser.get(there, headers={"Sec-Fetch-Site": "cross-site"})
    assert '<meta http-equiv="refresh" content="0; url=/recordings/r1">' in answer.text
    assert 'type="password"' not in answer.text
    assert 'type="password"' in (await browser.get(there, headers={"Sec-Fetch-Site": "same-origin"})).text


async def test_signing_out_ends_it(viewer: httpx.AsyncClient):
    answer = await post(viewer, "/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await viewer.get("/")).headers["location"].startswith("/sign-in")


async def test_an_expired_or_changed_session_is_none(browser: httpx.AsyncClient):
    await sign_in(browser, VIEWER)
    value = browser.cookies["receiver_session"]
    browser.cookies.clear()
    long_ago = Sessions(lambda: TOKENS, lambda: (b"key",)).begin(TOKENS[0], now=NOW - LIFE)
    for cookie, status in ((value, 200), (value[:-1] + ("0" if value[-1] != "0" else "1"), 303), (long_ago, 303)):
        answer = await browser.get("/", headers={"Cookie": f"receiver_session={cookie}"})
        assert answer.status_code == status, cookie


async def test_without_configured_tokens_the_page_is_closed_and_says_why(database: Database, outside: Outside):
    async with browser_of(Catalogue(database), outside, tokens=()) as client:
        asked = [("GET", path) for path in (*PAGES, "/sign-in")] + [("POST", path) for path in (*FORMS, "/sign-in")]
        for method, path in asked:
            answer = await client.request(method, path)
            assert answer.status_code == 403, path
            assert "no token is configured; set RECEIVER_OPS_TOKENS" in answer.text
            assert answer.headers["content-type"].startswith("text/html")


# --- forms ---

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


# --- what roles may ---


async def test_a_viewer_may_not_change(database: Database, viewer: httpx.AsyncClient, outside: Outside):
    await add(database, row("r1", state=State.FAILED))
    for path in FORMS[:-1]:
        answer = await post(viewer, path)
        assert answer.status_code == 403, path
        assert "this needs the role operator; the token &#39;ci&#39; has the role viewer" in answer.text
    assert (await state_of(database), outside.woken) == (State.FAILED, 0)


def actions_of(text: str) -> set[str]:
    return set(re.findall(r'action="/recordings/r1/([a-z]+)"', text))


async def test_only_what_state_and_role_allow_is_offered(database: Database, browser: httpx.AsyncClient):
    for state in State:
        for verb in (None, "retry", "cancel", "hold"):
            await database.write(lambda tx: tx.exec_driver_sql("DELETE FROM recordings"))
            await add(database, row("r1", **(ARCHIVED | {"state": state})))
            await sign_in(browser, VIEWER if verb is None else OPERATOR)
            shown = (await browser.get("/recordings/r1")).text
            offered = actions_of(shown)
            assert ('href="/recordings/r1/download"' in shown) == (state is State.ARCHIVED)
            if verb is None:
                assert offered == set()
                continue
            assert "hold" in offered
            assert (await post(browser, f"/recordings/r1/{verb}")).status_code == (303 if verb in offered else 409)


async def test_changes_name_who_did_them(database: Database, operator: httpx.AsyncClient):
    await add(database, row("r1", state=State.FAILED))
    with capture_logs() as events:
        for verb in ("hold", "release", "cancel", "retry"):
            assert (await post(operator, f"/recordings/r1/{verb}")).status_code == 303
    assert [(e["event"], e["recording_id"], e["token_name"]) for e in events] == [
        (f"recording_{done}", "r1", "alice") for done in ("held", "released", "cancelled", "retried")
    ]
    assert "put on hold" in (await operator.get("/recordings/r1")).text.lower()


# --- every answer's headers ---


async def test_every_answer_keeps_to_itself(database: Database, browser: httpx.AsyncClient, outside: Outside):
    await add(database, row("r1", **ARCHIVED), row("r2", state=State.FAILED))
    unsigned = [await browser.get("/sign-in"), await browser.get("/"), await sign_in(browser, "wrong")]
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
