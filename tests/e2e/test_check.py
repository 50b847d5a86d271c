"""`receiver check` as a process: beside a running service, its table, its JSON and its exit codes."""

from __future__ import annotations

import json
import os
import pty

from tests.e2e.test_cli import receiver
from tests.support.databases import ON_SQLITE
from tests.support.service import OPS_TOKEN, WEBHOOK_SECRET, make_meeting


def states(done):
    return {one["name"]: one["state"] for one in json.loads(done.stdout)["checks"]}


async def checked(service, *arguments, **terminals):
    return await receiver("check", *arguments, environ=service.environment(), cwd=service.folder, **terminals)


async def test_a_running_service_is_all_right_and_its_webhook_is_reached(sandbox, service):
    await service.start()
    done = await checked(service, "--json", "--public-url", service.url)
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout)["ok"] is True
    not_ok = {name: state for name, state in states(done).items() if state != "ok"}
    not_ok.pop("database file", None)  # the test made the file, with a mode of its own
    assert not_ok == {"webhook transport": "warning", "missed webhooks": "warning"}  # a key sees no lists
    async with service.client() as client:
        assert (await client.get("/api/deliveries")).json()["items"] == []


@ON_SQLITE  # about the secret, which no database sees
async def test_a_service_with_another_secret_is_told_from_a_proxy(service):
    await service.start()
    service.settings["WEBHOOK_SECRETS"] = "canary-webhook-secret-2"
    done = await checked(service, "--public-url", service.url)
    assert done.exit_code == 1
    assert b"the service there knows another secret" in done.stdout


@ON_SQLITE  # about what is printed
async def test_no_secret_is_printed_but_the_one_asked_for(service, sandbox):
    service.settings |= {"API_ADMIN_KEY": "canary-admin-key", "S3_BUKET": "x"}
    secrets = [WEBHOOK_SECRET, OPS_TOKEN, "canary-admin-key", service.seaweed.secret_key, service.seaweed.access_key]
    done = await checked(service)
    text = done.stdout.decode()
    assert done.exit_code == 1
    assert not [secret for secret in secrets if secret in text + done.stderr]
    lines = text.splitlines()
    assert lines[0].startswith("warning")
    assert "RECEIVER_S3_BUKET is not a setting and is ignored → did you mean RECEIVER_S3_BUCKET?" in lines[0]
    assert sum("RECEIVER_API_ADMIN_KEY" in line and line.startswith("wrong") for line in lines) == 1
    assert lines[-1].endswith(
        " ok, 3 warning, 1 wrong, 1 skipped"
    )  # also: the file's mode, a key's lists; no --public-url
    shown = await checked(service, "--show-secret", "--public-url", "https://nohost.invalid/base/")
    assert f"https://nohost.invalid/base/webhooks/recording-done/{WEBHOOK_SECRET}\n" in shown.stdout.decode()


@ON_SQLITE  # about the terminal
async def test_a_terminal_gets_wrapped_lines_with_all_their_words(service):
    ours, theirs = pty.openpty()
    service.environ["COLUMNS"] = "80"
    service.settings["DATABASE_URL"] = "sqlite:////nowhere/receiver.db"
    try:
        done = await checked(service, stdout=theirs)
        text = os.read(ours, 65536).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert done.exit_code == 1
    assert "\x1b[31mwrong" in text
    assert "→ make the folder, let this user write there" in " ".join(text.split())
    assert max(len(line) for line in text.splitlines()) < 100


@ON_SQLITE  # the failure is the copier's
async def test_a_host_that_recordings_failed_for_is_named(sandbox, service):
    made = await make_meeting(sandbox, {"kind": "mp4"})
    service.settings["DOWNLOAD_HOSTS"] = "https://files.example.com"
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    await service.until(lambda items: items[0]["state"] == "failed")
    done = await checked(service)
    assert done.exit_code == 1
    line = f"RECEIVER_DOWNLOAD_HOSTS=https://files.example.com,{sandbox.storage_url}"
    assert line in done.stdout.decode()
