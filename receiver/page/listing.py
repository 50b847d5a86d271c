"""What the listings have in common: links that keep what was asked, tabs, chips, columns, and when to look again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from receiver.lifecycle import CLAIMABLE
from receiver.records import State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from starlette.requests import Request

    from receiver.records import Recording

PAGE_ITEMS = "50"
_SOON_S, _LATER_S = 2, 15
"""How long an open page waits before it looks again: while a run is at work, and otherwise."""
_COLUMNS = (("Duration", "duration_s"), ("Size", "size_bytes"), ("Created", "created_at"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A link that narrows the listing. `count` is of the whole index, or None where nobody counts."""

    label: str
    href: str
    is_current: bool
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A filter that is set, and the way to the listing without it."""

    label: str
    value: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The head of a column. `href` leads to the listing in its order, where there is one; `order` is `aria-sort`."""

    title: str
    href: str | None
    order: str | None


def refresh_s(recordings: Iterable[Recording]) -> int:
    """Return how long an open page of these recordings waits before it looks again."""
    at_work = any(r.state in CLAIMABLE and r.state is not State.WAITING for r in recordings)
    return _SOON_S if at_work else _LATER_S


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

    def chips(self, labels: Mapping[str, str]) -> list[Chip]:
        """Return a chip for each parameter that has a label."""
        return [
            Chip(
                label=labels[name],
                value=value,
                href=_path(self.path, [pair for pair in self.without({"cursor"}) if pair != (name, value)]),
            )
            for name, value in self.pairs
            if name in labels
        ]

    def columns(self, sorts: Collection[str]) -> list[Column]:
        """Return the heads of the columns that can be sorted by; what is sorted by already is turned round."""
        now = self.value("sort") or "-created_at"
        found = []
        for title, name in _COLUMNS:
            is_there = f"-{name}" in sorts
            other = name if now == f"-{name}" else f"-{name}"
            order = {name: "ascending", f"-{name}": "descending"}.get(now)
            found.append(Column(title=title, href=self.link(sort=other) if is_there else None, order=order))
        return found

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
