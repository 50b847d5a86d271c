"""The log of what was done: entries are only added, each sealed with the one before it.

An act writes its entry in its own transaction and waits for nobody: the entry lies beside the log until it is sealed,
which moves it to the end of the chain. A changed, exchanged or removed entry breaks the chain there; entries removed
from its end are missed by the head, the place and hash of the entry sealed last, which is kept here and elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.records import ChainHead, ChainReport
from receiver.tables import Database, audit_log, audit_log_heads, unsealed_audit_log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from receiver.records import Actor

_FIRST = "0" * 64
"""What the first entry holds in place of a hash before it."""
_LOCK = 0x617564
"""PostgreSQL's advisory lock for the end of the chain, which releases before 0019 take too; SQLite has one writer."""
_HEAD = "log"
_PAGE_ROWS = 500
_SEALED_ROWS = 100
"""Few enough that no delivery waits long for the transaction: 500 held one up by 100 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """`actor` did `action` to `subject`, an id. `details` are JSON: ids, keys and codes, nothing personal.

    Of them `role`, `reason` and `outcome` are texts and shown apart.
    """

    at: datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any]

    @classmethod
    def of(cls, by: Actor, action: str, subject: str, *, at: datetime, **details: Any) -> AuditEntry:
        """Make the entry of an act; details that are None are left out."""
        told = {name: value for name, value in {"role": by.role, **details}.items() if value is not None}
        return cls(at=at, actor=by.name, action=action, subject=subject, details=told)

    def columns(self) -> dict[str, Any]:
        """Return its values by column; `asdict` would copy what is in `details`, which took as long as all the rest."""
        return {name: getattr(self, name) for name in self.__slots__}

    def sealed(self, previous: str) -> str:
        """Return the hash of this entry after the one with the hash `previous`."""
        content = self.columns() | {"at": self.at.isoformat(timespec="microseconds")}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(f"{previous}{canonical}".encode()).hexdigest()


def append(tx: sa.Connection, entry: AuditEntry) -> None:
    """Add an entry in a write transaction; nobody waits for its end."""
    append_all(tx, [entry])


def append_all(tx: sa.Connection, entries: Sequence[AuditEntry]) -> None:
    """Add entries in a write transaction; nobody waits for its end."""
    if entries:
        tx.execute(sa.insert(unsealed_audit_log), [entry.columns() for entry in entries])


async def seal(database: Database, *, wait: bool = False) -> int:
    """Move the entries that lie beside the log to its end, a page in a transaction; return how many were.

    They come in the order in which they were written, but for those whose transactions took longer. One process does it
    at a time: another's turn is left to it, or with `wait` waited for. Killed, it has moved whole pages.
    """
    first = sa.select(unsealed_audit_log.c.id).limit(1)
    if await database.read(lambda tx: tx.execute(first).first()) is None:
        return 0
    sealed, moved = 0, _SEALED_ROWS
    while moved == _SEALED_ROWS:
        moved = await database.write(partial(_seal, wait=wait, insert=database.insert))
        sealed += moved
    return sealed


def _seal(tx: sa.Connection, *, wait: bool, insert: Any) -> int:
    if tx.dialect.name == "postgresql":
        lock = sa.func.pg_advisory_xact_lock if wait else sa.func.pg_try_advisory_xact_lock
        if tx.execute(sa.select(lock(_LOCK))).scalar_one() is False:
            return 0
    c = unsealed_audit_log.c
    rows = tx.execute(sa.select(unsealed_audit_log).order_by(c.id).limit(_SEALED_ROWS)).all()
    if not rows:
        return 0
    previous, values = _end_of_chain(tx), []
    for row in rows:
        entry = _entry(row)
        seal = entry.sealed(previous)
        values.append(entry.columns() | {"previous_hash": previous, "hash": seal})
        previous = seal
    tx.execute(sa.insert(audit_log), values)
    tx.execute(sa.delete(unsealed_audit_log).where(c.id.in_([row.id for row in rows])))
    last_id = tx.execute(sa.select(sa.func.max(audit_log.c.id))).scalar_one()
    head = insert(audit_log_heads).values(name=_HEAD, entry_id=last_id, hash=previous)
    told = {name: head.excluded[name] for name in ("entry_id", "hash")}
    tx.execute(head.on_conflict_do_update(index_elements=["name"], set_=told))
    return len(rows)


def _end_of_chain(tx: sa.Connection) -> str:
    """Return the hash that the next entry follows: the head's where its entry is gone, so that the gap stays seen."""
    newest = tx.execute(sa.select(audit_log.c.id, audit_log.c.hash).order_by(audit_log.c.id.desc()).limit(1)).first()
    head = read_head(tx)
    if head is not None and (newest is None or newest.id < head.entry_id):
        return head.hash
    return newest.hash if newest is not None else _FIRST


def read_head(tx: sa.Connection) -> ChainHead | None:
    """Return the entry that was sealed last, as it was noted then."""
    row = tx.execute(sa.select(audit_log_heads).where(audit_log_heads.c.name == _HEAD)).one_or_none()
    return None if row is None else ChainHead(entry_id=row.entry_id, hash=row.hash)


def holds(tx: sa.Connection, head: ChainHead) -> bool:
    """Tell whether the log has the entry of this place with this hash."""
    found = tx.execute(sa.select(audit_log.c.hash).where(audit_log.c.id == head.entry_id)).scalar_one_or_none()
    return found == head.hash


async def inspect(database: Database, *, kept: ChainHead | None = None, newest: int | None = None) -> ChainReport:
    """Read the whole log, or its end from `newest` places ago, and tell whether it is as it was written, and complete.

    `kept` is a head that was noted elsewhere before this is called. What is not sealed is counted and not vouched for.
    """
    heads = [head for head in (await database.read(read_head), kept) if head is not None]
    unsealed = await database.read(lambda tx: tx.execute(_COUNT_UNSEALED).scalar_one())
    previous, after = (_FIRST, 0) if newest is None else await database.read(partial(_start, newest=newest))
    entries = 0
    met: dict[int, str] = {}
    while rows := await database.read(partial(_page, after=after)):
        for row in rows:
            if fault := _fault(row, previous):
                return ChainReport(entries=entries, unsealed=unsealed, head=None, broken_at=row.id, fault=fault)
            previous, after, entries = row.hash, row.id, entries + 1
            if any(head.entry_id == row.id for head in heads):
                met[row.id] = row.hash
    end = ChainHead(entry_id=after, hash=previous) if entries else None
    for head in heads:
        if met.get(head.entry_id) != head.hash:
            fault = f"it was the last one once, and is not there any more: the log ends with {after or 'none'}"
            if head.entry_id in met:
                fault = "it is another than was noted of it, as all after it may be: the log was written anew"
            return ChainReport(entries=entries, unsealed=unsealed, head=end, broken_at=head.entry_id, fault=fault)
    return ChainReport(entries=entries, unsealed=unsealed, head=end)


def _start(tx: sa.Connection, *, newest: int) -> tuple[str, int]:
    """Return the hash and the place of the last entry before the newest."""
    end = sa.select(sa.func.max(audit_log.c.id)).scalar_subquery()
    before = sa.select(audit_log.c.hash, audit_log.c.id).where(audit_log.c.id <= end - newest)
    row = tx.execute(before.order_by(audit_log.c.id.desc()).limit(1)).first()
    return (_FIRST, 0) if row is None else (row.hash, row.id)


async def verify(database: Database) -> int | None:
    """Return the place of the first entry that is not as it was written or is missing, or None where all are there."""
    return (await inspect(database)).broken_at


_COUNT_UNSEALED = sa.select(sa.func.count()).select_from(unsealed_audit_log)


def _fault(row: sa.Row[Any], previous: str) -> str | None:
    if row.hash != _entry(row).sealed(row.previous_hash):
        return "it is not as it was written"
    if row.previous_hash != previous:
        return "it does not follow the one before it, which was changed or of which the next were removed"
    return None


def _entry(row: sa.Row[Any]) -> AuditEntry:
    return AuditEntry(at=row.at, actor=row.actor, action=row.action, subject=row.subject, details=row.details)


def _page(tx: sa.Connection, *, after: int) -> Sequence[sa.Row[Any]]:
    page = sa.select(audit_log).where(audit_log.c.id > after).order_by(audit_log.c.id).limit(_PAGE_ROWS)
    return tx.execute(page).all()
