"""The SQL tables, for SQLite and PostgreSQL alike, and the one way to reach them (`Database`).

Schema changes happen in `migrations/` only; a test compares the migrated schema with this metadata.
"""

from __future__ import annotations

from receiver.tables.database import MISSING_RIGHT, Database, own_instance
from receiver.tables.inserts import add_new, add_rows
from receiver.tables.keeping_tables import (
    audit_log,
    audit_log_heads,
    digest_keys,
    erased_persons,
    erasures,
    held_recordings,
    holds,
    standing_holds,
    unsealed_audit_log,
)
from receiver.tables.metadata import metadata
from receiver.tables.move import Content, MoveReport, move
from receiver.tables.operation_tables import (
    api_pauses,
    bucket_walks,
    ended_sessions,
    event_outbox,
    notice_holders,
    notices,
    reconciled_meetings,
    reconciliations,
    store_abilities,
    write_probes,
)
from receiver.tables.probe import WriteRefusedError, durability, try_writing
from receiver.tables.recording_tables import (
    archived_bytes,
    attendees,
    candidate_meetings,
    deliveries,
    delivery_recordings,
    hour_cells,
    named_meetings,
    participants,
    recordings,
    search_postings,
    state_counts,
    upload_parts,
)
from receiver.tables.schema import check_head, schema_status, upgrade
from receiver.tables.sqlite import SqliteDatabase


def open_database(url: str) -> Database:
    """Make the `Database` for a `DATABASE_URL`; nothing is connected before the first transaction."""
    if url.startswith("sqlite"):
        return SqliteDatabase(url)
    from receiver.tables.postgres import PostgresDatabase  # noqa: PLC0415  (brings a driver that SQLite does without)

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
    "hour_cells",
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
