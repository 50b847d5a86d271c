"""`GET /api/export`, and what `receiver export` writes: every recording that matches, as CSV or as lines of JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any, assert_never, get_args, get_origin

from starlette.responses import StreamingResponse

from receiver import logs
from receiver.api.answers import NEVER_KEPT
from receiver.api.bodies import Body, RecordingBody
from receiver.operators import ExportFormat, every_page, export_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from starlette.responses import Response

    from receiver.api.parts import Call
    from receiver.catalogue import Catalogue
    from receiver.operators import ExportQuery
    from receiver.records import Recording

MEDIA_TYPES = {ExportFormat.CSV: "text/csv; charset=utf-8", ExportFormat.NDJSON: "application/x-ndjson"}
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""How text begins that a spreadsheet would run, also in the wide forms that some take for the same."""
_log = logs.get("api")


async def export(call: Call) -> Response:
    """`GET /api/export`; the first page is read before the answer begins, so that its status says what is wrong."""
    asked = export_query(call.request.query_params.multi_items())
    chunks = written(call.parts.catalogue, asked)
    first = await anext(chunks)
    await call.parts.actions.note_export(asked, call.token)

    async def body() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk
        _log.info("recordings_exported", format=asked.format, token_name=call.token.name)

    name = {"Content-Disposition": f'attachment; filename="recordings.{asked.format}"'}
    return StreamingResponse(body(), media_type=MEDIA_TYPES[asked.format], headers=NEVER_KEPT | name)


async def written(catalogue: Catalogue, asked: ExportQuery) -> AsyncIterator[bytes]:
    """Yield an export, a page a chunk; a CSV begins with its line of names. Raises what `Catalogue.page` raises."""
    write = _writer(asked.format)
    async for page in every_page(catalogue, asked):
        yield write(page)


def _writer(kind: ExportFormat) -> Callable[[Sequence[Recording]], bytes]:
    match kind:
        case ExportFormat.NDJSON:
            return lambda page: b"".join(b"%b\n" % RecordingBody.written(one) for one in page)
        case ExportFormat.CSV:
            return _CsvPages().write
        case _:
            assert_never(kind)


class _CsvPages:
    """Text always stands in quotes, numbers never do."""

    def __init__(self) -> None:
        self._columns = [path for path, _ in _leaves(RecordingBody)]
        self._names: list[list[str]] = [[".".join(path) for path in self._columns]]

    def write(self, page: Sequence[Recording]) -> bytes:
        """Return the lines of a page, the first time with the names above them."""
        into = io.StringIO()
        to = csv.writer(into, quoting=csv.QUOTE_NONNUMERIC)
        to.writerows(self._names)
        self._names = []
        for recording in page:
            body = RecordingBody.of(recording).model_dump(mode="json")
            to.writerow(_cell(_value(body, path)) for path in self._columns)
        return into.getvalue().encode()


def _leaves(model: type[Body], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path of each field that is no model of its own."""
    for name, field in model.model_fields.items():
        choices = () if get_origin(field.annotation) is tuple else (field.annotation, *get_args(field.annotation))
        inner = next((one for one in choices if isinstance(one, type) and issubclass(one, Body)), None)
        if inner is None:
            yield (*above, name), field
        else:
            yield from _leaves(inner, (*above, name))


def _value(body: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = body
    for name in path:
        value = None if value is None else value[name]
    return value


def _cell(value: Any) -> str | int | float:
    """Return a field's cell; as JSON has them, values are text, numbers, flags and lists."""
    match value:
        case str():
            return harmless(value)
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list() if any(isinstance(one, dict) for one in value):
            return json.dumps(value, ensure_ascii=False)
        case list():
            return " ".join(map(str, value))
        case _:
            number: int | float = value
            return number


def harmless(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: where it begins like one, an apostrophe comes first."""
    return f"'{text}" if not text[:1].isalnum() and _FORMULA.match(text) else text
