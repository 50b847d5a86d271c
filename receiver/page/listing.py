"""What the listings have in common: links that keep what was asked, and tabs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from starlette.requests import Request

PAGE_ITEMS = "50"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A link that narrows the listing. `count` is of the whole index, or None where nobody counts."""

    label: str
    href: str
    is_current: bool
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The parameters of a request, those left out that a form sends empty."""

    path: str
    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, request: Request) -> Asked:
        """Read a request."""
        pairs = tuple((name, value) for name, value in request.query_params.multi_items() if value.strip())
        return cls(path=request.url.path, pairs=pairs)

    def query(self) -> list[tuple[str, str]]:
        """Return what to ask the index: a page of this surface's own length, unless the request named one."""
        return [*self.pairs, *([] if self.value("limit") else [("limit", PAGE_ITEMS)])]

    def value(self, name: str) -> str:
        """Return the parameter's value, or nothing."""
        return next((value for known, value in self.pairs if known == name), "")

    def without(self, names: Collection[str]) -> list[tuple[str, str]]:
        """Return the parameters but these."""
        return [(name, value) for name, value in self.pairs if name not in names]

    def link(self, **changed: str | None) -> str:
        """Return the way to this listing with one thing changed (None: left out), from its first page on."""
        kept = self.without({"cursor", *changed})
        return _path(self.path, [*kept, *((name, value) for name, value in changed.items() if value is not None)])

    def tabs(self, name: str, choices: Iterable[tuple[str, int | None]], total: int | None) -> list[Tab]:
        """Return a tab for everything and one for each choice of the parameter."""
        chosen = {part.strip() for known, value in self.pairs if known == name for part in value.split(",")}
        everything = Tab(label="all", href=self.link(**{name: None}), is_current=not chosen, count=total)
        return [
            everything,
            *(
                Tab(label=choice, href=self.link(**{name: choice}), is_current=choice in chosen, count=count)
                for choice, count in choices
            ),
        ]


def _path(path: str, pairs: list[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(pairs)}" if pairs else path
