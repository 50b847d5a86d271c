"""The Kubernetes manifests of `deploy/`, as kubectl renders them, and what a container of theirs is told."""

from __future__ import annotations

import base64
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

OVERLAYS = Path(__file__).parents[2] / "deploy" / "kubernetes" / "overlays"
Document = dict[str, Any]


def rendered(overlay: str) -> list[Document]:
    """Return every document of an overlay."""
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run([kubectl, "kustomize", OVERLAYS / overlay], check=True, capture_output=True)
    assert done.stderr == b"", "no warning, as of a field that is going away"
    return list(yaml.safe_load_all(done.stdout))


def of_kind(documents: list[Document], kind: str) -> dict[str, Document]:
    """Return the documents of a kind by their name."""
    return {found["metadata"]["name"]: found for found in documents if found["kind"] == kind}


def pods(documents: list[Document]) -> dict[str, Document]:
    """Return every pod that is asked for, by the name of what asks."""
    asking = of_kind(documents, "Deployment") | of_kind(documents, "Job")
    return {name: found["spec"]["template"] for name, found in asking.items()}


@dataclass(frozen=True)
class Container:
    """What the service's container in a pod is run with."""

    args: list[str]
    environ: dict[str, str]
    files: dict[str, str]
    """What stands in the secrets' files, by path; nothing where the overlay leaves the secret to others."""
    probes: dict[str, tuple[str, int]]
    """Path and port of each."""


def service_of(pod: Document, documents: list[Document]) -> Container:
    """Return the container named `receiver` with its references looked up."""
    (said,) = [one for one in pod["spec"]["containers"] if one["name"] == "receiver"]
    environ: dict[str, str] = {}
    for source in said["envFrom"]:
        environ |= of_kind(documents, "ConfigMap")[source["configMapRef"]["name"]]["data"]
    environ |= {one["name"]: one["value"] for one in said["env"]}
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    files: dict[str, str] = {}
    for mount in said["volumeMounts"]:
        secret = of_kind(documents, "Secret").get(volumes[mount["name"]]["secret"]["secretName"], {"data": {}})
        files |= {
            f"{mount['mountPath']}/{key}": base64.b64decode(text).decode() for key, text in secret["data"].items()
        }
    ports = {port["name"]: port["containerPort"] for port in said.get("ports", ())}
    asked = {
        name: said[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe") if name in said
    }
    probes = {name: (one["path"], ports[one["port"]]) for name, one in asked.items()}
    return Container(said["args"], environ, files, probes)
