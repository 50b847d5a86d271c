"""`receiver demo`, as a newcomer runs it: real processes, a proof, and nothing left behind.

The demo has SQLite and nothing else: it is told of no database.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import sys
from contextlib import asynccontextmanager

import psutil
import pytest

RUNNING = "Everything stays up until Ctrl-C."
PROVEN = "Proven: the object in the bucket, the index and the manifest all say what the source says."


@asynccontextmanager
async def demo(folder, *options, program=("-m", "receiver"), **variables):
    """Run the demo with a temporary directory, and variables of a foreign deployment that must not matter."""
    folder.mkdir(exist_ok=True)
    environ = {
        **os.environ,
        "TMPDIR": str(folder),
        "RECEIVER_DATABASE_URL": "postgresql://nobody@192.0.2.1/none",
        "AWS_ACCESS_KEY_ID": "foreign",
        "AWS_PROFILE": "foreign",
        "HTTP_PROXY": "http://192.0.2.1:9",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program, "demo", *options),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.communicate()


def processes_in(folder):
    """Return every live process that works in the folder or is told of it."""
    found = []
    for process in psutil.process_iter():
        try:
            known = [process.cwd(), *process.cmdline()]
        except psutil.Error:
            continue
        if any(str(folder) in text for text in known) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


async def line_with(stream, text):
    while line := (await stream.readline()).decode():
        if text in line:
            return line
    raise AssertionError(f"the stream ended without {text!r}")


async def test_once_proves_the_copies_and_leaves_only_what_was_to_be_kept(tmp_path):
    kept = tmp_path / "kept"
    async with demo(tmp_path / "tmp", "--once", "--size", "2MB", "--files", "2", "--keep", str(kept)) as process:
        stdout, stderr = (part.decode() for part in await process.communicate())
    assert process.returncode == 0, stdout + stderr
    assert PROVEN in stdout
    hashes = re.findall(r"(source|object|index|manifest) +sha256 ([0-9a-f]{64})  2000000 bytes", stdout)
    assert [name for name, _ in hashes] == ["source", "object", "index", "manifest"] * 2
    assert len({sha256 for _, sha256 in hashes[:4]}) == len({sha256 for _, sha256 in hashes[4:]}) == 1
    assert hashes[0] != hashes[4]
    steps = ("POST /session: logged in", "record: true", "Meeting over: 2 recordings", "archived, 2.0 MB", "Read back")
    positions = [stderr.index(step) for step in steps]
    assert positions == sorted(positions)
    assert {"receiver.db", "receiver.log", "s3"} <= {path.name for path in kept.iterdir()}
    assert processes_in(tmp_path) == []
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_without_once_it_stays_up_to_be_tried_until_ctrl_c(tmp_path):
    async with demo(tmp_path, "--size", "300kB") as process:
        await line_with(process.stderr, RUNNING)
        names = ("Page", "Token", "Look", "Again", "Commands", "Logs")
        report = [await line_with(process.stdout, f"{name} ") for name in names]
        page, token, look, again, commands, logs = (line.split(maxsplit=1)[1].strip() for line in report)
        signed_in = await _shell(f"curl -sL -c {tmp_path}/cookies --data-urlencode token={token} {page}sign-in")
        assert ">Overview</h1>" in signed_in
        (tmp_path / "cookies").unlink()
        (item,) = json.loads(await _shell(look))["items"]
        assert (item["state"], item["archive"]["incomplete"]) == ("archived", None), "the first one seen can be played"
        assert len(json.loads(await _shell(again))["recordings"]) == 1
        assert item["id"] in await _shell(commands.replace("receiver ", f"{sys.executable} -m receiver "))
        assert '"service_ready"' in await _shell(f"cat {shlex.quote(logs)}")
        assert processes_in(tmp_path) != []
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 0
    assert processes_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


async def _shell(line):
    process = await asyncio.create_subprocess_shell(line, stdout=asyncio.subprocess.PIPE)
    stdout, _ = await process.communicate()
    assert process.returncode == 0, line
    return stdout.decode()


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "Meetings platform"),
        (signal.SIGTERM, "Service at"),
        (signal.SIGINT, "Meeting over"),
    ],
    ids=["SIGINT while starting", "SIGTERM when started", "SIGINT while archiving"],
)
async def test_a_signal_at_any_moment_leaves_no_process_and_no_file(tmp_path, number, moment):
    async with demo(tmp_path, "--once", "--size", "100MB") as process:
        await line_with(process.stderr, moment)
        process.send_signal(number)
        _, stderr = await process.communicate()
    assert process.returncode == 128 + number
    assert b"Traceback" not in stderr
    assert processes_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


async def test_a_service_that_dies_is_reported_with_its_log(tmp_path):
    async with demo(tmp_path, "--once", "--size", "300MB") as process:
        pid = int((await line_with(process.stderr, "Service at")).partition(", process ")[2].split()[0])
        os.kill(pid, signal.SIGKILL)
        stdout, stderr = await process.communicate()
    assert (process.returncode, stdout) == (1, b"")
    assert b"Error: " in stderr
    assert b"service_ready" in stderr
    assert b"Traceback" not in stderr
    assert processes_in(tmp_path) == []


async def test_a_service_that_does_not_start_is_reported_with_its_log(tmp_path):
    broken = "import receiver.cli.demo.stage as s; s.BUCKET = '!'; from receiver.cli import main; main()"
    async with demo(tmp_path, "--once", program=("-c", broken)) as process:
        stdout, stderr = await process.communicate()
    assert (process.returncode, stdout) == (1, b"")
    assert b"Error: " in stderr
    assert b"Traceback" not in stderr
    assert processes_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


async def test_without_the_extra_it_says_what_to_install(tmp_path):
    bare = "import sysconfig; sysconfig.get_path = lambda _: '/none'; from receiver.cli import main; main()"
    async with demo(tmp_path, "--once", program=("-c", bare), PATH="/none") as process:
        stdout, stderr = await process.communicate()
    assert (process.returncode, stdout) == (1, b"")
    assert b"run `uv sync --extra demo` or `pip install 'recording-archive[demo]'`" in stderr
    assert b"Traceback" not in stderr
    assert processes_in(tmp_path) == []
