"""What the demo prints on stdout: the recordings, the proof of each copy, and how to look around."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from receiver.cli.demo.proof import Seen, manifest_key
from receiver.cli.output import Column, clean, print_table
from receiver.figures import size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from receiver.cli.demo.proof import Proof
    from receiver.cli.demo.stage import Stage

_RECORDINGS = (Column("RECORDING", whole=True), Column("STATE"), Column("SIZE", right=True), Column("MEETING"))


def print_proofs(proofs: Sequence[Proof]) -> bool:
    """Print every recording and its proof; tell whether all copies are proven."""
    rows = [
        [
            proof.indexed["id"],
            proof.indexed["state"],
            size(proof.index.size_bytes),
            proof.indexed["meeting"]["name"] or proof.indexed["meeting"]["id"],
        ]
        for proof in proofs
    ]
    print_table(_RECORDINGS, rows)
    for proof in proofs:
        click.echo()
        _print_proof(proof)
    differences = [difference for proof in proofs for difference in proof.differences()]
    click.echo()
    if not proofs:
        differences = ["no recording was archived"]
    for difference in differences:
        click.echo(f"NOT PROVEN: {clean(difference)}")
    if not differences:
        click.echo("Proven: the object in the bucket, the index and the manifest all say what the source says.")
    return not differences


def _print_proof(proof: Proof) -> None:
    parties = (
        ("source", Seen(sha256=proof.source.sha256, size_bytes=proof.source.size_bytes)),
        ("object", proof.object),
        ("index", proof.index),
        ("manifest", proof.manifest),
    )
    click.echo(f"recording {proof.indexed['id']}")
    for name, seen in parties:
        click.echo(f"  {name:8}  sha256 {seen.sha256 or '(none)':64}  {seen.size_bytes or 0} bytes")
    if proof.key is not None:
        click.echo(f"  key       {clean(proof.key)}")
        click.echo(f"  manifest  {clean(manifest_key(proof.key))}")


def print_surroundings(stage: Stage) -> None:
    """Print where everything is, in lines that can be pasted into a shell."""
    bearer = f"Authorization: Bearer {stage.ops_token}"
    lines = (
        ("Page", f"{stage.service_url}/"),
        ("Token", stage.ops_token),
        ("API", f"{stage.service_url}/api"),
        ("Look", f"curl -s -H {shlex.quote(bearer)} {shlex.quote(stage.service_url + '/api/recordings')}"),
        ("Again", _another_meeting(stage)),
        ("Commands", f". {shlex.quote(str(_environment_file(stage)))}; receiver recordings list"),
        ("Logs", str(stage.log_file)),
    )
    click.echo()
    for name, value in lines:
        click.echo(f"{name:8}  {value}")


def _another_meeting(stage: Stage) -> str:
    """Return a command that has the platform end another recorded meeting."""
    body = '{"name": "Another meeting", "recordings": [{}], "send_webhook": true}'
    url = f"{stage.sandbox.url}/_control/meetings"
    return f"curl -s -H 'Content-Type: application/json' -d {shlex.quote(body)} {shlex.quote(url)}"


def _environment_file(stage: Stage) -> Path:
    """Write the service's variables, readable by their owner alone, for a shell that is to run other commands."""
    path = stage.log_file.with_name("environment.sh")
    path.touch(mode=0o600)
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in stage.environ.items()))
    return path
