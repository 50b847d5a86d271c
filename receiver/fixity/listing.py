"""The keys of a bucket, sorted: stores list in orders of their own, and a bucket may have more than memory holds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Iterator, Sequence

_BATCH_KEYS = 1000
_PAGE_KEYS = 200


class SortedKeys:
    """Keys in a nameless database of SQLite's own: it lies in memory while small, and is gone with the process."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute("CREATE TABLE keys (key TEXT PRIMARY KEY) WITHOUT ROWID")
        connection.execute("CREATE TABLE told (id TEXT PRIMARY KEY) WITHOUT ROWID")
        connection.execute("CREATE TABLE erased (id TEXT PRIMARY KEY) WITHOUT ROWID")

    async def take(self, keys: AsyncIterator[str]) -> None:
        """Take in all keys, in whatever order."""
        batch: list[tuple[str]] = []
        async for key in keys:
            batch.append((key,))
            if len(batch) == _BATCH_KEYS:
                self._add(batch)
                batch.clear()
        self._add(batch)

    def _add(self, batch: list[tuple[str]]) -> None:
        self._connection.executemany("INSERT OR IGNORE INTO keys VALUES (?)", batch)

    def has(self, key: str) -> bool:
        """Tell whether the key was listed."""
        return self._connection.execute("SELECT 1 FROM keys WHERE key = ?", (key,)).fetchone() is not None

    def manifests(self, *, after: str) -> Iterator[Sequence[str]]:
        """Yield the keys that end as manifests' do, sorted, a page at a time."""
        query = "SELECT key FROM keys WHERE key > ? AND key GLOB '*.json' ORDER BY key LIMIT ?"
        while page := [key for (key,) in self._connection.execute(query, (after, _PAGE_KEYS))]:
            yield page
            after = page[-1]

    def without_manifest(self, root: str) -> Iterator[str]:
        """Yield the objects under `root` beside which no manifest lies."""
        query = (
            "SELECT key FROM keys AS k WHERE substr(key, 1, ?) = ? AND NOT key GLOB '*.json' "
            "AND NOT EXISTS (SELECT 1 FROM keys WHERE key = k.key || '.json') ORDER BY key"
        )
        for (key,) in self._connection.execute(query, (len(root), root)):
            yield key

    async def take_erased(self, ids: AsyncIterator[str]) -> int:
        """Take in the ids of erased recordings; return how many there are."""
        count = 0
        async for one in ids:
            count += self._connection.execute("INSERT OR IGNORE INTO erased VALUES (?)", (one,)).rowcount
        return count

    def is_erased(self, recording_id: str) -> bool:
        """Tell whether the recording is erased."""
        found = self._connection.execute("SELECT 1 FROM erased WHERE id = ?", (recording_id,))
        return found.fetchone() is not None

    def erased(self) -> Iterator[Sequence[str]]:
        """Yield their ids, sorted, a page at a time."""
        after = ""
        query = "SELECT id FROM erased WHERE id > ? ORDER BY id LIMIT ?"
        while page := [one for (one,) in self._connection.execute(query, (after, _PAGE_KEYS))]:
            yield page
            after = page[-1]

    def tell(self, recording_id: str) -> bool:
        """Note that a recording was counted, and tell whether it had not been before."""
        added = self._connection.execute("INSERT OR IGNORE INTO told VALUES (?)", (recording_id,))
        return added.rowcount == 1


@contextmanager
def sorted_keys() -> Iterator[SortedKeys]:
    """Yield room for keys."""
    import sqlite3  # noqa: PLC0415  (2 MB, of which a process on PostgreSQL has no other use)

    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    try:
        yield SortedKeys(connection)
    finally:
        connection.close()
