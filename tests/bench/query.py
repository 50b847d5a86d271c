"""What a listing, a search, the counts and the page cost at a million recordings, on both databases.

`python -m tests.bench.query [--rows 1000000] [--runs 20] [--databases sqlite,postgresql] [--keep FOLDER]` takes that
many recordings in through the service's own code, into SQLite, and moves them to PostgreSQL as `receiver migrate` does.
Then it asks for the newest hundred of each filter by each sort, for eight searches, for the counts and for pages. It
prints median, 99th percentile and CPU time in milliseconds of the whole answer, its JSON or HTML made, and of the
index alone (`ids`), which no reading of rows in Python spoils. Beside them stand, of the same run, an index read with
no service around it, on SQLite FTS5 with the same words, and what the build of 2026-11-26 asked (`before`). Exits 1
where a 99th percentile is over what is promised at a million, or what was slow then is not as much faster.

With `--keep`, what was made stays in that folder and is asked again by the next run.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, NamedTuple

from receiver.api.bodies import RecordingsBody
from receiver.catalogue import SORTS, Catalogue, Interventions
from receiver.catalogue.listing import PageQuery
from receiver.catalogue.order import Order
from receiver.operators import recordings_query
from receiver.tables import Database, open_database, upgrade
from tests.bench.query_asked import BARE, BEFORE, FILTERS, PAGES, SEARCHES
from tests.bench.query_data import fill
from tests.support.bench import postgres_server
from tests.support.operators import VIEWER, Outside
from tests.support.page import browser_of, get, sign_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from receiver.operators.query import RecordingsQuery

    Ask = Callable[[], Awaitable[Any]]

MOST_MS = {"sqlite": 40.0, "postgresql": 25.0}
MOST_SEARCH_MS, MOST_COUNTS_MS, MOST_PAGE_MS, MOST_FIRST_PAGE_MS = 50.0, 5.0, 150.0, 1000.0


class Times(NamedTuple):
    """Of some asks, in milliseconds. `cpu` is of one, this process's and the server's together: no load spoils it."""

    p50: float
    p99: float
    cpu: float

    def __str__(self) -> str:
        return f"p50 {self.p50:7.1f}  p99 {self.p99:7.1f}  cpu {self.cpu:7.1f}"


async def _timed(ask: Ask, runs: int, server: Server) -> Times:
    """Time some asks, after one that is not counted."""
    await ask()
    times, cpu_s = [], -server.cpu_s()
    for _ in range(runs):
        began = time.perf_counter()
        await ask()
        times.append((time.perf_counter() - began) * 1000)
    cpu_s += server.cpu_s()
    times.sort()
    return Times(times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))], cpu_s * 1000 / runs)


@dataclass(frozen=True, slots=True)
class Server:
    """What works on a question: this process, and PostgreSQL's children, the one that `parent` started."""

    parent: int | None

    def cpu_s(self) -> float:
        """Return the CPU time used so far."""
        return time.process_time() + sum(map(self._used_s, Path("/proc").glob("[0-9]*") if self.parent else ()))

    def _used_s(self, process: Path) -> float:
        try:
            is_child = int((process / "stat").read_text().rpartition(")")[2].split()[1]) == self.parent
            return int((process / "schedstat").read_text().split()[0]) / 1e9 if is_child else 0.0
        except OSError:  # ended meanwhile
            return 0.0


class Bench:
    """Asks one database, and remembers whether all was as promised."""

    def __init__(self, name: str, database: Database, runs: int, server: Server) -> None:
        self.good = True
        self._server = server
        self._name, self._database, self._runs = name, database, runs
        self._catalogue = Catalogue(database)

    async def run(self) -> None:
        """Ask everything."""
        print(f"load {os.getloadavg()[0]:.1f}")
        await self._pages()
        await self._line("counts", MOST_COUNTS_MS, self._catalogue.counts)
        for label, query in BARE.items():
            await self._line(f"bare index: {label}", None, lambda query=query: self._raw(query))
        if self._database.is_sqlite:
            await self._fts5()
        for label, words in SEARCHES.items():
            await self._listing(f"search: {label}", f"q={words}", MOST_SEARCH_MS)
        for label, query in FILTERS.items():
            for sort in sorted(SORTS, key=lambda one: (one.removeprefix("-"), one)):
                asked = "&".join(part for part in (query, f"sort={sort}") if part)
                await self._listing(f"{label}, {sort}", asked, MOST_MS[self._name])
        for label, (before, now, times) in BEFORE.items():
            await self._compare(label, before, now, times)

    async def _line(self, what: str, most_ms: float | None, ask: Ask, ids: Ask | None = None) -> None:
        times = await _timed(ask, self._runs, self._server)
        over = f"  over {most_ms:.0f}" if most_ms is not None and times.p99 > most_ms else ""
        self.good &= not over
        of_ids = "" if ids is None else f"  ids: {await _timed(ids, self._runs, self._server)}"
        print(f"{self._name:>10} {what:<42} {times}{of_ids}{over}", flush=True)

    async def _listing(self, what: str, query: str, most_ms: float) -> None:
        asked = _asked(query)
        await self._line(what, most_ms, lambda: self._page(asked), lambda: self._ids(asked))

    async def _page(self, asked: RecordingsQuery) -> None:
        found = await self._catalogue.page(asked.filters, sort=asked.sort, limit=asked.limit)
        RecordingsBody.written(found)

    async def _ids(self, asked: RecordingsQuery) -> None:
        order = Order(asked.sort)
        await self._database.read(lambda tx: PageQuery(tx, asked.filters, order, asked.limit + 1, None).marks())

    async def _raw(self, query: str) -> None:
        await self._database.read(lambda tx: tx.exec_driver_sql(query.replace("%", "%%")).all())

    async def _pages(self) -> None:
        """Time the operators' pages, each also the first time: nothing of it is known to the process then."""
        browser = browser_of(self._database, self._catalogue, Interventions(self._database), Outside())
        async with browser as client:
            await sign_in(client, VIEWER)
            for path in PAGES:
                began = time.perf_counter()
                await get(client, path)
                first_ms = (time.perf_counter() - began) * 1000
                self.good &= first_ms <= MOST_FIRST_PAGE_MS
                print(f"{self._name:>10} {f'first view of {path}':<42} {first_ms:11.1f}")
                await self._line(f"page {path}", MOST_PAGE_MS, lambda path=path: get(client, path))

    async def _compare(self, label: str, before: str, now: str, times: int) -> None:
        """Time what an earlier build asked beside what is asked now; it made more of what it read than is made here."""
        asked, runs = _asked(now), max(3, self._runs // 5)
        then = (await _timed(lambda: self._raw(before), runs, self._server)).cpu
        page = (await _timed(lambda: self._page(asked), self._runs, self._server)).cpu
        ids = (await _timed(lambda: self._ids(asked), self._runs, self._server)).cpu
        self.good &= then >= times * ids
        faster = f"{then / page:.0f} x a page, {then / ids:.0f} x ids"
        print(f"{self._name:>10} before: {label:<34} cpu {then:7.1f}, {faster}", flush=True)

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
                await self._line(f"bare FTS5: {label}", None, lambda query=query: self._raw(query))
        await self._database.write(lambda tx: tx.exec_driver_sql("DROP TABLE bare"))


def _asked(query: str) -> RecordingsQuery:
    return recordings_query([tuple(pair.split("=", 1)) for pair in query.split("&") if pair])  # type: ignore[misc]


async def _bytes(database: Database) -> int:
    if database.is_sqlite:
        pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        return await database.read(lambda tx: tx.exec_driver_sql(pages).scalar_one())
    size = "SELECT pg_database_size(current_database())"
    return await database.read(lambda tx: tx.exec_driver_sql(size).scalar_one())


def _made(folder: Path, rows: int) -> Path:
    """Return the SQLite file with the recordings, as an earlier run left it or made anew."""
    path, unfinished = folder / f"{rows}.db", folder / f"{rows}.unfinished.db"
    if not path.exists():
        for left in folder.glob(f"{unfinished.name}*"):
            left.unlink()
        began = time.perf_counter()
        asyncio.run(_fill(f"sqlite:///{unfinished}", rows))
        took = time.perf_counter() - began
        unfinished.rename(path)
        print(f"{rows:,} recordings taken in in {took:.0f} s, {rows / took:.0f} a second", flush=True)
    return path


async def _fill(url: str, rows: int) -> None:
    database = open_database(url)
    await upgrade(database)
    await fill(database, rows)
    await database.close()


def _moved(source: Path, target_url: str) -> None:
    """Move the recordings into PostgreSQL with the service's command, unless an earlier run did."""
    if asyncio.run(_has_rows(target_url)):
        return
    began = time.perf_counter()
    command = [sys.executable, "-m", "receiver", "migrate", "--from", f"sqlite:///{source}", "--to", target_url]
    _, status, usage = os.wait4(os.posix_spawn(sys.executable, command, os.environ), 0)
    if status:
        raise SystemExit("the move failed")
    took, cpu_s = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
    print(f"moved in {took:.0f} s, {cpu_s:.0f} s of CPU time, {usage.ru_maxrss / 1000:.0f} MB", flush=True)


async def _has_rows(url: str) -> bool:
    database = open_database(url)
    await upgrade(database)
    found = await database.read(lambda tx: tx.exec_driver_sql("SELECT 1 FROM recordings LIMIT 1").first())
    await database.close()
    return found is not None


async def _ask(name: str, url: str, options: argparse.Namespace) -> bool:
    database = open_database(url)
    await upgrade(database)
    print(f"{name:>10} {await _bytes(database) / options.rows:.0f} bytes a recording", flush=True)
    await database.write(lambda tx: tx.exec_driver_sql("ANALYZE"))
    bench = Bench(name, database, options.runs, Server(await _parent(database)))
    gc.collect()  # as the service before it serves: else every full collection, of all that is imported, takes 0.1 s
    gc.freeze()
    await bench.run()
    await database.close()
    return bench.good


async def _parent(database: Database) -> int | None:
    """Return the process of which PostgreSQL's others are children."""
    if database.is_sqlite:
        return None
    folder = await database.read(lambda tx: tx.exec_driver_sql("SHOW data_directory").scalar_one())
    return int(Path(folder, "postmaster.pid").read_text().partition("\n")[0])  # noqa: ASYNC240


def main(options: argparse.Namespace) -> int:
    """Fill and ask each database in turn."""
    good = True
    with ExitStack() as stack:
        folder = Path(options.keep or mkdtemp(prefix="query-"))
        folder.mkdir(exist_ok=True)
        if not options.keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        path = _made(folder, options.rows)
        for name in options.databases.split(","):
            url = f"sqlite:///{path}"
            if name == "postgresql":
                kept = folder / f"{options.rows}.pg" if options.keep else None
                url = stack.enter_context(postgres_server(kept)).get_uri()
                _moved(path, url)
            good &= asyncio.run(_ask(name, url, options))
    return int(not good)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--keep", help="folder in which the databases stay, to be asked again")
    sys.exit(main(parser.parse_args()))
