"""`receiver check` on the settings themselves, the webhook's URL, hosts that were seen, and how long it may take."""

from __future__ import annotations

import asyncio

import pytest
from click.testing import CliRunner

from receiver.app.check import Health
from receiver.app.check.downloads import download_findings, judged
from receiver.app.check.findings import collected, ok
from receiver.app.check.given import given_findings, open_files
from receiver.app.check.index import IndexSight
from receiver.app.check.webhook import webhook_findings
from receiver.app.configs import download_hosts
from receiver.cli import root
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.records import RefusedSource
from receiver.settings import Needs, survey
from tests.support.checking import expect, found_by, found_with, settings_of
from tests.support.clock import NOW
from tests.support.intake import accept
from tests.support.payloads import payload
from tests.support.source_server import Answer, SourceServer

SECRET = "canary-webhook-secret-1"
GOOD = {"S3_BUCKET": "team-recordings", "WEBHOOK_SECRETS": SECRET, "OPS_TOKENS": "alice:operator:canary-ops-token-12"}


async def given(**values):
    settings, problems = survey(Needs.SERVE, {f"RECEIVER_{name}": value for name, value in values.items()}, None)
    return await found_by(given_findings(settings, problems))


async def test_good_settings_are_ok():
    assert {finding.state for finding in await given(**GOOD)} == {Health.OK}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"WEBHOOK_SECRETS": ""}, ["RECEIVER_WEBHOOK_SECRETS is not set", "for example RECEIVER_WEBHOOK_SECRETS="]),
        ({"WEBHOOK_SECRETS": "canary-short"}, ["RECEIVER_WEBHOOK_SECRETS is wrong", "at least 16 characters"]),
        ({"S3_BUCKET": ""}, ["RECEIVER_S3_BUCKET is not set", "RECEIVER_S3_BUCKET=team-recordings"]),
        ({"API_ADMIN_KEY": "a", "API_TOKEN": "b"}, ["RECEIVER_API_ADMIN_KEY and RECEIVER_API_TOKEN", "choose one way"]),
        (
            {"KEY_TEMPLATE": "{x}"},
            ["RECEIVER_KEY_TEMPLATE is wrong: unknown field 'x'", "known are created_at, host_id"],
        ),
        ({"DATABASE_URL": "mysql://x"}, ["RECEIVER_DATABASE_URL is wrong", "RECEIVER_DATABASE_URL=sqlite"]),
        ({"API_TOKEN_FILE": "/nowhere"}, ["RECEIVER_API_TOKEN_FILE names", "correct it"]),
        ({"CONCURRENCY": "0"}, ["RECEIVER_CONCURRENCY is wrong", "RECEIVER_CONCURRENCY=8"]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
async def test_a_wrong_setting(changes, words):
    found = await given(**GOOD | changes)
    expect(found, "settings", Health.WRONG, *words)
    assert "canary" not in str(found)


async def test_each_missing_part_of_a_login_is_a_line():
    found = [finding for finding in await given(**GOOD, API_USER_LOGIN="bot") if finding.name == "settings"]
    assert {finding.state for finding in found} == {Health.WRONG}
    named = [finding.seen.partition(" ")[0] for finding in found]
    assert named == ["RECEIVER_API_APP_ID", "RECEIVER_API_AUTH_KEY", "RECEIVER_API_USER_PASSWORD"]
    assert all("other parts of the user session are" in finding.seen for finding in found)


async def test_the_other_groups_run_where_they_can(tmp_path, aws_env):
    wrong = {"CONCURRENCY": "0", "API_APP_ID": "x"}
    here = {"DATABASE_URL": f"sqlite:///{tmp_path}/receiver.db", "S3_ENDPOINT_URL": "http://127.0.0.1:1"}
    found = await found_with(**GOOD | wrong | here)
    assert sum(finding.name == "settings" and finding.state is Health.WRONG for finding in found) == 4
    expect(found, "api", Health.SKIPPED, "a setting of it is wrong")
    expect(found, "database", Health.SKIPPED, "receiver serve")
    expect(found, "bucket", Health.WRONG, "EndpointConnectionError")
    expect(found, "webhook url", Health.OK)


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"OPS_TOKENS": ""}, "ops tokens", ["403 to everybody", "RECEIVER_OPS_TOKENS=name:role:token"]),
        (
            {"S3_ENDPOINT_URL": "http://store.invalid"},
            "bucket transport",
            ["not encrypted", "https in RECEIVER_S3_END"],
        ),
        ({"API_URL": "http://api.invalid"}, "api transport", ["not encrypted", "https in RECEIVER_API_URL"]),
        ({"DOWNLOAD_HOSTS": "http://files.invalid"}, "download transport", ["files.invalid", "https:// origins"]),
    ],
    ids=["no ops token", "http store", "http api", "http download host"],
)
async def test_a_doubtful_setting_is_a_warning(changes, name, words):
    found = await given(**GOOD | changes)
    expect(found, name, Health.WARNING, *words)
    assert "canary" not in str(found)


async def test_a_short_ops_token_is_wrong():
    found = await given(**GOOD | {"OPS_TOKENS": "bob:viewer:canary"})
    expect(found, "settings", Health.WRONG, "the token of 'bob' is too short", "16 or more random characters")
    assert "canary" not in str(found)


def test_too_few_open_files_are_a_warning():
    found = open_files(settings_of(**GOOD), 512)
    assert (found.state, found.remedy) == (
        Health.WARNING,
        "raise the limit for the service: ulimit -n 2240, or LimitNOFILE=2240",
    )
    assert open_files(settings_of(**GOOD), 2240).state is Health.OK


async def webhook(public_url=None, *, show_secret=False, **changes):
    return await found_by(
        webhook_findings(settings_of(**GOOD | changes), public_url=public_url, show_secret=show_secret)
    )


@pytest.mark.parametrize("show_secret", [False, True])
async def test_the_url_to_paste(show_secret):
    found = await webhook(show_secret=show_secret, WEBHOOK_SECRETS=f"{SECRET},canary-webhook-secret-2")
    shown = f"https://your.host/webhooks/recording-done/{SECRET if show_secret else '****'}"
    expect(found, "webhook url", Health.OK, shown)
    assert (SECRET in str(found)) == show_secret
    expect(found, "webhook", Health.SKIPPED, "--public-url")


PROBLEM = {"Content-Type": "application/problem+json", "Content-Length": "21"}
LENGTH = {"Content-Length": "0"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(302, LENGTH | {"Location": "https://elsewhere.invalid"}), ["redirects (302)", "final address"]),
        (Answer(502, LENGTH), ["answers 502", "start `receiver serve`", "upstream"]),
        (Answer(401, LENGTH), ["something else answered", "without a login of its own"]),
        (Answer(405, LENGTH), ["something else answered", "405", "pass POSTs below /webhooks/recording-done"]),
        (Answer(200, LENGTH), ["something else answered", "200"]),
        (Answer(401, PROBLEM, iter([b'{"title":"Not admit"}'])), ["another secret", "RECEIVER_WEBHOOK_SECRETS"]),
    ],
    ids=["redirect", "proxy without service", "proxy login", "no POST", "another site", "wrong secret"],
)
async def test_what_a_proxy_did(answer, words):
    async with SourceServer(lambda _request: answer) as proxy:
        found = await webhook(f"http://127.0.0.1:{proxy.port}")
    expect(found, "webhook", Health.WRONG, *words)
    (request,) = proxy.requests
    assert (request.method, request.headers["Content-Length"]) == ("POST", "0")
    assert SECRET not in str(found)


async def test_a_refusal_may_be_for_this_machines_address():
    async with SourceServer(lambda _request: Answer(401, PROBLEM, iter([b'{"title":"Not admit"}']))) as proxy:
        found = await webhook(f"http://127.0.0.1:{proxy.port}", WEBHOOK_ALLOWED_IPS="203.0.113.0/24")
    expect(found, "webhook", Health.WARNING, "RECEIVER_WEBHOOK_ALLOWED_IPS", "an address on the list")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", ["no connection", "start the proxy"]),
        ("http://nohost.invalid", ["name is not known", "DNS"]),
    ],
    ids=["closed port", "unknown name"],
)
async def test_nobody_at_the_outside_address(url, words):
    found = await webhook(url)
    expect(found, "webhook", Health.WRONG, *words)
    expect(found, "webhook transport", Health.WARNING, "not encrypted", "TLS")


async def test_a_host_that_was_seen_but_is_not_allowed(database, database_url):
    body = payload("r1", download_url="https://files.example.com/v?Signature=canary")
    await accept(Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False), body, now=NOW)
    found = await found_by(download_findings(settings_of(DATABASE_URL=database_url, API_TOKEN="t")))
    words = ["https://files.example.com", "RECEIVER_DOWNLOAD_HOSTS=https://*.amazonaws.com,https://files.example.com"]
    expect(found, "download hosts", Health.WARNING, *words)
    allowed = settings_of(DATABASE_URL=database_url, DOWNLOAD_HOSTS="https://files.example.com")
    expect(await found_by(download_findings(allowed)), "download hosts", Health.OK)


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        ("https://store.example.com:8443", False),
        ("http://a.s3.amazonaws.com:80", False),
        ("https://a.s3.amazonaws.com:443", True),
        ("https://[2001:db8::1]:443", False),
    ],
)
def test_a_host_that_recordings_failed_for(origin, passes):
    hosts = settings_of().download_hosts
    found = judged(hosts, IndexSight(refused=[RefusedSource(origin, "RECEIVER_DOWNLOAD_HOSTS", "first.example.com")]))
    if passes:  # the list was mended since
        expect(found, "download hosts", Health.OK)
    else:
        shown = origin.removesuffix(":443").removesuffix(":80")
        expect(
            found, "download hosts", Health.WRONG, f"RECEIVER_DOWNLOAD_HOSTS=https://*.amazonaws.com,{shown},", "retry"
        )


def test_an_address_that_is_not_public():
    refused = RefusedSource("https://a.s3.amazonaws.com:443", "RECEIVER_DOWNLOAD_NETWORKS", "a.s3.amazonaws.com")
    found = judged(settings_of().download_hosts, IndexSight(refused=[refused]))
    expect(found, "download hosts", Health.OK)
    expect(found, "download networks", Health.WARNING, "https://a.s3.amazonaws.com", "RECEIVER_DOWNLOAD_NETWORKS")


@pytest.mark.parametrize(("host", "state"), [("files.example.com", Health.WRONG), ("a.s3.amazonaws.com", Health.OK)])
def test_a_recording_that_an_older_release_gave_up_on_is_told_by_its_host(host, state):
    found = judged(settings_of().download_hosts, IndexSight({}, refused=[RefusedSource(None, None, host)]))
    assert [(finding.name, finding.state) for finding in found] == [("download hosts", state)]
    assert state is Health.OK or f"https://{host}" in found[0].seen


@pytest.mark.parametrize("url", ["archive.example.com", "ftp://x", "https://x/?q=1", "https://u@x", "https://x:99999"])
def test_a_public_url_that_is_none_is_wrong_usage(url):
    done = CliRunner().invoke(root, ["check", "--public-url", url])
    assert done.exit_code == 2
    assert "https://archive.example.com" in done.stderr


async def test_a_group_that_hangs_keeps_what_it_found():
    async def group():
        yield ok("first", "seen")
        await asyncio.Event().wait()

    found = await collected("slow", group(), deadline_s=0.05)
    assert found[0] == ok("first", "seen")
    expect(found[1:], "slow", Health.WRONG, "no answer within 0.05 s after `first`")


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        (
            IndexSight(),
            Health.WARNING,
            ["no API credentials", "no host was seen yet", "RECEIVER_DOWNLOAD_HOSTS=https://"],
        ),
        (
            IndexSight(hosts={"a.example": 2, "b.example": 1}),
            Health.WRONG,
            ["announced", "RECEIVER_DOWNLOAD_HOSTS=https://a.example,https://b.example;"],
        ),
    ],
)
def test_without_credentials_the_hosts_are_asked_for(seen, state, words):
    expect(judged(download_hosts(settings_of()), seen), "download hosts", state, *words)
    for given in ({"API_TOKEN": "t"}, {"DOWNLOAD_HOSTS": "https://*.amazonaws.com"}):
        assert download_hosts(settings_of(**given)) == settings_of().download_hosts
