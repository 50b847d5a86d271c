"""`receiver check` names what is wrong with the index, and changes nothing there."""

from __future__ import annotations

import asyncio
import sqlite3
import struct
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from receiver.app.check import Health
from receiver.app.check.database import database_findings, disk
from receiver.catalogue import audit_log
from receiver.tables import audit_log as entries
from receiver.tables import open_database, upgrade
from receiver.tables.schema import schema_compatibility
from tests.support.checking import bad, expect, found_by, settings_of
from tests.support.clock import NOW
from tests.support.databases import ON_POSTGRESQL, ON_SQLITE

NEWER = "9001"


async def look(url):
    return await found_by(database_findings(settings_of(DATABASE_URL=url)))


@pytest.fixture
def administer(database_url):
    """Run a statement on the test's own PostgreSQL database."""

    async def execute(*statements):
        connection = await asyncpg.connect(database_url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    return execute


async def test_a_good_database_is_ok_and_unchanged(database_url, database, private):
    found = await look(database_url)
    assert bad(found) == set()
    names = ["database", "database schema", "database durability", "database write", "database audit log"]
    assert [finding.name for finding in found][-5:] == names

    def change(tx):
        assert (tx.execute(sa.text("SELECT count(*) FROM recordings"))).scalar_one() == 0

    await database.read(change)


@pytest.fixture
def private(database_url):
    """Let only this user read a file, as the service's own is."""
    if database_url.startswith("sqlite"):
        Path(database_url.removeprefix("sqlite:///")).chmod(0o600)


async def test_no_file_yet_is_fine_and_none_is_made(tmp_path):
    found = await look(f"sqlite:///{tmp_path}/receiver.db")
    expect(found, "database", Health.SKIPPED, "receiver serve", "creates it")
    assert Health.WRONG not in {finding.state for finding in found}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["/proc", "/nowhere/at/all"], ids=["unwritable", "missing"])
async def test_a_folder_that_cannot_be_written(folder):
    found = await look(f"sqlite:///{folder}/receiver.db")
    expect(found, "database folder", Health.WRONG, folder, "let this user write there", "RECEIVER_DATABASE_URL")


@ON_SQLITE
async def test_a_file_that_others_may_read_is_a_warning(database_url):
    path = Path(database_url.removeprefix("sqlite:///"))
    path.chmod(0o644)  # noqa: ASYNC240  (a file of the test's own)
    expect(await look(database_url), "database file", Health.WARNING, "mode 644", f"chmod 600 {path}")


async def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "receiver.db"
    path.write_bytes(b"not a database at all" * 100)
    expect(await look(f"sqlite:///{path}"), "database", Health.WRONG, "not a database", "RECEIVER_DATABASE_URL")


@pytest.mark.parametrize(("free_bytes", "state"), [(5e9, Health.OK), (5e8, Health.WARNING), (5e7, Health.WRONG)])
def test_the_room_that_is_left(tmp_path, free_bytes, state):
    finding = disk(tmp_path, int(free_bytes))
    assert finding.state is state
    assert state is Health.OK or "make room" in finding.remedy


async def test_a_schema_that_is_behind(empty_database_url):
    database = open_database(empty_database_url)
    await upgrade(database, "0005")
    await database.close()
    found = await look(empty_database_url)
    state = Health.WARNING if empty_database_url.startswith("sqlite") else Health.WRONG  # a file is upgraded at start
    expect(found, "database schema", state, "at 0005", "this release needs", "receiver migrate")


async def test_no_schema_at_all(empty_database_url):
    database = open_database(empty_database_url)
    await database.write(lambda _: None)
    await database.close()
    found = await look(empty_database_url)
    state = Health.WARNING if empty_database_url.startswith("sqlite") else Health.WRONG
    expect(found, "database schema", state, "there is none yet", "receiver migrate")
    expect(found, "database write", Health.SKIPPED, "no table yet")
    expect(found, "database audit log", Health.SKIPPED, "none at this schema")


async def test_an_audit_log_that_somebody_changed(database, database_url):
    entry = audit_log.AuditEntry(at=NOW, actor="cleanup", action="source_deleted", subject="m1", details={})
    await database.write(lambda tx: audit_log.append(tx, entry))
    await audit_log.seal(database)
    expect(await look(database_url), "database audit log", Health.OK)
    await database.write(lambda tx: tx.execute(sa.update(entries).values(subject="m2")))
    found = await look(database_url)
    expect(found, "database audit log", Health.WRONG, "entry 1", "who can write", "backup")


@pytest.mark.parametrize(("oldest", "state"), [("0001", Health.WARNING), (NEWER, Health.WRONG)], ids=["kept", "left"])
async def test_a_schema_that_is_ahead(database, database_url, oldest, state):

    def change(tx):
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9001'"))
        tx.execute(sa.delete(schema_compatibility))
        tx.execute(sa.insert(schema_compatibility).values(revision=NEWER, compatible_from=oldest))

    await database.write(change)
    expect(await look(database_url), "database schema", state, NEWER, "newer", "upgrade the service")


@ON_SQLITE
async def test_a_file_that_another_program_locks(database_url):
    path = Path(database_url.removeprefix("sqlite:///"))
    with sqlite3.connect(path, isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        found = await look(database_url)
    holder.close()
    expect(found, "database", Health.OK)
    expect(found, "database write", Health.WRONG, "database is locked", "another program", "end it")


async def test_no_server_there():
    found = await look("postgresql://receiver:canary-password@127.0.0.1:1/receiver")
    expect(found, "database", Health.WRONG, "127.0.0.1:1", "Connect call failed", "start PostgreSQL", "host and port")
    assert "canary" not in str(found)


@ON_POSTGRESQL
async def test_no_such_database(database_url):
    url = database_url.replace("/test_", "/gone_")
    expect(await look(url), "database", Health.WRONG, "does not exist", "create the database", "correct its name")


@pytest.fixture
def role(postgres, administer):
    """Make a user whose password counts, with no right to any table."""
    rules = Path(postgres.pgdata) / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all check_user scram-sha-256\n{before}")
    asyncio.run(
        administer(
            "DROP ROLE IF EXISTS check_user",
            "CREATE ROLE check_user LOGIN PASSWORD 'right'",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO check_user",
            "SELECT pg_reload_conf()",
        )
    )
    yield "check_user"
    rules.write_text(before)
    asyncio.run(administer("DROP OWNED BY check_user", "DROP ROLE check_user", "SELECT pg_reload_conf()"))


async def until_refused(url):
    """The server reads its rules anew some time after it was asked to."""
    async with asyncio.timeout(10):
        while True:
            try:
                await (await asyncpg.connect(url)).close()
            except asyncpg.InvalidPasswordError:
                return
            await asyncio.sleep(0.02)


@ON_POSTGRESQL
async def test_a_wrong_password(database_url, role):
    url = database_url.replace("postgres:@", f"{role}:canary-password@")
    await until_refused(url)
    found = await look(url)
    expect(found, "database", Health.WRONG, "password authentication failed", "RECEIVER_DATABASE_URL", "PGPASSWORD")
    assert "canary" not in str(found)


@ON_POSTGRESQL
async def test_a_user_that_may_only_read(database_url, role):
    found = await look(database_url.replace("postgres:@", f"{role}:right@"))
    expect(found, "database", Health.OK)
    expect(found, "database write", Health.WRONG, "permission denied for table", "grant", "INSERT, UPDATE and DELETE")


@ON_POSTGRESQL
async def test_a_server_that_only_reads(database_url, administer):
    name = database_url.partition("/test_")[2].partition("?")[0]
    await administer(f"ALTER DATABASE test_{name} SET default_transaction_read_only = on")
    expect(await look(database_url), "database write", Health.WRONG, "read-only", "name the primary server")


@ON_POSTGRESQL
async def test_fsync_off(database_url, administer):
    await administer("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    try:
        found = await until_durable(database_url, Health.WRONG)
    finally:
        await administer("ALTER SYSTEM RESET fsync", "SELECT pg_reload_conf()")
    expect(found, "database durability", Health.WRONG, "fsync=off", "could be lost", "switch fsync on")
    await until_durable(database_url, Health.OK)


async def until_durable(url, state):
    async with asyncio.timeout(10):
        while True:
            found = await look(url)
            if any(finding.name == "database durability" and finding.state is state for finding in found):
                return found
            await asyncio.sleep(0.02)


@asynccontextmanager
async def pooler(socket_path):
    """Run what a connection pooler may be: it keeps a client's start-up options from the server."""

    async def serve(reader, writer):
        (size,) = struct.unpack("!I", await reader.readexactly(4))
        start = (await reader.readexactly(size - 4)).replace(b"synchronous_commit\0on\0", b"")
        up_reader, up_writer = await asyncio.open_unix_connection(socket_path)
        up_writer.write(struct.pack("!I", len(start) + 4) + start)
        await asyncio.gather(relay(reader, up_writer), relay(up_reader, writer), return_exceptions=True)

    async def relay(reader, writer):
        while chunk := await reader.read(65536):
            writer.write(chunk)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@ON_POSTGRESQL
async def test_synchronous_commit_off_behind_a_pooler(database_url, administer):
    base, _, folder = database_url.partition("?host=")
    name = base.rpartition("/")[2]
    await administer(f"ALTER DATABASE {name} SET synchronous_commit = off")
    expect(await look(database_url), "database durability", Health.OK)  # the service asks for it itself
    async with pooler(f"{folder}/.s.PGSQL.5432") as port:
        found = await look(f"postgresql://postgres:canary-password@127.0.0.1:{port}/{name}?ssl=disable")
    expect(found, "database durability", Health.WRONG, "synchronous_commit=off", "pooler")
