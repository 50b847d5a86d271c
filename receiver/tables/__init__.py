"""The SQL tables, for SQLite and PostgreSQL alike, and the one way to reach them (`Database`).

Schema changes happen in `migrations/` only; a test compares the migrated schema with this metadata.
"""

from __future__ import annotations

from receiver.tables.database import Database, SqliteDatabase, open_database
from receiver.tables.metadata import (
    api_pauses,
    deliveries,
    delivery_recordings,
    metadata,
    participants,
    recordings,
    upload_parts,
)
from receiver.tables.move import Content, MoveReport, move
from receiver.tables.schema import check_head, upgrade

__all__ = [
    "Content",
    "Database",
    "MoveReport",
    "SqliteDatabase",
    "api_pauses",
    "check_head",
    "deliveries",
    "delivery_recordings",
    "metadata",
    "move",
    "open_database",
    "participants",
    "recordings",
    "upgrade",
    "upload_parts",
]
