"""The API's document: it holds for what is served, and says all of it."""

from __future__ import annotations

import json

from click.testing import CliRunner

from receiver.api import openapi
from receiver.api.operations import OPERATIONS
from receiver.catalogue import FILTERS
from receiver.cli import root


def references(value):
    match value:
        case {"$ref": ref}:
            yield ref
        case dict():
            yield from (ref for inner in value.values() for ref in references(inner))
        case list():
            yield from (ref for inner in value for ref in references(inner))


def test_every_operation_and_every_filter_is_described():
    paths = openapi.document()["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    probes = {("GET", path) for path in ("/healthz", "/readyz", "/metrics")}
    assert described == {(one.method, f"/api{one.path}") for one in OPERATIONS} | probes
    for path in ("/api/recordings", "/api/export"):
        names = [one["name"] for one in paths[path]["get"]["parameters"]]
        assert [name for name in names if name not in {"sort", "limit", "cursor", "format"}] == [
            one.name for one in FILTERS
        ]
    ids = [one["operationId"] for methods in paths.values() for one in methods.values()]
    assert len(set(ids)) == len(ids)


def test_every_reference_leads_to_a_schema_and_every_schema_is_used():
    document = openapi.document()
    named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) == named
    assert not [name for name in named if name.endswith("Body")]


def test_the_command_prints_what_is_served():
    done = CliRunner().invoke(root, ["openapi"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, json.loads(openapi.written()))
