"""The API's documentation, the table of errors and the runbook as pages, which need no script and no network."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from receiver.page.rendering import render
from receiver.problems import anchor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from starlette.requests import Request
    from starlette.responses import Response

    from receiver.page.parts import PageParts, Visit

_SCHEMAS = "#/components/schemas/"
_CODE = re.compile(r"`([a-z_]+)`")
_LINKED = re.compile(r"\.md(?=$|#)")
"""The ending of a file, which has its page without."""


async def api(parts: PageParts, request: Request, visit: Visit | None) -> Response:
    """`GET /docs`."""
    return render(request, "docs.html", visit=visit, document=parts.document(), kinds=kinds, prose=prose)


async def errors(_parts: PageParts, request: Request, visit: Visit | None) -> Response:
    """`GET /docs/errors`: deploy/errors.md, each section and each code with the anchor that leads to it."""
    return render(request, "file.html", visit=visit, title="Errors and what to do", text=_text("errors.md"))


async def runbook(_parts: PageParts, request: Request, visit: Visit | None) -> Response:
    """`GET /docs/runbook`: deploy/runbook.md, where the links of alerts lead."""
    return render(request, "file.html", visit=visit, title="Runbook", text=_text("runbook.md"))


@cache
def _markdown(*, html: bool = False) -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415  (only whoever reads these pages needs it)

    return MarkdownIt("commonmark", {"html": html}).enable("table")


def prose(text: str) -> Markup:
    """Return a text of the document as HTML: its backticks stand around what is typed as it is."""
    return Markup(_markdown().renderInline(text))  # noqa: S704  (the renderer escapes what is HTML in it)


def kinds(schema: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield what a schema is in words, one for each alternative, with the name of the model that it refers to."""
    match schema:
        case {"$ref": ref}:
            name = ref.removeprefix(_SCHEMAS)
            yield name, name
        case {"anyOf": alternatives}:
            for one in alternatives:
                yield from kinds(one)
        case {"type": "array", "items": items}:
            yield from ((f"{text}, repeated", name) for text, name in kinds(items))
        case {"enum": values}:
            yield ", ".join(map(str, values)), None
        case {"additionalProperties": dict(values)}:
            yield from ((f"by name: {text}", name) for text, name in kinds(values))
        case {"type": str(kind)}:
            yield schema.get("format", kind), None
        case _:
            yield "anything", None


@cache
def _text(name: str) -> Markup:
    """Return a file of deploy/ as HTML: its anchors stand in HTML, as GitHub shows them."""
    markdown = _markdown(html=True)
    tokens = markdown.parse(_file(name).read_text())
    for before, inline in pairwise(tokens):
        if before.type == "heading_open":
            before.attrSet("id", anchor(inline.content))
    for row, _cell, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if row.type == "tr_open" and (code := _CODE.fullmatch(inline.content)):
            row.attrSet("id", code[1])
    for link in (child for token in tokens for child in token.children or () if child.type == "link_open"):
        link.attrSet("href", _LINKED.sub("", str(link.attrGet("href"))))
    return Markup(markdown.renderer.render([*_untitled(tokens)], markdown.options, {}))  # noqa: S704  (our own text)


def _untitled(tokens: list[Token]) -> Iterator[Token]:
    """Yield all but the first heading, which the page has of its own."""
    ended = next(n for n, token in enumerate(tokens) if token.type == "heading_close")
    yield from tokens[ended + 1 :]


def _file(name: str) -> Path:
    """Return where a file of deploy/ is: a wheel carries it inside the package, a checkout beside it."""
    here = Path(__file__).with_name(name)
    return here if here.is_file() else Path(__file__).parents[2] / "deploy" / name
