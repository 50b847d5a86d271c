"""From templates to answers, and the headers that every one of them carries."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from receiver import figures, problems
from receiver.records import ABOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment
    from starlette.requests import Request
    from starlette.responses import Response

_HERE = Path(__file__).parent
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, and those that turn the direction of what follows. Joiners within a word stay."""
_NO_SNIFFING = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_NEVER_KEPT = {"Cache-Control": "no-store", **_NO_SNIFFING}


def plain(text: str) -> str:
    """Show as its escape what a browser would obey or hide."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def cut(text: str, most_chars: int) -> str:
    """Return the text as one line of at most so many characters."""
    line = plain(" ".join(text.split()))
    return line if len(line) <= most_chars else line[: most_chars - 1].rstrip() + "…"


@functools.cache
def _environment() -> Environment:
    """Make what reads templates; each is compiled when its page is first asked for."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  (2 MB until somebody looks)

    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "cut": cut,
        "plain": plain,
        "moment": figures.moment,
        "about": lambda act: ABOUT.get(act.action, act.action.replace("_", " ")),
        "size": figures.size,
        "duration": figures.duration,
        "span": figures.span,
        "ago": figures.ago,
    }
    return made


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_origin: str | None = None,
    **shown: Any,
) -> Response:
    """Answer with a page; `media_origin` is where its recording may be played from."""
    text = _environment().get_template(template).render(path=request.url.path, **({"visit": None} | shown))
    own = _NEVER_KEPT | {"Content-Security-Policy": _policy(media_origin)}
    return HTMLResponse(text, status, headers=own | dict(headers or {}))


def _policy(media_origin: str | None) -> str:
    """Allow this service's own files, and nothing written into a page; a played file comes by a redirect of ours."""
    media = f"; media-src 'self' {media_origin}" if media_origin else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        f"form-action 'self'; base-uri 'none'; frame-ancestors 'none'{media}"
    )


def redirect(path: str, status: int = 303) -> RedirectResponse:
    """Lead to another place, of ours or of the bucket, that nobody keeps and no Referer tells of."""
    return RedirectResponse(path, status, headers=_NEVER_KEPT)


async def refuse(request: Request, error: Exception) -> Response:
    """Answer with the page of an error, in the words that the JSON API has for it."""
    handler = next(handler for kind, handler in problems.handlers().items() if isinstance(error, kind))
    answer: Any = await handler(request, error)  # type: ignore[misc, arg-type]  # starlette's type allows websockets
    headers = {name: answer.headers[name] for name in ("Retry-After", "Allow") if name in answer.headers}
    problem = json.loads(answer.body)
    return render(request, "problem.html", status=answer.status_code, headers=headers, problem=problem)


class OwnFiles(StaticFiles):
    """The style sheet, the script and the icon; asked for anew each time, and sent only when changed."""

    def __init__(self) -> None:
        super().__init__(directory=_HERE / "static")

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Add the headers of every answer."""
        response = super().file_response(*args, **kwargs)
        response.headers.update(_NO_SNIFFING | {"Cache-Control": "no-cache"})
        return response
