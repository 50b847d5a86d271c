"""The SQL tables, for SQLite and PostgreSQL alike, and the one way to reach them (`Database`).

Schema changes happen in `migrations/` only; a test compares the migrated schema with this metadata.
"""

from __future__ import annotations

from receiver.tables.database import Database, open_database
from receiver.tables.metadata import deliveries, delivery_recordings, metadata, participants, recordings, upload_parts
from receiver.tables.move import Content, MoveReport, move
from receiver.tables.probe import WriteRefusedError, durability, refused_because, try_writing
from receiver.tables.schema import check_head, standing, upgrade

__all__ = [
    "Content",
    "Database",
    "MoveReport",
    "WriteRefusedError",
    "check_head",
    "deliveries",
    "delivery_recordings",
    "durability",
    "metadata",
    "move",
    "open_database",
    "participants",
    "recordings",
    "refused_because",
    "standing",
    "try_writing",
    "upgrade",
    "upload_parts",
]
