"""The Kubernetes manifests of `deploy/`: valid by the schemas of four releases, consistent, and run as processes."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import kubernetes_validate
import pytest

from tests.support.manifests import Container, Document, of_kind, pods, rendered, service_of
from tests.support.service import PLAIN, Service, _ready_url, make_meeting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from receiver.sandbox import Sandbox
    from receiver.sandbox.seaweed import SeaweedServer

RELEASES = ("1.34", "1.35", "1.36", "1.37")
DEPLOY = Path(__file__).parents[2] / "deploy"
NAME, PART = "app.kubernetes.io/name", "app.kubernetes.io/component"
EGRESS = {"web": {53, 5432}, "migrate": {53, 5432}, "worker": {53, 443, 5432}}
INGRESS = {"web": {8080}, "migrate": set(), "worker": {9090}}
both = pytest.mark.parametrize("overlay", ["try", "production"])


@both
def test_every_document_is_as_its_schema_says(overlay: str) -> None:
    for document in rendered(overlay):
        for release in RELEASES:
            kubernetes_validate.validate(document, release, strict=True)


@both
def test_no_pod_has_a_right_that_it_does_not_use(overlay: str) -> None:
    documents = rendered(overlay)
    (namespace,) = of_kind(documents, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod in pods(documents).items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in spec["containers"]:
            asked = container["securityContext"]
            assert (asked["allowPrivilegeEscalation"], asked["capabilities"]) == (False, {"drop": ["ALL"]}), name
            assert asked.get("readOnlyRootFilesystem") or container["name"] != "receiver", name


@both
def test_what_names_another_finds_it(overlay: str) -> None:
    documents = rendered(overlay)
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(documents).items()}
    deployments = of_kind(documents, "Deployment")
    for name, budget in of_kind(documents, "PodDisruptionBudget").items():
        assert [each for each in labels if selects(budget["spec"]["selector"], labels[each])] == [name]
    for service in of_kind(documents, "Service").values():
        assert any(selects({"matchLabels": service["spec"]["selector"]}, each) for each in labels.values())
    for scaler in of_kind(documents, "HorizontalPodAutoscaler").values():
        assert "replicas" not in deployments[scaler["spec"]["scaleTargetRef"]["name"]]["spec"]
    for name in ("receiver-web", "receiver-worker"):
        seconds = deployments[name]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert seconds >= 10 + 25 + 5, "the pause, RECEIVER_SHUTDOWN_GRACE_S and open answers"


def selects(selector: Document, labels: dict[str, str]) -> bool:
    return selector["matchLabels"].items() <= labels.items()


def ports_of(documents: list[Document], labels: dict[str, str], direction: str) -> Iterator[int]:
    """Yield the ports that the policies of a pod with these labels leave open."""
    policies = [
        p["spec"] for p in of_kind(documents, "NetworkPolicy").values() if selects(p["spec"]["podSelector"], labels)
    ]
    assert any(direction in policy["policyTypes"] for policy in policies), "without a policy all is open"
    for policy in policies:
        for rule in policy.get(direction.lower(), ()):
            assert rule["ports"], "a rule without ports opens all of them"
            assert rule.get("to") or rule.get("from"), "a rule without peers opens them to everybody"
            yield from (port["port"] for port in rule["ports"])


def test_the_network_lets_through_what_is_named_and_nothing_else() -> None:
    documents = rendered("production")
    for pod in pods(documents).values():
        labels = pod["metadata"]["labels"]
        assert set(ports_of(documents, labels, "Egress")) == EGRESS[labels[PART]]
        assert set(ports_of(documents, labels, "Ingress")) == INGRESS[labels[PART]]


def test_the_secret_that_production_needs_is_made_by_the_command_shown() -> None:
    (command,) = re.findall(
        r"kubectl -n recordings create secret generic receiver.*", (DEPLOY / "README.md").read_text()
    )
    made = set(re.findall(r"--from-file=(\w+)=", command))
    documents = rendered("production")
    for pod in pods(documents).values():
        container = service_of(pod, documents)
        asked = {path for path in container.environ.values() if path.startswith("/run/secrets/receiver/")}
        assert {Path(path).name for path in asked} == made


class Pod(Service):
    """A service told only what its container is told, but for the names of servers, which are here."""

    container: Container
    here: dict[str, str]

    def environment(self) -> dict[str, str]:
        told = {
            name: value.replace("/run/secrets/receiver", str(self.folder / "secrets"))
            for name, value in self.container.environ.items()
        }
        return {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"} | told | self.here


def made_pods(folder: Path, service: Service) -> dict[str, Pod]:
    """Lay each container's secrets out and return what runs it."""
    documents = rendered("try")
    here_in_files = {
        "database_url": service.database_url,
        "aws_credentials": f"[default]\naws_access_key_id={service.seaweed.access_key}\n"
        f"aws_secret_access_key={service.seaweed.secret_key}\n",
        "api_admin_key": service.sandbox.config.admin_key if service.sandbox else "",
    }
    found = {}
    for name, pod in pods(documents).items():
        if pod["metadata"]["labels"][NAME] != "receiver":
            continue
        container = service_of(pod, documents)
        made = Pod(folder / name, service.bucket, service.seaweed, service.sandbox, forked=True)
        made.container = container
        (made.folder / "secrets").mkdir(parents=True)
        for path, content in container.files.items():
            (made.folder / "secrets" / Path(path).name).write_text(here_in_files.get(Path(path).name, content))
        own = service.environment()
        names = ("S3_BUCKET", "S3_ENDPOINT_URL", "API_URL", "DOWNLOAD_HOSTS", "DOWNLOAD_NETWORKS")
        made.here = {f"RECEIVER_{each}": own[f"RECEIVER_{each}"] for each in names}
        found[name] = made
    return found


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)  # as in a cluster
async def test_migration_web_and_worker_run_as_their_pods_say(
    tmp_path: Path, seaweed: SeaweedServer, bucket_name: str, sandbox: Sandbox, empty_database_url: str
) -> None:
    service = Service(tmp_path, bucket_name, seaweed, sandbox, settings={"DATABASE_URL": empty_database_url})
    found = made_pods(tmp_path, service)
    migrate, web, worker = (found[f"receiver-{name}"] for name in ("migrate", "web", "worker"))
    code, _, wrong = await migrate.ran(*migrate.container.args)
    assert code == 0, wrong
    assert web.container.args[-4:] == ["--host", "0.0.0.0", "--port", "8080"]  # noqa: S104  (what a pod is told)
    web.command = tuple(web.container.args[:-4])
    async with web:
        await answers(web.url, web.container, 8080)
        assert worker.container.environ["RECEIVER_WORK_PORT"] == "9090"
        worker.here["RECEIVER_WORK_PORT"] = "0"
        process = await worker.run(worker.container.args[0], log=worker.log_path)
        try:
            async with asyncio.timeout(60):
                while not (url := await asyncio.to_thread(_ready_url, worker.log_path, 0)):
                    assert process.returncode is None, worker.log_path.read_text()
                    await asyncio.sleep(0.05)
            await answers(url, worker.container, 9090)
            made = await make_meeting(sandbox, {"kind": "mp4"})
            secret = web.container.files["/run/secrets/receiver/webhook_secrets"].strip()
            hook = f"{web.url}/webhooks/recording-done/{secret}"
            async with httpx.AsyncClient(verify=PLAIN) as client:
                assert (await client.post(hook, content=json.dumps(made["payload"]))).status_code == 202
            await archived(web)
        finally:
            process.terminate()
            assert await process.wait() == 0


async def answers(url: str, container: Container, port: int) -> None:
    assert set(container.probes) == {"startupProbe", "readinessProbe", "livenessProbe"}
    async with httpx.AsyncClient(base_url=url, verify=PLAIN) as client:
        for path, asked in container.probes.values():
            assert asked == port
            assert (await client.get(path)).status_code == 200


async def archived(web: Pod) -> None:
    _, _, token = web.container.files["/run/secrets/receiver/ops_tokens"].strip().split(":")
    async with asyncio.timeout(60), web.client(token) as client:
        while True:
            items: list[dict[str, Any]] = (await client.get("/api/recordings")).json()["items"]
            if items and items[0]["state"] == "archived":
                return
            await asyncio.sleep(0.05)
