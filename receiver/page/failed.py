"""What failed, by the code of why: how many, what to do, and all of one code tried anew, once it was said how many."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.exceptions import HTTPException

from receiver.errors import JobError
from receiver.page.rendering import redirect, render
from receiver.records import State, is_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from receiver.page.parts import Visit

_GIVEN_UP = frozenset({State.FAILED, State.MISSING})
"""What no run takes up again by itself."""


async def groups(visit: Visit) -> Response:
    """`GET /failed`."""
    catalogue = visit.parts.catalogue
    failed, missing = await catalogue.error_codes(State.FAILED, State.MISSING)
    codes = sorted(failed | missing, key=lambda code: (-failed.get(code, 0) - missing.get(code, 0), code))
    retried = visit.request.query_params.get("retried", "")
    return render(
        visit.request,
        "failed.html",
        visit=visit,
        groups=[(code, failed.get(code, 0), missing.get(code, 0)) for code in codes],
        remedies=remedies(),
        retried=int(retried) if retried.isascii() and retried.isdigit() and len(retried) < 10 else None,
    )


async def ask(visit: Visit) -> Response:
    """`GET /failed/retry?error_code=`: the dry run, which says how many there are."""
    code = _code(visit.request.query_params.get("error_code", ""))
    count = await visit.parts.actions.retry_all(_GIVEN_UP, error_code=code, by=visit.token, dry_run=True)
    return render(
        visit.request, "failed_retry.html", visit=visit, code=code, count=count, remedy=remedies().get(code, "")
    )


async def retry(visit: Visit) -> Response:
    """`POST /failed/retry`."""
    code = _code(visit.form.get("error_code", ""))
    count = await visit.parts.actions.retry_all(_GIVEN_UP, error_code=code, by=visit.token)
    return redirect("/failed?" + urlencode({"retried": count}))


@cache
def remedies() -> Mapping[str, str]:
    """Return what to do about each error code."""

    def of(kind: type[JobError]) -> dict[str, str]:
        own = {kind.code: kind.remedy} if "code" in vars(kind) else {}
        return own | {code: remedy for inner in kind.__subclasses__() for code, remedy in of(inner).items()}

    return of(JobError)


def _code(given: str) -> str:
    if not is_id(given):
        raise HTTPException(400, "the form is not one of this page's")
    return given
