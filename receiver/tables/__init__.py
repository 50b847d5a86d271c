"""The SQL tables, for SQLite and PostgreSQL alike, and the one way to reach them (`Database`).

Schema changes happen in `migrations/` only; a test compares the migrated schema with this metadata.
"""

from __future__ import annotations

from receiver.tables.database import Database, open_database
from receiver.tables.metadata import (
    deliveries,
    delivery_recordings,
    metadata,
    participants,
    reconciled_meetings,
    reconciliations,
    recordings,
    upload_parts,
)
from receiver.tables.move import Content, MoveReport, move
from receiver.tables.schema import check_head, upgrade

__all__ = [
    "Content",
    "Database",
    "MoveReport",
    "check_head",
    "deliveries",
    "delivery_recordings",
    "metadata",
    "move",
    "open_database",
    "participants",
    "reconciled_meetings",
    "reconciliations",
    "recordings",
    "upgrade",
    "upload_parts",
]
