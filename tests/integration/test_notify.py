"""The ways to people: e-mail by TLS and login, Apprise, the test command, what `check` says; and no secret leaks."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from receiver import logs
from receiver.app.check.notices import notice_findings
from receiver.app.configs import learn_secrets
from receiver.app.notices import make_watch
from receiver.catalogue import Notices, Outbox
from receiver.errors import NotSentError, SettingsError
from receiver.jobs import open_jobs
from receiver.notices import Channels, Message, open_channels
from receiver.notices.mail import MailServer
from receiver.records import EventType, NoticeKind, RecordingId
from receiver.settings import Needs, Settings, load
from tests.support.databases import ON_SQLITE
from tests.support.event_receiver import SECRET, EventReceiver
from tests.support.mailbox import PASSWORD, Mailbox
from tests.support.operators import NOW, add, row

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from receiver.tables import Database

MESSAGE = Message("[team] A title", "What happened: nothing\n")
HOOK_TOKEN = "canary-hook-token"


class Hook:
    """What Apprise's `json://` posts to."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.got.append(await request.json())
        return web.Response(status=self.status)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made, app = Hook(), web.Application()
    app.router.add_post(f"/{HOOK_TOKEN}", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"json://127.0.0.1:{runner.addresses[0][1]}/{HOOK_TOKEN}"
    yield made
    await runner.cleanup()


async def test_mail_goes_by_tls_and_login(tls: ssl.SSLContext) -> None:
    async with Mailbox(tls=tls, login=True) as mailbox:
        await asyncio.to_thread(MailServer.of(mailbox.url).send, MESSAGE)
        (mail,) = mailbox.mails
        assert (mail["Subject"], mail["From"]) == (MESSAGE.title, "archive@example.com")
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail.get_content().splitlines() == MESSAGE.body.splitlines()
        wrong = MailServer.of(mailbox.url.replace("canary", "another"))
        with pytest.raises(NotSentError, match="refuses the login"):
            await asyncio.to_thread(wrong.send, MESSAGE)


async def test_starttls_is_used_where_it_is_offered_and_no_password_goes_without(tls: ssl.SSLContext) -> None:
    async with Mailbox(starttls=tls, login=True) as mailbox:
        await asyncio.to_thread(MailServer.of(mailbox.url).send, MESSAGE)
        assert len(mailbox.mails) == 1
    async with Mailbox(login=True) as mailbox:
        with pytest.raises(NotSentError, match="offers no TLS"):
            await asyncio.to_thread(MailServer.of(mailbox.url).send, MESSAGE)


async def test_a_certificate_that_is_not_trusted_is_told(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with Mailbox(tls=tls) as mailbox:
        with pytest.raises(NotSentError, match="no valid certificate"):
            await asyncio.to_thread(MailServer.of(mailbox.url).send, MESSAGE)


async def test_apprise_sends_to_its_services(hook: Hook) -> None:
    channels = open_channels([hook.url])
    (outcome,) = await channels.send(MESSAGE)
    assert outcome.error is None
    assert (hook.got[0]["title"], hook.got[0]["message"].strip()) == (MESSAGE.title, MESSAGE.body.strip())
    hook.status = 500
    (outcome,) = await channels.send(MESSAGE)
    assert outcome.error is not None
    assert outcome.channel == "1 (json)"


def test_apprise_missing_or_not_knowing_the_url_is_told_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"channel 2 \(nosuch\)") as caught:
        open_channels(["smtp://localhost/?from=a@b&to=c@d", "nosuch://canary-token/x"])
    assert "canary" not in str(caught.value)
    monkeypatch.setattr("receiver.notices.channels.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install '\.\[notify\]'"):
        open_channels(["slack://canary-token/x"])
    assert importlib.util.find_spec("apprise") is not None


async def test_nothing_secret_is_logged_or_told(tls: ssl.SSLContext, hook: Hook) -> None:
    hook.status = 500
    async with Mailbox(tls=tls, login=True, refuses=f"550 {PASSWORD} is not for you") as mailbox:
        settings = Settings(notify_urls=f"{mailbox.url}, {hook.url}")
        assert len(settings.notify_urls) == 2
        learn_secrets(settings)
        with capture_logs() as logged:
            outcomes = await open_channels([url.get_secret_value() for url in settings.notify_urls]).send(MESSAGE)
    assert [outcome.error is None for outcome in outcomes] == [False, False]
    told = f"{outcomes} {logged} {MailServer.of(mailbox.url)!r} {settings!r}"
    for secret in (PASSWORD, "canary-mail", HOOK_TOKEN, "ops@example.com"):
        assert secret not in told
    assert PASSWORD not in logs.redact(f"login with {PASSWORD} failed")
    assert HOOK_TOKEN not in logs.redact(f"POST /{HOOK_TOKEN} said a library")


GOOD = {"RECEIVER_S3_BUCKET": "team", "RECEIVER_WEBHOOK_SECRETS": "0123456789abcdef"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"NOTIFY_URLS": "ops@example.com"}, "each is a URL"),
        ({"NOTIFY_URLS": "smtps://mail.example.com/?to=a@b.c"}, "lacks its host, ?from= or &to="),
        ({"NOTIFY_SILENCE": "one day"}, "a whole number and a unit"),
        ({"EVENTS_URL": "https://hooks.example.com/x"}, "RECEIVER_EVENTS_SECRET is not set"),
        ({"EVENTS_URL": "ftp://x", "EVENTS_SECRET": SECRET}, "must be an http(s) URL"),
        ({"EVENTS_URL": "http://hooks.example.com/x", "EVENTS_SECRET": SECRET}, "is not encrypted"),
        ({"EVENTS_URL": "https://hooks.example.com/x", "EVENTS_SECRET": "0123456789abcdef"}, "openssl rand"),
    ],
)
def test_a_wrong_setting_is_told_with_its_remedy(given: dict[str, str], words: str) -> None:
    environ = GOOD | {f"RECEIVER_{name}": value for name, value in given.items()}
    with pytest.raises(SettingsError) as caught:
        load(Needs.SERVE, environ, dotenv=None)
    assert words in str(caught.value)


async def test_the_test_command_tries_every_way(
    run: Any, monkeypatch: pytest.MonkeyPatch, hook: Hook, tls: ssl.SSLContext
) -> None:
    monkeypatch.setenv("RECEIVER_S3_BUCKET", "team")
    nobody = await asyncio.to_thread(run, "notify", "--test")
    assert isinstance(nobody.exception, SystemExit)
    async with Mailbox(tls=tls, login=True) as mailbox, EventReceiver() as events:
        monkeypatch.setenv("RECEIVER_NOTIFY_URLS", f"{mailbox.url},{hook.url}")
        monkeypatch.setenv("RECEIVER_EVENTS_URL", events.url)
        monkeypatch.setenv("RECEIVER_EVENTS_SECRET", SECRET)
        monkeypatch.setenv("RECEIVER_EVENTS_NETWORKS", "127.0.0.0/8")
        done = await asyncio.to_thread(run, "notify", "--test", "--json")
        assert done.exit_code == 0, done.output
        assert [one["sent"] for one in json.loads(done.stdout)["channels"]] == [True] * 3
        assert len(mailbox.mails) == len(hook.got) == len(events.got) == 1
        hook.status = 500
        done = await asyncio.to_thread(run, "notify", "--test")
        assert done.exit_code == 1
        assert "2 (json)" in done.output
    assert "canary" not in done.output


@ON_SQLITE  # what is read is the same
async def test_check_says_who_is_told_and_what_of(database: Database, database_url: str) -> None:
    async def found(settings: Settings) -> dict[str, tuple[str, str]]:
        return {one.name: (one.state, one.seen) async for one in notice_findings(settings)}

    assert await found(Settings(database_url=database_url)) == {"notify": ("ok", "nobody is told of outages")}
    told = Settings(
        database_url=database_url,
        notify_urls="smtps://mail.example.com/?from=a@b.c&to=d@e.f",
        events_url="https://hooks.example.com/x",
        events_secret=SECRET,
    )
    seen = await found(told)
    assert seen["notify"][1].startswith("people are told by 1 channel; not of a silent webhook")
    assert seen["notices"] == ("ok", "people were told of nothing yet")
    assert seen["events"] == ("ok", "0 to be sent, 0 given up")
    await Notices(database).add_told(NoticeKind.STORE_AWAY, began_at=NOW, now=NOW)
    await add(database, row("a"))
    await database.write(lambda tx: Outbox(lambda _: {}).add(tx, RecordingId("a"), EventType.FAILED, at=NOW))
    seen = await found(told)
    assert seen["notices"] == ("warning", "people were told last 2026-11-23 12:00:00Z; not over: store_away")
    assert seen["events"] == ("ok", "1 to be sent, 0 given up")
    seen = await found(Settings(database_url=database_url, notify_urls="nosuch://canary-token"))
    assert seen["notify"][0] == "wrong"
    assert "canary" not in str(seen)


@ON_SQLITE  # what is composed is the same
async def test_nobody_is_watched_for_where_nobody_is_to_be_told(database: Database) -> None:
    assert make_watch(Settings(), database, open_jobs(database, concurrency=1)) is None
    assert Channels([]) is not None
