"""The commands as processes, beside a running service."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pty
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from receiver.objectstore import BucketConfig, open_bucket
from tests.support.databases import ON_SQLITE
from tests.support.forked import ForkedProcess
from tests.support.service import make_meeting, set_fault


@dataclass
class Done:
    exit_code: int
    stdout: bytes
    stderr: str


async def receiver(*arguments, environ, cwd, **terminals):
    """Run a command; what it writes to stdout and stderr is returned, unless it goes to a terminal."""
    shown = {name: Path(os.ttyname(terminal)) for name, terminal in terminals.items()}
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, name) for name in ("stdout", "stderr")}
        process = ForkedProcess(arguments, env=environ, cwd=cwd, **(files | shown))
        exit_code = await process.wait()
        stdout, stderr = (b"" if name in shown else file.read_bytes() for name, file in files.items())
    return Done(exit_code, stdout, stderr.decode())


@pytest.fixture
def run(service, tmp_path):
    """Run a command with the service's settings, in a folder of its own."""
    folder = tmp_path / "cwd"
    folder.mkdir()

    async def invoke(*arguments, **terminals):
        return await receiver(*arguments, environ=service.environment(), cwd=folder, **terminals)

    return invoke


async def archived(sandbox, service, size_bytes):
    """Have one recording archived and return (its item of the API, its source)."""
    made = await make_meeting(sandbox, {"kind": "generated", "size_bytes": size_bytes})
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    (item,) = await service.until_archived(1)
    return item, made["recordings"][0]


async def test_an_archived_recording_is_listed_shown_and_downloaded(sandbox, service, run, tmp_path):
    item, source = await archived(sandbox, service, 3_000_000)
    listed = await run("recordings", "list", "--json")
    assert json.loads(listed.stdout) == {"items": [item], "next": None}
    assert json.loads((await run("recordings", "show", item["id"], "--json")).stdout) == item
    done = await run("recordings", "download", item["id"])
    assert (done.exit_code, done.stdout) == (0, b"")
    assert done.stderr == f"{item['id']}.mp4  3000000 bytes  sha256 {source['sha256']}\n"
    piped = await run("recordings", "download", item["id"], "-o", "-")
    (tmp_path / "elsewhere").mkdir()
    await run("recordings", "download", item["id"], "-o", str(tmp_path / "elsewhere"))
    await run("recordings", "download", item["id"], "-o", str(tmp_path / "named"))
    files = [tmp_path / "cwd" / f"{item['id']}.mp4", tmp_path / "elsewhere" / f"{item['id']}.mp4", tmp_path / "named"]
    for content in (piped.stdout, *(file.read_bytes() for file in files)):
        assert hashlib.sha256(content).hexdigest() == source["sha256"]
    assert list((tmp_path / "cwd").iterdir()) == files[:1]


@ON_SQLITE  # about the bucket; the index is only read, as in the test above
async def test_other_bytes_in_the_bucket_are_refused_and_no_file_is_made(sandbox, service, run, tmp_path, aws_env):
    item, source = await archived(sandbox, service, 100_000)
    key = item["archive"]["key"]
    config = BucketConfig(bucket=service.bucket, endpoint_url=service.seaweed.endpoint_url, region="us-east-1")
    async with open_bucket(config) as bucket:
        await bucket.replace(key, b"other bytes", content_type="video/mp4")
        done = await run("recordings", "download", item["id"], "-o", "file.mp4")
        assert done.exit_code == 1
        assert f"the bucket's object {key} is not what was archived" in done.stderr
        assert source["sha256"] in done.stderr
        await bucket.delete(key)
        gone = await run("recordings", "download", item["id"], "-o", "file.mp4")
        assert gone.exit_code == 1
        assert gone.stderr.startswith("Error: GetObject")
    assert list((tmp_path / "cwd").iterdir()) == []


@ON_SQLITE  # about the terminal; the index is only read, as in the tests above
async def test_a_terminal_gets_a_progress_bar_and_never_the_recording_itself(sandbox, service, run, tmp_path):
    item, _ = await archived(sandbox, service, 100_000)
    ours, theirs = pty.openpty()
    try:
        refused = await run("recordings", "download", item["id"], "-o", "-", stdout=theirs)
        assert refused.exit_code == 2
        assert "refusing to write a recording to a terminal" in refused.stderr
        done = await run("recordings", "download", item["id"], "-o", str(tmp_path / "file.mp4"), stderr=theirs)
        assert done.exit_code == 0
        progress = os.read(ours, 65536).decode()
        await run("recordings", "list", stdout=theirs)
        table = os.read(ours, 65536).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert "100.0" in progress
    assert "━" in progress
    assert item["id"] in table


async def test_retry_and_cancel_are_noticed_by_the_running_service(sandbox, service, run):
    service.settings["MAX_ATTEMPTS"] = "1"
    await set_fault(sandbox, on="storage", kind="status", status=404, times=1)
    made = await make_meeting(sandbox, {"kind": "generated", "size_bytes": 1000})
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    (failed,) = await service.until(lambda items: items[0]["state"] == "failed")
    assert (await run("recordings", "cancel", failed["id"])).stdout.decode() == f"{failed['id']}  cancelled\n"
    assert (await run("recordings", "retry", failed["id"])).stdout.decode() == f"{failed['id']}  pending\n"
    await service.until_archived(1)


@ON_SQLITE  # the lock is SQLite's own: PostgreSQL is there to be shared
async def test_a_second_service_on_the_file_hears_so_whatever_its_port(service, run):
    await service.start()
    for port in ("0", service.url.rpartition(":")[2]):
        second = await run("serve", "--port", port)
        assert second.exit_code == 1
        (said,) = second.stderr.splitlines()
        assert said.startswith("Error: another receiver works on ")
        assert "stop that one first, or move to PostgreSQL" in said


@ON_SQLITE  # the database is not what is asked here
async def test_a_taken_port_is_a_plain_error(service, run):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = await run("serve", "--port", str(other.getsockname()[1]))
    assert taken.exit_code == 1
    assert "Error: cannot listen on 127.0.0.1 port" in taken.stderr
    assert "Traceback" not in taken.stderr


async def test_an_old_schema_is_refused_until_it_is_migrated(empty_database_url, tmp_path):
    environ = {"PATH": os.environ["PATH"], "RECEIVER_DATABASE_URL": empty_database_url}

    async def run(*arguments):
        return await receiver(*arguments, environ=environ, cwd=tmp_path)

    if empty_database_url.startswith("postgresql"):
        refused = await run("recordings", "list")
        assert refused.exit_code == 1
        assert refused.stderr.startswith("Error: the database is at no schema at all")
        assert "run `receiver migrate`" in refused.stderr
    assert b"from no schema to" in (await run("migrate")).stdout
    listed = await run("recordings", "list", "--json")
    assert (listed.exit_code, json.loads(listed.stdout)) == (0, {"items": [], "next": None})


@ON_SQLITE  # about the pipe
async def test_a_reader_that_closes_the_pipe_is_no_traceback(service, tmp_path):
    read, write = os.pipe()
    os.close(read)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "receiver", "recordings", "list"),
            env=service.environment(),
            cwd=tmp_path,
            stdout=write,
            stderr=asyncio.subprocess.PIPE,
        )
    finally:
        os.close(write)
    _, stderr = await process.communicate()
    assert b"Traceback" not in stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_sandbox_prints_settings_and_ends_with_0(tmp_path, number):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "receiver", "sandbox", "--port", "0"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(5)]
    process.send_signal(number)
    _, stderr = await process.communicate()
    assert (process.returncode, stderr) == (0, b"")
    assert [line.partition("=")[0] for line in lines[1:]] == [
        "RECEIVER_API_URL",
        "RECEIVER_API_ADMIN_KEY",
        "RECEIVER_DOWNLOAD_HOSTS",
        "RECEIVER_DOWNLOAD_NETWORKS",
    ]


async def test_the_sandbox_on_a_taken_port_exits_1(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = await receiver("sandbox", "--port", str(port), environ=dict(os.environ), cwd=tmp_path)
    assert done.exit_code == 1
    assert (
        done.stderr == f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use; choose another --port\n"
    )
