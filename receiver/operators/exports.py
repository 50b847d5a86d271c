"""Everything that matches, page by page: memory holds one page, whatever the number of recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.catalogue import Catalogue
    from receiver.operators.query import ExportQuery
    from receiver.records import Recording

_PAGE_ITEMS = 200
"""More of them at once would keep the event loop from other requests for longer than a few milliseconds."""


async def every_page(catalogue: Catalogue, asked: ExportQuery) -> AsyncIterator[tuple[Recording, ...]]:
    """Yield the recordings in pages, at least one, which may be empty; raises what `Catalogue.page` raises.

    Each page is read when it is asked for, so what changes meanwhile shows or does not, but nothing comes twice.
    """
    cursor = None
    while True:
        page = await catalogue.page(asked.filters, sort=asked.sort, limit=_PAGE_ITEMS, cursor=cursor)
        yield page.items
        cursor = page.next_cursor
        if cursor is None:
            return
