"""The README's fifteen minutes: its commands, word for word, in a folder with nothing but the repository's files."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.service import control, make_meeting
from tests.support.settings_table import README

if TYPE_CHECKING:
    from receiver.objectstore import Bucket
    from receiver.sandbox.seaweed import SeaweedServer
    from receiver.sandbox.server import Sandbox

ROOT = README.parent
SECTION = "## Your own bucket and the real Meetings settings in fifteen minutes"
URL = re.compile(r"http://127\.0\.0\.1:\d+/webhooks/recording-done/[0-9a-f]{32}")


def commands() -> list[str]:
    """Return the commands of each step."""
    text = README.read_text().partition(SECTION)[2].partition("\n## ")[0]
    return [textwrap.dedent(block) for block in re.findall(r"^   ```sh\n(.*?)^   ```$", text, re.MULTILINE | re.DOTALL)]


def lay_out(folder: Path) -> None:
    """Copy what the repository holds, as a clone would."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        if not name.startswith(("tests/", "findings/")) and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def run(folder: Path, steps: list[str], env: dict[str, str]) -> str:
    """Run steps as one shell would; return what they printed."""
    script = "set -uo pipefail\n" + "\n".join(steps)
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=env, check=False, capture_output=True, timeout=280)
    told = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 0, told
    return told


@pytest.mark.timeout(400)
async def test_bare_python_to_a_proven_file_in_a_bucket_of_ones_own(
    sandbox: Sandbox, seaweed: SeaweedServer, bucket: Bucket, tmp_path: Path, unused_tcp_port: int
) -> None:
    await asyncio.to_thread(lay_out, tmp_path)
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("RECEIVER_", "AWS_", "COV"))},
        "PORT": str(unused_tcp_port),
        "PUBLIC_URL": f"http://127.0.0.1:{unused_tcp_port}",
        "AWS_EC2_METADATA_DISABLED": "true",
        "RECEIVER_API_URL": sandbox.url,
        "RECEIVER_S3_ENDPOINT_URL": seaweed.endpoint_url,
        "RECEIVER_DOWNLOAD_HOSTS": sandbox.storage_url,
        "RECEIVER_DOWNLOAD_NETWORKS": "127.0.0.0/8",
    }
    install, yours, settings, check, start, outside, ask = commands()
    mine = {"key": seaweed.access_key, "secret": seaweed.secret_key, "your bucket": bucket.name}
    mine["its region"] = seaweed.region
    mine["administration key"] = sandbox.config.admin_key
    yours = re.sub(r"<([^>]+)>", lambda told: mine[told[1]], yours)
    until_ready = f"until curl -fsS http://127.0.0.1:{unused_tcp_port}/readyz >/dev/null 2>&1; do sleep 0.2; done"
    try:
        steps = [install, yours, settings, check, start, "echo $! > pid", until_ready, f"({outside}) || true"]
        told = await asyncio.to_thread(run, tmp_path, steps, env)
        url = URL.search(told)
        assert url is not None, told
        made = await make_meeting(sandbox, {"kind": "mp4"})
        token = re.search(r"me:admin:(\w+)", (tmp_path / ".env").read_text())
        assert token is not None
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token[1]}"}) as client, asyncio.timeout(60):
            assert (await client.post(url[0], content=json.dumps(made["payload"]))).status_code == 202
            asked = f"http://127.0.0.1:{unused_tcp_port}/api/recordings?state=archived"
            while not (await client.get(asked)).json()["items"]:
                await asyncio.sleep(0.1)
        told = await asyncio.to_thread(run, tmp_path, [yours, ask], env)
        assert re.search(r"intact\s+1\b", told), told
        (source,) = made["recordings"]
        assert (await control(sandbox, "GET", f"/recordings/{source['_id']}"))["gets"] == 1
    finally:
        if (tmp_path / "pid").exists():
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
