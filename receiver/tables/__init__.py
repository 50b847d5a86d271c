"""The SQL tables, for SQLite and PostgreSQL alike, and the one way to reach them (`Database`).

Schema changes happen in `migrations/` only; a test compares the migrated schema with this metadata.
"""

from __future__ import annotations

from receiver.tables.database import MISSING_RIGHT, Database, own_instance
from receiver.tables.inserts import add_new, add_rows
from receiver.tables.metadata import (
    api_pauses,
    archived_bytes,
    attendees,
    audit_log,
    audit_log_heads,
    bucket_walks,
    candidate_meetings,
    deliveries,
    delivery_recordings,
    digest_keys,
    ended_sessions,
    erased_persons,
    erasures,
    event_outbox,
    held_recordings,
    holds,
    metadata,
    named_meetings,
    notice_holders,
    notices,
    participants,
    reconciled_meetings,
    reconciliations,
    recordings,
    search_postings,
    standing_holds,
    state_counts,
    store_abilities,
    unsealed_audit_log,
    upload_parts,
    write_probes,
)
from receiver.tables.move import Content, MoveReport, move
from receiver.tables.probe import WriteRefusedError, durability, try_writing
from receiver.tables.schema import check_head, schema_status, upgrade
from receiver.tables.sqlite import SqliteDatabase


def open_database(url: str) -> Database:
    """Make the `Database` for a `DATABASE_URL`; nothing is connected before the first transaction."""
    if url.startswith("sqlite"):
        return SqliteDatabase(url)
    from receiver.tables.postgres import PostgresDatabase  # noqa: PLC0415  (brings an ORM that SQLite does without)

    return PostgresDatabase(url)


__all__ = [
    "MISSING_RIGHT",
    "Content",
    "Database",
    "MoveReport",
    "SqliteDatabase",
    "WriteRefusedError",
    "add_new",
    "add_rows",
    "api_pauses",
    "archived_bytes",
    "attendees",
    "audit_log",
    "audit_log_heads",
    "bucket_walks",
    "candidate_meetings",
    "check_head",
    "deliveries",
    "delivery_recordings",
    "digest_keys",
    "durability",
    "ended_sessions",
    "erased_persons",
    "erasures",
    "event_outbox",
    "held_recordings",
    "holds",
    "metadata",
    "move",
    "named_meetings",
    "notice_holders",
    "notices",
    "open_database",
    "own_instance",
    "participants",
    "reconciled_meetings",
    "reconciliations",
    "recordings",
    "schema_status",
    "search_postings",
    "standing_holds",
    "state_counts",
    "store_abilities",
    "try_writing",
    "unsealed_audit_log",
    "upgrade",
    "upload_parts",
    "write_probes",
]
