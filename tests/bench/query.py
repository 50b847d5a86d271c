"""What a listing, a search and the counts cost at a million recordings, on both databases.

`python -m tests.bench.query [--rows 1000000] [--runs 20] [--databases sqlite,postgresql] [--keep FOLDER]` takes that
many recordings in through the service's own code, then asks for the newest hundred of each filter by each sort, and for
eight searches, and prints the median and the 99th percentile in milliseconds with the page's JSON made, and
the CPU time of it in this process, which a busy machine spoils less. Beside them
stand, of the same run, an index read with no service around it and, on SQLite, FTS5 with the same words. Exits 1 where
a 99th percentile is over what is promised at a million.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from receiver.api.bodies import RecordingsBody
from receiver.catalogue import SORTS, Catalogue
from receiver.operators import recordings_query
from receiver.tables import Database, open_database, upgrade
from tests.bench.query_data import NEWEST, RARE, SPAN, fill
from tests.support.bench import postgres_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MOST_MS = {"sqlite": 40.0, "postgresql": 25.0}
MOST_SEARCH_MS, MOST_COUNTS_MS = 50.0, 5.0
_DAY, _HALF = (NEWEST - SPAN * 0.001).isoformat(), (NEWEST - SPAN * 0.5).isoformat()
FILTERS = {
    "nothing": "",
    "state=archived": "state=archived",
    "state=failed": "state=failed",
    "state=pending": "state=pending",
    "state=failed,missing": "state=failed,missing",
    "meeting_id": "meeting_id=000000000000000000000064",
    "host_id frequent": "host_id=1",
    "host_id rare": "host_id=9",
    "participant_id": "participant_id=11",
    "attendee": "attendee=person12@example.com",
    "content_type frequent": "content_type=video/mp4",
    "content_type rare": "content_type=video/webm",
    "error_code": "error_code=store_refused",
    "hold": "hold=true",
    "incomplete": "incomplete=true",
    "created_at newest": f"created_at[gte]={_DAY}",
    "created_at new half": f"created_at[gte]={_HALF}",
    "created_at old half": f"created_at[lt]={_HALF}",
    "archived_at newest": f"archived_at[gte]={_DAY}",
    "archived_at old half": f"archived_at[lt]={_HALF}",
    "start_date old half": f"start_date[lt]={_HALF}",
    "size_bytes large": "size_bytes[gte]=2000000000",
    "duration_s long": "duration_s[gte]=20000",
    "q and state": "q=weekly&state=failed",
    "q and host": "q=weekly&host_id=1",
}
SEARCHES = {
    "frequent": "weekly",
    "beginning": "wee",
    "one letter": "w",
    "rare": RARE,
    "absent": "zzzzz",
    "two frequent": "zurich sales",
    "frequent and rare": f"weekly {RARE}",
    "e-mail": "person12@example.com",
}
BARE = {
    "created_at": "SELECT * FROM recordings ORDER BY created_at DESC, id DESC LIMIT 100",
    "archived_at": "SELECT * FROM recordings WHERE archived_at IS NOT NULL ORDER BY archived_at DESC LIMIT 100",
}


async def _timed(ask: Callable[[], Awaitable[Any]], runs: int) -> tuple[float, float, float]:
    """Return median, 99th percentile and CPU time of this process in milliseconds, after one that is not counted."""
    await ask()
    times, began_cpu_s = [], time.process_time()
    for _ in range(runs):
        began = time.perf_counter()
        await ask()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    cpu_ms = (time.process_time() - began_cpu_s) * 1000 / runs
    return times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))], cpu_ms


class Bench:
    """Asks one database, and remembers whether all was as promised."""

    def __init__(self, name: str, database: Database, runs: int) -> None:
        self.good = True
        self._name, self._database, self._runs = name, database, runs
        self._catalogue = Catalogue(database)

    async def _page(self, query: str) -> None:
        asked = recordings_query([tuple(pair.split("=", 1)) for pair in query.split("&") if pair])  # type: ignore[misc]
        found = await self._catalogue.page(asked.filters, sort=asked.sort, limit=asked.limit)
        RecordingsBody.written(found)

    async def _line(self, what: str, most_ms: float, ask: Callable[[], Awaitable[Any]]) -> None:
        p50, p99, cpu = await _timed(ask, self._runs)
        over = "" if p99 <= most_ms else f"  over {most_ms:.0f}"
        self.good &= not over
        print(f"{self._name:>10} {what:<42} p50 {p50:7.1f} ms  p99 {p99:7.1f} ms  cpu {cpu:6.1f} ms{over}", flush=True)

    async def run(self) -> None:
        """Ask everything."""
        for label, query in BARE.items():
            await self._line(f"bare index: {label}", 1e9, lambda query=query: self._raw(query))
        for label, words in SEARCHES.items():
            await self._line(f"search: {label}", MOST_SEARCH_MS, lambda words=words: self._page(f"q={words}"))
        if self._database.is_sqlite:
            await self._fts5()
        await self._line("counts", MOST_COUNTS_MS, self._catalogue.counts)
        for label, query in FILTERS.items():
            for sort in sorted(SORTS, key=lambda one: (one.removeprefix("-"), one)):
                asked = "&".join(part for part in (query, f"sort={sort}") if part)
                most = MOST_MS[self._name]
                await self._line(f"{label}, {sort}", most, lambda asked=asked: self._page(asked))

    async def _raw(self, query: str) -> None:
        await self._database.read(lambda tx: tx.exec_driver_sql(query).all())

    async def _fts5(self) -> None:
        """Time FTS5 over the same words, in a table of its own: rowid in the order of `created_at`."""
        made = "CREATE VIRTUAL TABLE bare USING fts5(words, content='', detail=none)"
        await self._database.write(lambda tx: tx.exec_driver_sql(made))
        filled = "INSERT INTO bare (rowid, words) SELECT place, search_text FROM recordings ORDER BY place"
        await self._database.write(lambda tx: tx.exec_driver_sql(filled))
        for label, words in SEARCHES.items():
            if "@" not in words:
                match = " ".join(f'"{word}"*' for word in words.split())
                query = f"SELECT rowid FROM bare WHERE bare MATCH '{match}' ORDER BY rowid DESC LIMIT 100"  # noqa: S608
                await self._line(f"bare FTS5: {label}", 1e9, lambda query=query: self._raw(query))
        await self._database.write(lambda tx: tx.exec_driver_sql("DROP TABLE bare"))


async def _bytes(database: Database) -> int:
    if database.is_sqlite:
        pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        return await database.read(lambda tx: tx.exec_driver_sql(pages).scalar_one())
    return await database.read(
        lambda tx: tx.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
    )


async def main(options: argparse.Namespace) -> int:
    """Fill and ask each database in turn."""
    good = True
    with ExitStack() as stack:
        for name in options.databases.split(","):
            is_sqlite, kept = name == "sqlite", Path(options.keep or mkdtemp(prefix="query-")) / "receiver.db"
            if not options.keep:
                stack.callback(shutil.rmtree, kept.parent, ignore_errors=True)
            has_rows = is_sqlite and kept.exists()
            url = f"sqlite:///{kept}" if is_sqlite else stack.enter_context(postgres_server()).get_uri()
            good &= await _bench(name, url, options, has_rows=has_rows)
    return int(not good)


async def _bench(name: str, url: str, options: argparse.Namespace, *, has_rows: bool) -> bool:
    database = open_database(url)
    await upgrade(database)
    began = time.perf_counter()
    if not has_rows:
        await fill(database, options.rows)
    took, size = time.perf_counter() - began, await _bytes(database)
    print(f"{name:>10} {options.rows:,} recordings in {took:.0f} s, {size / options.rows:.0f} bytes each", flush=True)
    await database.write(lambda tx: tx.exec_driver_sql("ANALYZE"))
    bench = Bench(name, database, options.runs)
    await bench.run()
    await database.close()
    return bench.good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--keep", help="folder in which SQLite's file stays, to be asked again")
    sys.exit(asyncio.run(main(parser.parse_args())))
