"""`receiver check` names what is wrong with the way to the Meetings API."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from receiver.app.check import Health
from receiver.app.check.api import api_findings
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from tests.support.checking import bad, expect, found_by, settings_of
from tests.support.intake import accept
from tests.support.scripted_api import listing, refusal, scripted_api
from tests.support.service import make_meeting, set_fault

LOGIN = {
    "API_ADMIN_KEY": "",
    "API_APP_ID": "4242",
    "API_AUTH_KEY": "sandbox-auth-key",
    "API_USER_LOGIN": "archive-bot",
    "API_USER_PASSWORD": "sandbox-password",
    "API_USER_ID": "6892473",
}
SIGNED = LOGIN | {"API_AUTH_SECRET": "sandbox-auth-secret"}


@pytest.fixture
def look(sandbox, tmp_path):
    """Check the way to the platform with these settings changed; there is no index."""

    async def found(**changes):
        own = {
            "API_URL": sandbox.url,
            "API_ADMIN_KEY": sandbox.config.admin_key,
            "DATABASE_URL": f"sqlite:///{tmp_path}/none.db",
        }
        return await found_by(api_findings(settings_of(**own | changes)))

    return found


async def token_of(sandbox):
    body = {"application_id": 4242, "auth_key": "sandbox-auth-key", "timestamp": int(datetime.now(UTC).timestamp())}
    body["user"] = {"login": "archive-bot", "password": "sandbox-password"}
    async with httpx.AsyncClient(base_url=sandbox.url) as client:
        return (await client.post("/session", json=body)).json()["session"]["token"]


async def ended(sandbox, token):
    async with httpx.AsyncClient(base_url=sandbox.url) as client:
        (await client.delete("/session", headers={"CB-Token": token})).raise_for_status()


@pytest.mark.parametrize("changes", [{}, LOGIN, SIGNED], ids=["admin key", "login", "signed login"])
async def test_a_good_way_is_ok(look, changes):
    found = await look(**changes)
    assert bad(found) == set()
    expect(found, "api recordings", Health.OK, "no such meeting")
    if changes:
        expect(found, "api user", Health.OK, "6892473")


async def test_a_good_token_is_ok(look, sandbox):
    found = await look(API_ADMIN_KEY="", API_TOKEN=await token_of(sandbox))
    assert bad(found) == set()


async def test_an_expired_token(look, sandbox):
    token = await token_of(sandbox)
    await ended(sandbox, token)
    found = await look(API_ADMIN_KEY="", API_TOKEN=token)
    expect(
        found,
        "api credentials",
        Health.WRONG,
        "401: Required session does not exist",
        "new token",
        "RECEIVER_API_TOKEN",
    )
    assert token not in str(found)


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"API_ADMIN_KEY": "canary"}, "api credentials", ["401: Unauthorized", "RECEIVER_API_ADMIN_KEY", "rotated"]),
        (LOGIN | {"API_USER_PASSWORD": "canary"}, "api credentials", ["401", "RECEIVER_API_USER_PASSWORD"]),
        (LOGIN | {"API_APP_ID": "9"}, "api credentials", ["No application found", "RECEIVER_API_APP_ID", "_AUTH_KEY"]),
        (SIGNED | {"API_AUTH_SECRET": "canary"}, "api credentials", ["signature", "correct RECEIVER_API_AUTH_SECRET"]),
        (LOGIN | {"API_USER_ID": "77"}, "api user", ["user 6892473", "77", "RECEIVER_API_USER_LOGIN"]),
        (LOGIN | {"API_USER_LOGIN": "archiv-bot"}, "api user", ["not of RECEIVER_API_USER_ID", "_LOGIN"]),
    ],
    ids=["admin key", "password", "application", "signature secret", "another user's id", "mistyped login"],
)
async def test_wrong_credentials(look, changes, name, words):
    found = await look(**changes)
    expect(found, name, Health.WRONG, *words)
    assert "canary" not in str(found)


async def test_a_login_without_the_users_id_is_a_warning_that_names_it(look):
    found = await look(**LOGIN | {"API_USER_ID": ""})
    expect(found, "api user", Health.WARNING, "set RECEIVER_API_USER_ID=6892473", "mistyped login")


async def test_no_way_at_all_is_a_warning(look):
    expect(
        await look(API_ADMIN_KEY=""),
        "api",
        Health.WARNING,
        "payload URLs are used while they live",
        "RECEIVER_API_TOKEN",
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", ["no connection", "127.0.0.1"]),
        ("http://nohost.invalid", ["no connection", "nohost.invalid"]),
        ("https://{host}", ["no connection", "SSL"]),
    ],
    ids=["unreachable", "unknown host", "https to http"],
)
async def test_no_api_there(look, sandbox, url, words):
    found = await look(API_URL=url.format(host=sandbox.url.partition("://")[2]))
    expect(found, "api", Health.WRONG, *words, "correct RECEIVER_API_URL")


@pytest.mark.parametrize("changes", [{}, LOGIN], ids=["admin key", "login"])
@pytest.mark.parametrize("status", [200, 404, 502])
async def test_a_web_page_answers(look, sandbox, changes, status):
    await set_fault(sandbox, on="api", kind="not_json", status=status)
    expect(await look(**changes), "api", Health.WRONG, "correct RECEIVER_API_URL")


@pytest.mark.parametrize("changes", [{}, LOGIN], ids=["admin key", "login"])
async def test_a_path_that_the_api_does_not_have(look, sandbox, changes):
    found = await look(API_URL=f"{sandbox.url}/v9", **changes)
    name, state = ("api credentials", Health.WRONG) if changes else ("api", Health.WARNING)
    expect(found, name, state, "RECEIVER_API")
    assert not [finding for finding in found if finding.name == "api credentials" and finding.state is Health.OK]


@pytest.mark.parametrize("hours", [-2, 2], ids=["behind", "ahead of"])
async def test_a_clock_that_is_off_by_two_hours(look, hours):
    now = datetime.now(UTC) - timedelta(hours=hours)

    async def refused(_request):
        return refusal(422, "Bad timestamp", Date=format_datetime(now, usegmt=True))

    async with scripted_api() as api:
        api.session, api.listing = refused, refused
        found = await look(API_URL=api.url, **LOGIN)
    expect(
        found, "api clock", Health.WRONG, "120 minutes", "behind" if hours < 0 else "ahead of", "set the clock", "NTP"
    )
    expect(found, "api credentials", Health.WRONG, "Bad timestamp", "set the clock first")


async def test_a_clock_that_is_off_by_two_minutes_is_a_warning(look):
    async def answer(_request):
        response = listing()
        response.headers["Date"] = format_datetime(datetime.now(UTC) - timedelta(minutes=2), usegmt=True)
        return response

    async with scripted_api() as api:
        api.listing = answer
        found = await look(API_URL=api.url)
    expect(found, "api clock", Health.WARNING, "ahead of", "NTP")
    assert bad(found) == {"api clock"}


async def test_an_api_that_asks_for_a_pause_is_neither_wrong_nor_judged(look, sandbox):
    await set_fault(sandbox, on="api", kind="status", status=429, retry_after=30, times=1)
    found = await look()
    expect(found, "api", Health.WARNING, "wait", "check again")
    assert not [finding for finding in found if finding.name == "api credentials"]


async def test_an_admin_key_that_may_not_list_recordings(look, sandbox):
    await set_fault(sandbox, on="api", kind="status", status=403, times=1)
    found = await look()
    expect(found, "api recordings", Health.WRONG, "403", "RECEIVER_API_ADMIN_KEY", "host")


async def test_everybody_is_refused(look, sandbox):
    await set_fault(sandbox, on="api", kind="status", status=403)
    expect(await look(), "api recordings", Health.WRONG, "403", "any others", "RECEIVER_API_URL")


async def test_a_login_that_may_not_see_the_meeting_of_nobody_is_a_warning(look, sandbox):
    await set_fault(sandbox, on="api", kind="status", status=403, match="recordings")
    expect(await look(**LOGIN), "api recordings", Health.WARNING, "403", "login of the meetings' host")


async def test_the_newest_meeting_of_the_index_is_asked_for(sandbox, database, database_url, look):
    made = await make_meeting(sandbox, {"kind": "mp4"}, host_id=99)
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)
    await accept(inbox, json.dumps(made["payload"]).encode(), now=datetime.now(UTC))
    found = await look(DATABASE_URL=database_url)
    expect(found, "api recordings", Health.OK, "were listed")
    await set_fault(sandbox, on="api", kind="status", status=403, match=made["meeting"]["_id"])
    found = await look(DATABASE_URL=database_url, **LOGIN)
    expect(found, "api recordings", Health.WRONG, "newest meeting", "403", "host")


async def test_a_silent_api_is_given_up_on(look, sandbox):
    await set_fault(sandbox, on="api", kind="hang")
    found = await look(API_TIMEOUT_S="0.3")
    expect(found, "api", Health.WRONG, "no whole answer within 0.3 s", "RECEIVER_API_URL")
