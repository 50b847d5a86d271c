"""What an answer that is not a 200 means: the typed error, with the vendor's own words and the setting to look at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from receiver.errors import (
    Answered,
    ApiBadAnswerError,
    ApiClockSkewError,
    ApiForbiddenError,
    ApiLoginRefusedError,
    ApiPausedError,
    ApiRefusedError,
    ApiUnauthorizedError,
    ApiUnavailableError,
    JobError,
    RecordingGoneError,
)
from receiver.meetings.answer import blanked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from receiver.meetings.answer import ApiAnswer

_TEXT_CHARS = 300
_SKEW_S = 300
_REFUSED_SKEW_S = 3500
"""The API refuses time stamps more than 60 minutes from its own time; a `Date` may have been under way for a while."""


def listing_refusal(answer: ApiAnswer, *, setting: str, what: str) -> JobError:
    """Return the error for a listing of `what` answered otherwise than 200; `setting` holds the credentials."""
    said = _said(answer)
    match answer.status:
        case 401:
            return ApiUnauthorizedError(f"the Meetings API refused the credentials of {setting} {said}", answered=said)
        case 403:
            return ApiForbiddenError(f"the credentials of {setting} may not list {what} {said}", answered=said)
        case 404 if answer.content_type == "text/html":
            return ApiBadAnswerError("a web page answered 404, not the Meetings API")
        case 404:
            return RecordingGoneError(
                f"the Meetings API knows no such meeting {said}",
                f"it was deleted there, or the credentials of {setting} are another account's: correct them and retry",
                answered=said,
            )
        case 400 | 422:
            return ApiRefusedError(f"the Meetings API did not understand the request for {what} {said}", answered=said)
    return _unusable(answer, said)


def login_refusal(answer: ApiAnswer) -> JobError:
    """Return the error for a `POST /session` that brought no session."""
    said = _said(answer)
    if answer.status == 422 and abs(answer.skew_s) >= _REFUSED_SKEW_S:
        # the API says 422 to a bad signature too; with such a clock it looks at none
        return ApiClockSkewError(
            f"the Meetings API refused the login since this host's clock is {_off(answer)} its own",
            f"{ApiClockSkewError.remedy} {said}",
            answered=said,
        )
    if answer.content_type == "text/html":
        return ApiBadAnswerError(f"a web page answered {answer.status}, not the Meetings API")
    if 400 <= answer.status < 500 and answer.status != 429:
        return ApiLoginRefusedError(
            "the Meetings API refused the login",
            f"{ApiLoginRefusedError.remedy} {said}{_skew(answer)}",
            answered=said,
        )
    return _unusable(answer, said)


def _unusable(answer: ApiAnswer, said: Answered) -> JobError:
    wait_s = answer.retry_after_s
    asked = "" if wait_s is None else f", asked to wait {wait_s:.0f} s"
    if answer.status == 429:
        return ApiPausedError(
            f"the Meetings API is asked too often{asked} {said}",
            "where that lasts, lower RECEIVER_API_RATE_PER_S",
            answered=said,
            retry_after_s=wait_s,
        )
    if answer.status >= 500:
        return ApiUnavailableError(
            f"the Meetings API is not available{asked} {said}", answered=said, retry_after_s=wait_s
        )
    if 300 <= answer.status < 400:
        return ApiBadAnswerError(
            f"redirects are not followed (status {answer.status})", "set RECEIVER_API_URL to the API's final address"
        )
    return ApiBadAnswerError(
        "the answer has a status that the API does not document", f"{ApiBadAnswerError.remedy} {said}", answered=said
    )


def _skew(answer: ApiAnswer) -> str:
    """Mention a clock that is off, though not so far that it must be the reason."""
    return "" if abs(answer.skew_s) <= _SKEW_S else f"; this host's clock is {_off(answer)} the API's"


def _off(answer: ApiAnswer) -> str:
    return f"{abs(answer.skew_s) / 60:.0f} minutes {'ahead of' if answer.skew_s > 0 else 'behind'}"


def _said(answer: ApiAnswer) -> Answered:
    return Answered(answer.status, vendor_text(answer))


def vendor_text(answer: ApiAnswer) -> str:
    """Return the API's own error text in one line, without secrets; empty where it gave none."""
    try:
        body: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    errors = body.get("errors") if isinstance(body, dict) else None
    text = "; ".join(_texts(errors))
    printable = "".join(c if c.isprintable() else " " for c in text)
    return blanked(printable, answer.secrets)[:_TEXT_CHARS]


def _texts(errors: object) -> Iterator[str]:
    """Yield the sentences of all three shapes: `{"base": [s]}`, `[s]`, `{"field": [s]}`; also of a bare string."""
    match errors:
        case str():
            yield errors
        case list():
            yield from (e for e in errors if isinstance(e, str))
        case dict():
            for field, texts in errors.items():
                of_field = "" if field == "base" else f"{field} "
                yield from (of_field + text for text in _texts(texts))
