"""`deploy/compose.yaml`: valid, given its secrets by the commands shown, its parts run as it says.

Its processes are run so by the Kubernetes manifests' tests, and behind nginx by `tests/fault/test_upgrades.py`.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from receiver.errors import JobError
from receiver.objectstore import BucketConfig, learn, open_probe
from receiver.records import Rung
from receiver.sandbox.seaweed import _binary, _held_pair
from receiver.settings import Needs, load
from tests.support.nginx import CONF
from tests.support.stores.served import served

DEPLOY = Path(__file__).parents[2] / "deploy"
SAID: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = SAID["services"]
OURS = ("web-1", "web-2", "worker", "migrate")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the secrets' files as the chapter does."""
    folder = tmp_path_factory.mktemp("compose")
    (commands,) = re.findall(r"```sh\n(mkdir -p deploy/secrets.*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL)
    subprocess.run(["sh", "-ec", commands], cwd=folder, check=True, capture_output=True)
    return folder / "deploy" / "secrets"


def test_it_is_as_the_specification_says_and_every_reference_is_met(secrets: Path) -> None:
    assert set(PyCompose.from_yaml(yaml.dump(SAID)).service_names()) == set(SERVICES)
    with pytest.raises(ValueError, match="imagee"):
        PyCompose.from_yaml("services: {a: {imagee: x}}")
    for name, service in SERVICES.items():
        for secret in service.get("secrets", ()):
            assert (secrets / Path(SAID["secrets"][secret]["file"]).name).stat().st_mode & 0o444 == 0o444, name
        assert set(service.get("depends_on", ())) <= SERVICES.keys()
    named = {volume.partition(":")[0] for volume in SERVICES["nginx"]["volumes"]}
    assert all((secrets / Path(path).name).exists() or (DEPLOY / path).exists() for path in named)


def test_our_own_are_read_only_and_have_no_rights() -> None:
    for name in OURS:
        service = SERVICES[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["stop_grace_period"] == "45s"
        told = {path for path in service["environment"].values() if path.startswith("/run/secrets/")}
        assert {Path(path).name for path in told} == set(service["secrets"])


def test_nginx_gets_the_shipped_configuration_with_the_addresses_of_the_web_processes(tmp_path: Path) -> None:
    shell, option, script = SERVICES["nginx"]["command"]
    out = tmp_path / "nginx.conf"
    script = script.replace("/etc/nginx/shipped.conf", str(CONF)).replace("/tmp/nginx.conf", str(out))  # noqa: S108
    subprocess.run([shell, option, script.replace("exec nginx", "exec true")], check=True)
    changed = [line.split() for line in out.read_text().splitlines() if line not in CONF.read_text().splitlines()]
    addresses = [SERVICES[name]["networks"]["inside"]["ipv4_address"] for name in ("web-1", "web-2")]
    assert [words[:2] for words in changed] == [["server", f"{address}:8080"] for address in addresses]
    trusted = SERVICES["web-1"]["environment"]["RECEIVER_FORWARDED_ALLOW_IPS"]
    assert trusted == SERVICES["nginx"]["networks"]["inside"]["ipv4_address"]


def test_the_settings_of_each_are_right_and_come_from_its_secrets(secrets: Path) -> None:
    for name, needs in {
        "web-1": Needs.SERVE,
        "web-2": Needs.SERVE,
        "worker": Needs.BUCKET,
        "migrate": Needs.DATABASE,
    }.items():
        told = {key: text.replace("/run/secrets", str(secrets)) for key, text in SERVICES[name]["environment"].items()}
        settings = load(needs, told, dotenv=None)
        password = (secrets / "database_password").read_text().strip()
        assert settings.database_url == f"postgresql://receiver:{password}@postgres/receiver"
        assert len(settings.webhook_secrets) == len(settings.ops_tokens) == 1
    assert settings.s3_bucket == "team-recordings"
    worker = SERVICES["worker"]
    assert f":{worker['environment']['RECEIVER_WORK_PORT']}/readyz" in worker["healthcheck"]["test"][-1]


async def test_its_s3_server_does_what_the_service_asks_of_a_store(
    secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = SERVICES["s3"]["command"].replace("/run/secrets", str(secrets)).replace("=/data", f"={tmp_path}")
    words = words.replace("-ip.bind=0.0.0.0", "-ip.bind=127.0.0.1").replace(" -s3.port=8333", "")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(secrets / "aws_credentials"))
    with ExitStack() as held:
        ports = {part: _held_pair(held) for part in ("master", "volume", "filer", "s3")}
        options = [f"-{part}.port={port}" for part, port in ports.items()]
        url = f"http://127.0.0.1:{ports['s3']}"
        config = BucketConfig(bucket="team-recordings", endpoint_url=url, region="us-east-1")
        async with served(_binary(), *words.split(), *options, url=url, folder=tmp_path), open_probe(config) as bucket:
            async with asyncio.timeout(60):
                while True:  # it answers before it can store
                    try:
                        learnt = await learn(bucket, "recordings/.receiver-check/first", now=datetime.now(UTC))
                        break
                    except JobError:
                        await asyncio.sleep(0.2)
    assert learnt.abilities.put_proof is learnt.abilities.upload_proof is Rung.CRC64NVME
    assert learnt.abilities.excludes_overwriting
