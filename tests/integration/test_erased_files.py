"""PostgreSQL's own files after a person's erasure: they keep what the certificate says, until its commands were run."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg

from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.tables import open_database, upgrade
from tests.integration.test_persons import EMAIL, LOGIN, NAME, filled, person_of, spellings
from tests.support.bench import postgres_server
from tests.support.erasing import BY, REASON

MOST_SWITCHES = 40
"""Of the log, each of which fills an old file of it with zeros: 16 MB."""


def naming(folder: Path) -> set[str]:
    """Return in which folders of the server files name the person."""
    wanted = re.compile(b"|".join(re.escape(spelt) for spelt in spellings()))
    found = set()
    for path in folder.rglob("*"):
        if path.is_file() and wanted.search(path.read_bytes()):
            found.add(path.relative_to(folder).parts[0])
    return found


async def run_as_told(connection: asyncpg.Connection, command: str) -> None:
    """Run the statements that stand in a certificate, and leave its words between them."""
    for statement in command.split(";"):
        if statement.strip().partition(" ")[0].isupper():
            await connection.execute(statement)


async def test_no_file_names_them_after_the_commands_of_the_certificate(bucket):
    with postgres_server() as server:
        url = server.get_uri()
        database = open_database(url)
        await upgrade(database)
        await filled(bucket, database, Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False))
        connection = await asyncpg.connect(url)
        folder = Path(await connection.fetchval("SHOW data_directory"))
        try:
            await connection.execute("ANALYZE; CHECKPOINT")
            assert naming(folder) == {"base", "pg_wal"}, "else nothing is shown below"
            certificate = await person_of(bucket, database).erase(EMAIL, by=BY, reason=REASON)
            await database.close()
            by_place = {one.where: one.command for one in certificate.remains if one.where.startswith("PostgreSQL's")}
            tables, statistics, log = (
                by_place[f"PostgreSQL's {what}"] for what in ("tables and indexes", "statistics", "write-ahead log")
            )
            await connection.execute("CHECKPOINT")
            assert naming(folder) <= {"base", "pg_wal"}, "nowhere but where the certificate says"
            await run_as_told(connection, tables)
            await run_as_told(connection, statistics)
            await connection.execute("CHECKPOINT")
            assert naming(folder) <= {"pg_wal"}
            for _ in range(MOST_SWITCHES):
                await run_as_told(connection, log)
                if not naming(folder):
                    break
            assert naming(folder) == set()
            for text in (EMAIL.casefold(), LOGIN, NAME):
                assert not await connection.fetch("SELECT 1 FROM recordings WHERE search_text LIKE $1", f"%{text}%")
        finally:
            await connection.close()
