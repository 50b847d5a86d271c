"""How the vendor's API writes and reads: error shapes, timestamps, JSON and form-encoded parameters."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

Parameters: TypeAlias = dict[str, Any]
Errors: TypeAlias = Mapping[str, list[str]] | list[str]

KEY_PART = re.compile(r"\[([^\[\]]*)\]")
BLANK_TYPES = frozenset({"missing", "string_too_short"})


class RefusedRequestError(Exception):
    """The API refuses; `errors` is one of the vendor's three shapes."""

    def __init__(self, status: int, errors: Errors) -> None:
        super().__init__(status, errors)
        self.status = status
        self.errors = errors

    def response(self) -> JSONResponse:
        return JSONResponse({"errors": self.errors}, status_code=self.status)


def base_error(status: int, message: str) -> RefusedRequestError:
    return RefusedRequestError(status, {"base": [message]})


def plain_error(status: int, message: str) -> RefusedRequestError:
    return RefusedRequestError(status, [message])


def field_error(field: str, message: str) -> RefusedRequestError:
    return RefusedRequestError(422, {field: [message]})


def invalid(error: ValidationError) -> RefusedRequestError:
    """Field names as a client wrote them, nested ones joined by dots without list positions."""
    fields: dict[str, list[str]] = {}
    for problem in error.errors():
        name = ".".join(part for part in problem["loc"] if isinstance(part, str)) or "base"
        messages = fields.setdefault(name, [])
        message = _message(problem["type"], problem["msg"], problem.get("input"))
        if message not in messages:
            messages.append(message)
    return RefusedRequestError(422, fields)


def _message(kind: str, message: str, given: object) -> str:
    if kind in BLANK_TYPES or given is None:
        return "cannot be blank"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    return "is invalid"


def now() -> datetime:
    """To the millisecond, as the API writes times; a filter by a time it wrote finds the meeting."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def stamp_ms(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamp_s(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def read_parameters(request: Request) -> Parameters:
    """The body's parameters, JSON or form-encoded; curl's `-d` says form even where the page sends JSON."""
    raw = await request.body()
    if not raw.strip():
        return {}
    if "json" in request.headers.get("content-type", "") or raw.lstrip().startswith(b"{"):
        return _read_json(raw)
    return nested(read_pairs(raw))


def _read_json(raw: bytes) -> Parameters:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise plain_error(400, "Bad request: the body is not JSON") from error
    if not isinstance(document, dict):
        raise plain_error(422, "The body must be an object")
    return document


def read_pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise plain_error(400, "Bad request: the body is not form-encoded") from error


def nested(pairs: Iterable[tuple[str, str]]) -> Parameters:
    """`user[login]=x`, `attendees[][id]=1` and `attendees[0][id]=1` become objects and lists."""
    tree: Parameters = {}
    for key, value in pairs:
        head, bracket, _ = key.partition("[")
        path = [head, *KEY_PART.findall(key)] if bracket else [head]
        try:
            _plant(tree, path, value)
        except (AttributeError, TypeError) as error:
            raise field_error(head, "is invalid") from error
    return {name: _lists(branch) for name, branch in tree.items()}


def _plant(node: Parameters, path: list[str], value: str) -> None:
    name, *rest = path
    if not rest:
        node[name] = value
    elif rest[0]:
        _plant(node.setdefault(name, {}), rest, value)
    elif len(rest) == 1:
        node.setdefault(name, []).append(value)
    else:
        items = node.setdefault(name, [])
        if not items or rest[1] in items[-1]:
            items.append({})
        _plant(items[-1], rest[1:], value)


def _lists(branch: Any) -> Any:
    if isinstance(branch, dict):
        if branch and all(key.isdigit() for key in branch):
            return [_lists(branch[key]) for key in sorted(branch, key=int)]
        return {key: _lists(value) for key, value in branch.items()}
    if isinstance(branch, list):
        return [_lists(item) for item in branch]
    return branch
