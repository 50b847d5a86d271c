"""What an error's code tells, as rows hold it, of all that end jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import receiver.errors.api
import receiver.errors.sources
import receiver.errors.stores  # noqa: F401  (they define the errors)
from receiver.errors.base import JobError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from receiver.errors.base import Side

__all__ = ["codes", "codes_of", "remedies_by_hand", "side_of"]


def _below(kind: type[JobError]) -> Iterator[type[JobError]]:
    for error in kind.__subclasses__():
        yield error
        yield from _below(error)


_ERRORS = {error.code: error for error in _below(JobError)}


def codes(kind: type[JobError] = JobError) -> list[str]:
    """Return every code that an error of this kind can have."""
    return sorted({error.code for error in (kind, *_below(kind)) if "code" in vars(error)})


def side_of(code: str) -> Side | None:
    """Return the side whose outage an error code may tell of."""
    return _ERRORS[code].side if code in _ERRORS else None


def codes_of(side: Side) -> list[str]:
    """Return the codes that an outage of this side may have."""
    return [code for code, error in _ERRORS.items() if error.side is side]


def remedies_by_hand() -> dict[str, str]:
    """Return, by code, what is to be done about outages that end only when somebody mends them."""
    return {code: error.remedy for code, error in _ERRORS.items() if error.needs_hand}
