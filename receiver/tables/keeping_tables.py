"""What was done with recordings, what is held, and what was erased."""

from __future__ import annotations

import sqlalchemy as sa

from receiver.tables.metadata import DERIVED, metadata, where
from receiver.tables.times import UtcDateTime

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("previous_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index(None, "actor", "id"),
    sa.Index(None, "action", "id"),
    sqlite_autoincrement=True,  # an id is never given out twice
)
"""Rows are only added: each holds the hash of the one before it."""

unsealed_audit_log = sa.Table(
    "unsealed_audit_log",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    sa.Column("details", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)
"""Entries as acts write them, in transactions of their own; each is soon moved to the end of `audit_log`'s chain."""

audit_log_heads = sa.Table(
    "audit_log_heads",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("entry_id", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
"""One row: the entry that was sealed last, so that one taken off the end is missed."""

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("value", sa.Text, nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,  # an id is never given out twice
)
"""The holds that stand; one that is released is gone from here, and on record. The `value` of a person names them."""

held_recordings = sa.Table(
    "held_recordings",
    metadata,
    sa.Column("recording_id", sa.Text, sa.ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("hold_id", sa.BigInteger, primary_key=True, autoincrement=False, index=True),
    sqlite_with_rowid=False,
)
"""Which recordings each hold was found to cover, as `recordings.hold` says in short; nothing is taken away before the
release of the hold, and what is left of a released one is of no effect."""

standing_holds = sa.Table(
    "standing_holds",
    metadata,
    sa.Column("number", sa.BigInteger, nullable=False),
    info={DERIVED: True},
)
"""One row: how many holds are of more than one recording, which triggers count. Whoever adds recordings reads it with a
lock, so that none of them and a new hold miss each other."""

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("recording_id", sa.Text, primary_key=True),
    sa.Column("certificate_id", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("begun_at", UtcDateTime, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    sa.Column("versions_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("bodies_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("done_at", UtcDateTime),
    sa.Column("look_at", UtcDateTime),
    sa.Index("ix_erasures_certificate", "certificate_id", "recording_id"),
    sa.Index("ix_erasures_left", "look_at", "recording_id", **where("look_at IS NOT NULL")),
)
"""Erased recordings, beside their rows. `files` says where their files lie until nothing is left to do; `look_at` is
when they are looked for (again), null then, `done_at` when all were gone first."""

erased_persons = sa.Table(
    "erased_persons",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("erased_at", UtcDateTime, nullable=False),
    sa.Column("also_attended", sa.Boolean(name="also_attended"), nullable=False),
)
"""Keyed digests of erased persons' ids and e-mails, as they lie in the bucket."""

digest_keys = sa.Table(
    "digest_keys",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("key", sa.LargeBinary, nullable=False),
)
"""One row: the key of `erased_persons`, as it lies in the bucket."""
