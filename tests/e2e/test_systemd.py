"""The systemd unit of `deploy/`: read by systemd's own judge, and its service run as it says, within its bounds."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import unit_sandbox
from tests.support.databases import ON_SQLITE
from tests.support.service import OPS_TOKEN, WEBHOOK_SECRET, make_meeting

if TYPE_CHECKING:
    from receiver.sandbox import Sandbox
    from tests.support.service import Service

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "receiver@.service"
PROGRAM = Path(sys.executable).with_name("receiver")
LARGEST_EXPOSURE = "20"  # tenths


def judged(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], check=False, capture_output=True, text=True)


def test_systemd_understands_every_line_and_finds_little_exposed(tmp_path: Path) -> None:
    unit = tmp_path / "receiver@8080.service"
    unit.write_text(UNIT.read_text().replace("/opt/receiver/.venv/bin/receiver", str(PROGRAM)))
    port = tmp_path / "receiver@8080.socket"
    port.write_text(UNIT.with_suffix(".socket").read_text())
    verified = judged("verify", "--man=no", "--recursive-errors=no", str(unit), str(port))
    assert (verified.returncode, verified.stderr) == (0, "")
    exposed = judged("security", "--offline=true", "--no-pager", f"--threshold={LARGEST_EXPOSURE}", str(unit))
    assert exposed.returncode == 0, exposed.stdout


def status_of(service: Service) -> str:
    assert service.process is not None
    return Path(f"/proc/{service.process.pid}/status").read_text()


@ON_SQLITE  # the database is not what is asked here
async def test_the_unit_starts_a_service_that_archives_within_its_bounds(
    service: Service, sandbox: Sandbox, tmp_path: Path
) -> None:
    asked = unit_sandbox.directives(UNIT)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    contents = {
        "webhook_secrets": WEBHOOK_SECRET,
        "ops_tokens": f"tester:admin:{OPS_TOKEN}",
        "api_admin_key": sandbox.config.admin_key,
        "database_url": service.database_url,
        "aws_credentials": f"[default]\naws_access_key_id = {service.seaweed.access_key}\n"
        f"aws_secret_access_key = {service.seaweed.secret_key}",
    }
    for loaded in asked["LoadCredential"]:
        name, _, path = loaded.partition(":")
        assert path == f"/etc/receiver/secrets/{name}"
        (credentials / name).write_text(contents.pop(name) + "\n")
    assert not contents
    environment = dict(line.replace("%d", str(credentials)).split("=", 1) for line in asked["Environment"])
    by_file = dict.fromkeys(("WEBHOOK_SECRETS", "OPS_TOKENS", "API_ADMIN_KEY", "DATABASE_URL"), "")
    assert {f"RECEIVER_{name}_FILE" for name in by_file} | {"AWS_SHARED_CREDENTIALS_FILE"} == set(environment)
    service.settings |= by_file
    service.environ |= environment | {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    service.environ["NOTIFY_SOCKET"] = str(tmp_path / "notify")
    _, *arguments = asked["ExecStart"][0].split()
    assert arguments[-2:] == ["--port", "%i"]
    service.command = tuple(arguments[:-2])
    service.prefix = (sys.executable, unit_sandbox.__file__, str(UNIT))
    made = await make_meeting(sandbox, {"kind": "mp4"}, {"kind": "generated", "size_bytes": 12_000_000})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(service.environ["NOTIFY_SOCKET"])
        supervisor.setblocking(False)
        await service.start()
        assert await asyncio.get_running_loop().sock_recv(supervisor, 100) == b"READY=1"
        assert "Seccomp:\t2" in status_of(service), "the bounds are in force"
        await service.post(json.dumps(made["payload"]).encode())
        await service.until_archived(2)
        assert await service.stop() == 0
