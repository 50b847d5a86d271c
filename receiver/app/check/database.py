"""Is the index there, at the right schema, durable and writable?"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from receiver import logs
from receiver.app.check.findings import ok, skipped, warning, wrong
from receiver.app.configs import sqlite_path
from receiver.app.process import exposed_files
from receiver.catalogue import audit_log
from receiver.errors import ReceiverError, SchemaOutdatedError, StorageUnavailableError
from receiver.tables import (
    WriteRefusedError,
    durability,
    open_database,
    schema_status,
    try_writing,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from receiver.app.check.findings import Finding
    from receiver.settings import Settings
    from receiver.tables import Database

_URL = "RECEIVER_DATABASE_URL"
_LOW_BYTES = 1_000_000_000
_FULL_BYTES = 100_000_000
_WRONG_USER = frozenset({"28P01", "28000"})
_NO_DATABASE = "3D000"
_NEWEST_ENTRIES = 10_000
"""Of the log; `receiver audit-log --verify` reads the whole."""
_READ_ONLY = "25006"
_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")
"""How the names of SQLite's errors begin where another program holds the file."""


async def database_findings(settings: Settings) -> AsyncGenerator[Finding, None]:
    """Look at the database as the service would open it. Nothing is created, upgraded or changed."""
    path = sqlite_path(settings)
    if path is not None:
        for finding in _file(path):
            yield finding
        if not path.is_file():
            yield skipped(
                "database", f"there is no {path.absolute()} yet: `receiver serve` creates it at its first start"
            )
            return
    url = sa.make_url(settings.database_url)
    logs.redact.remember([url.password or "", str(url.query.get("password", ""))])
    database = open_database(settings.database_url)
    try:
        async for finding in _opened(database, url):
            yield finding
    finally:
        await database.close()


async def _opened(database: Database, url: sa.URL) -> AsyncGenerator[Finding, None]:
    try:
        found = await durability(database)
    except StorageUnavailableError as e:
        yield _unreachable(e, url)
        return
    yield ok("database", f"{_place(url)} answers{_version(found)}")
    yield await _schema(database)
    yield _durable(found)
    yield await _writable(database)
    yield await _audited(database)


def _place(url: sa.URL) -> str:
    if url.drivername.startswith("sqlite"):
        return f"SQLite file {Path(url.database or '').absolute()}"
    host = url.host or url.query.get("host") or "localhost"
    return f"PostgreSQL at {host}{f':{url.port}' if url.port else ''}, database {url.database}, user {url.username}"


def _version(found: dict[str, str]) -> str:
    return f" (version {found['server_version']})" if "server_version" in found else ""


def _unreachable(error: StorageUnavailableError, url: sa.URL) -> Finding:
    seen = f"{_place(url)}: {error.reason}"
    if url.drivername.startswith("sqlite"):
        if (error.code or "").startswith(_LOCKED):
            return wrong("database", seen, "another process holds the file for itself alone: end that one")
        return wrong("database", seen, f"see that {_URL} names the service's own file, and that this user may open it")
    if error.code in _WRONG_USER:
        return wrong("database", seen, f"correct the user or the password in {_URL} (or PGPASSWORD, or ~/.pgpass)")
    if error.code == _NO_DATABASE:
        return wrong("database", seen, f"create the database, or correct its name in {_URL}")
    return wrong("database", seen, f"start PostgreSQL, let this machine reach it, or correct host and port in {_URL}")


async def _schema(database: Database) -> Finding:
    name = "database schema"
    try:
        found = await schema_status(database)
    except SchemaOutdatedError as e:
        return wrong(name, e.happened, "upgrade the service: the database is a newer release's")
    if found.is_newer:
        return warning(
            name,
            f"at {found.current}, a newer release's, which this one (it knows {found.head}) may still work on",
            "upgrade the service on this machine too",
        )
    if found.current == found.head:
        return ok(name, f"at {found.head}, as this release needs it")
    seen = f"{f'at {found.current}' if found.current else 'there is none yet'}, this release needs {found.head}"
    if database.is_sqlite:
        return warning(name, seen, "`receiver serve` upgrades it at its start; or run `receiver migrate`")
    return wrong(name, seen, "run `receiver migrate` with the same settings")


def _durable(found: dict[str, str]) -> Finding:
    name, shown = "database durability", ", ".join(f"{key}={value}" for key, value in found.items() if "_v" not in key)
    if "journal_mode" in found:
        if found == {"journal_mode": "wal", "synchronous": "full"}:
            return ok(name, shown)
        return wrong(name, shown, "put the file on a local disk: its file system keeps SQLite from write-ahead logging")
    bad = [key for key in ("synchronous_commit", "fsync", "full_page_writes") if found[key] == "off"]
    if not bad:
        return ok(name, shown)
    return wrong(
        name,
        f"{shown}: an acknowledged delivery could be lost",
        f"switch {' and '.join(bad)} on in PostgreSQL; a pooler between must pass synchronous_commit=on through",
    )


async def _writable(database: Database) -> Finding:
    name = "database write"
    try:
        tables = await try_writing(database)
    except WriteRefusedError as e:
        return wrong(name, str(e), "grant this user SELECT, INSERT, UPDATE and DELETE on every table of the index")
    except StorageUnavailableError as e:
        if e.code == _READ_ONLY:
            return wrong(name, str(e), f"name the primary server in {_URL}, not a read-only one")
        if (e.code or "").startswith(_LOCKED):
            return wrong(name, str(e), "another program has held the write lock for 5 s: end it (a shell, a backup)")
        return wrong(name, str(e), f"see that this user may write to the database of {_URL}, and that it has room")
    if not tables:
        return skipped(name, "there is no table yet")
    return ok(name, f"all {tables} tables of the index take this user's writes (tried, and rolled back)")


async def _audited(database: Database) -> Finding:
    name = "database audit log"
    try:
        found = await audit_log.inspect(database, newest=_NEWEST_ENTRIES)
    except (ReceiverError, ProgrammingError):
        return skipped(name, "there is none at this schema")
    if found.broken_at is None:
        return ok(name, f"the newest {found.entries} entries are as they were written, each after the one before it")
    return wrong(
        name,
        f"it is broken at entry {found.broken_at}: {found.fault}",
        "find out who can write to this database, and keep a copy: what a backup has of the log is the truth",
    )


def _file(path: Path) -> Iterator[Finding]:
    folder = path.absolute().parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield ok("database folder", f"{folder} is writable")
        free_bytes = shutil.disk_usage(folder).free
    except OSError as e:
        yield wrong(
            "database folder",
            f"{folder} cannot be written: {e.strerror}",
            f"make the folder, let this user write there, or name another in {_URL}",
        )
        return
    yield disk(folder, free_bytes)
    if exposed := exposed_files(path):
        named = ", ".join(f"{file.path} (mode {file.mode:o}, {file.mode & 0o077:o} too much)" for file in exposed)
        files = " ".join(str(file.path) for file in exposed)
        yield warning(
            "database file", f"others on this machine may open {named}", f"chmod 600 {files}: the index names people"
        )


def disk(folder: Path, free_bytes: int) -> Finding:
    """Judge the room that is left; recordings are never stored here, so the index alone needs it."""
    name, seen = "database disk", f"{free_bytes / 1e9:.1f} GB free in {folder}"
    if free_bytes < _FULL_BYTES:
        return wrong(name, seen, "make room: with a full disk every delivery is answered 503")
    if free_bytes < _LOW_BYTES:
        return warning(name, seen, "make room before it is full")
    return ok(name, seen)
