"""Refused requests on record: one log line for many of a kind, so that a flood of requests is no flood of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from receiver import logs

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET_S = 10.0
MOST_KINDS = 256
_STATUSES = frozenset({401, 403, 408, 413, 415, 429})
"""No to a sender or to what was sent, besides 400 to a POST. The webhook's 422 is kept as a delivery, and logged."""
_OTHERS = "others"
_log = logs.get("http")


class RefusalKind(NamedTuple):
    """Which refusals are told together."""

    surface: str
    address: str
    status: int


class Refusals:
    """The first refusal of a kind is told at once, those of the next `QUIET_S` together when that time is over.

    `later` calls a function after so many seconds. Beyond `MOST_KINDS`, addresses are not told apart.
    """

    def __init__(self, later: Callable[[float, Callable[[], None]], object]) -> None:
        self._later = later
        self._untold: dict[RefusalKind, int] = {}

    def note(self, kind: RefusalKind) -> None:
        """Count one refusal."""
        if kind not in self._untold and len(self._untold) >= MOST_KINDS:
            kind = kind._replace(address=_OTHERS)
        if kind in self._untold:
            self._untold[kind] += 1
        else:
            self._tell(kind, 1)

    def _tell(self, kind: RefusalKind, count: int) -> None:
        _log.warning("requests_refused", **kind._asdict(), count=count)
        self._untold[kind] = 0
        self._later(QUIET_S, lambda: self._end_quiet(kind))

    def _end_quiet(self, kind: RefusalKind) -> None:
        if count := self._untold.pop(kind):
            self._tell(kind, count)


def is_refusal(method: str, status: int) -> bool:
    """Tell whether an answer refuses its request."""
    return status in _STATUSES or (status == 400 and method == "POST")


def surface(path: str) -> str:
    """Say in one word what was asked; the path itself can hold a secret."""
    first = path.split("/", 2)[1] if "/" in path else ""
    return {"webhooks": "webhook", "api": "api"}.get(first, "page")
