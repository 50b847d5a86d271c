"""`GET /openapi.json`: the API in OpenAPI 3.1, made of its operations, its models and the one table of filters."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from receiver.api.bodies import HealthBody, ProblemBody
from receiver.api.export import MEDIA_TYPES
from receiver.api.operations import OPERATIONS
from receiver.records import ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from receiver.api.bodies import Body
    from receiver.api.operations import Operation
    from receiver.api.parameters import Parameter

_SCHEMAS = "#/components/schemas/"
_REFUSALS = {
    400: "A parameter is not known or not understood, or the body is not JSON.",
    401: "No token came, or a wrong one.",
    403: "The token's role is too low, or no token is configured.",
    404: "There is none with this id.",
    408: "The body did not arrive in time.",
    409: "The recording's state, or a hold, does not allow it.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "The body was read, but cannot be used.",
    429: "Too many requests without a good token came from this address.",
    502: "The bucket could not be asked.",
    503: "The database cannot be used now; ask again after `Retry-After` seconds.",
}
_ABOUT = (
    "Recordings that a webhook brought, archived in the team's own bucket. Every request needs one of the service's "
    "ops tokens. What is refused is told as a problem (RFC 9457), whose `type` leads to what to do."
)


@cache
def written() -> bytes:
    """Return the document as JSON."""
    return json.dumps(document(), ensure_ascii=False).encode()


@cache
def document() -> Mapping[str, Any]:
    """Return the document, made when it is first asked for: that takes 17 ms, which a start need not wait for."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(f"/api{operation.path}", {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Recording archive", "version": version("recording-archive"), "description": _ABOUT},
        "paths": paths | _probes(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "RECEIVER_OPS_TOKENS"}},
        },
    }


class _Untitled(GenerateJsonSchema):
    """A field's name says what its title would."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


def _schemas() -> dict[str, Any]:
    answered = {one.answers for one in OPERATIONS if one.answers} | {ProblemBody, HealthBody}
    taken = {one.takes for one in OPERATIONS if one.takes}
    models = [(model, "serialization") for model in answered] + [(model, "validation") for model in taken]
    models.sort(key=lambda one: one[0].__name__)
    template = f"{_SCHEMAS}{{model}}"
    _, found = models_json_schema(models, ref_template=template, schema_generator=_Untitled)  # type: ignore[arg-type]
    schemas = found["$defs"]
    return {
        _name(name): _renamed({key: value for key, value in schema.items() if key != "title"})
        for name, schema in sorted(schemas.items())
    }


def _renamed(value: Any) -> Any:
    """Return a schema that refers to others by the names that readers see."""
    match value:
        case {"$ref": str() as ref}:
            return value | {"$ref": _SCHEMAS + _name(ref.removeprefix(_SCHEMAS))}
        case dict():
            return {key: _renamed(inner) for key, inner in value.items()}
        case list():
            return [_renamed(inner) for inner in value]
        case _:
            return value


def _name(model: str) -> str:
    return model.removesuffix("Body")


def _ref(model: type[Body]) -> dict[str, str]:
    return {"$ref": _SCHEMAS + _name(model.__name__)}


def _operation(one: Operation) -> dict[str, Any]:
    parameters = [*([_id(one.path)] if "{id}" in one.path else []), *map(_parameter, one.parameters)]
    return {
        "operationId": one.handler.__module__.rpartition(".")[2] + "_" + one.handler.__name__,
        "summary": one.about,
        "description": f"Needs the role {one.needs}.",
        "tags": [one.path.split("/")[1]],
        "security": [{"token": []}],
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": {"required": one.method != "DELETE", "content": _json(one.takes)}} if one.takes else {}),
        "responses": _successes(one) | {str(status): _refusal(status) for status in sorted(_refused(one))},
    }


def _id(path: str) -> dict[str, Any]:
    number, text = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}, {"type": "string", "pattern": ID_PATTERN}
    schema = number if path.startswith("/holds/") else text
    return {"name": "id", "in": "path", "required": True, "schema": schema}


def _parameter(one: Parameter) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": "query",
        "description": one.about,
        "schema": one.schema,
        **({"required": True} if one.required else {}),
    }


def _json(model: type[Body]) -> dict[str, Any]:
    return {"application/json": {"schema": _ref(model)}}


def _successes(one: Operation) -> dict[str, Any]:
    if one.answers is None:
        return _files()[one.path]
    headers: dict[str, Any] = {}
    if any(parameter.name == "cursor" for parameter in one.parameters):
        headers["Link"] = _header("The next page, as RFC 8288 has it.")
    if one.has_etag:
        headers["ETag"] = _header("Send it as If-None-Match to be told by 304 that nothing has changed.")
    good = {"description": "Found." if one.method == "GET" else "Done.", "content": _json(one.answers)}
    unchanged = {"304": {"description": "Nothing has changed."}} if one.has_etag else {}
    return {"200": good | ({"headers": headers} if headers else {})} | unchanged


def _files() -> Mapping[str, dict[str, Any]]:
    """Return the successes that are no JSON, by path."""
    written_as = {media.partition(";")[0]: {"schema": {"type": "string"}} for media in MEDIA_TYPES.values()}
    return {
        "/recordings/{id}/download": {
            "307": {"description": "To the bucket.", "headers": {"Location": _header("It is a credential.")}}
        },
        "/export": {
            "200": {"description": "All that match; it may end early, without a last chunk.", "content": written_as}
        },
    }


def _header(about: str) -> dict[str, Any]:
    return {"description": about, "schema": {"type": "string"}}


def _refused(one: Operation) -> set[int]:
    found = {401, 403, 429, 503, *one.refusals}
    if "{id}" in one.path:
        found.add(404)
    if one.parameters:
        found.add(400)
    if one.takes:
        found |= {400, 408, 413, 415, 422}
    return found


def _refusal(status: int) -> dict[str, Any]:
    return {"description": _REFUSALS[status], "content": {"application/problem+json": {"schema": _ref(ProblemBody)}}}


def _probes() -> dict[str, Any]:
    def probe(
        name: str, about: str, *, content: Mapping[str, Any], more: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        answers = {"200": {"description": "Yes.", "content": content}} | dict(more or {})
        return {"get": {"operationId": name, "summary": about, "tags": ["probes"], "responses": answers}}

    health = _json(HealthBody)
    exposition = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "/healthz": probe("healthz", "The process lives.", content=health),
        "/readyz": probe("readyz", "A delivery could be stored now.", content=health, more={"503": _refusal(503)}),
        "/metrics": probe("metrics", "Figures for Prometheus.", content=exposition),
    }
