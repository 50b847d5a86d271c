"""The log of what was done and cannot be undone: entries are only added, each sealed with the one before it.

A changed, exchanged or removed entry breaks the chain there. Entries removed from its end do not: keep the newest hash
elsewhere to notice that too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.tables import Database, audit_log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_FIRST = "0" * 64
"""What the first entry holds in place of a hash before it."""
_LOCK = 0x617564
"""PostgreSQL's advisory lock for adding an entry; SQLite has one writer anyway."""
_PAGE_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """`actor` did `action` to `subject`, an id. `details` are JSON."""

    at: datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any]

    def sealed(self, previous: str) -> str:
        """Return the hash of this entry after the one with the hash `previous`."""
        content = asdict(self) | {"at": self.at.isoformat(timespec="microseconds")}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(f"{previous}{canonical}".encode()).hexdigest()


def append(tx: sa.Connection, entry: AuditEntry) -> None:
    """Add an entry in a write transaction; others that add one wait for its end."""
    if tx.dialect.name == "postgresql":
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    newest = sa.select(audit_log.c.hash).order_by(audit_log.c.id.desc()).limit(1)
    previous = tx.execute(newest).scalar_one_or_none() or _FIRST
    tx.execute(sa.insert(audit_log).values(**asdict(entry), previous_hash=previous, hash=entry.sealed(previous)))


async def verify(database: Database) -> int | None:
    """Return the id of the first entry that is not as it was written, or None where all are."""
    previous, after = _FIRST, 0
    while rows := await database.read(partial(_page, after=after)):
        for row in rows:
            entry = AuditEntry(at=row.at, actor=row.actor, action=row.action, subject=row.subject, details=row.details)
            if (row.previous_hash, row.hash) != (previous, entry.sealed(previous)):
                return int(row.id)
            previous, after = row.hash, row.id
    return None


def _page(tx: sa.Connection, *, after: int) -> Sequence[sa.Row[Any]]:
    page = sa.select(audit_log).where(audit_log.c.id > after).order_by(audit_log.c.id).limit(_PAGE_ROWS)
    return tx.execute(page).all()
