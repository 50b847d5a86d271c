"""Holds with their reasons, and which recordings each covers; since when retention has marked a recording as due;
which objects are locked.

What was held before becomes a hold of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
compatible_from = "0001"

_TIME = sa.DateTime(timezone=True)
_SQLITE_TRIGGERS = (
    (
        "CREATE TRIGGER holds_counted AFTER INSERT ON holds WHEN NEW.scope <> 'recording' BEGIN "
        "UPDATE standing_holds SET number = number + 1; END"
    ),
    (
        "CREATE TRIGGER holds_uncounted AFTER DELETE ON holds WHEN OLD.scope <> 'recording' BEGIN "
        "UPDATE standing_holds SET number = number - 1; END"
    ),
)
_POSTGRES_TRIGGERS = (
    (
        "CREATE FUNCTION receiver_count_hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "UPDATE standing_holds SET number = number + CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END; RETURN NULL; END $$"
    ),
    (
        "CREATE TRIGGER holds_counted AFTER INSERT ON holds FOR EACH ROW WHEN (NEW.scope <> 'recording') "
        "EXECUTE FUNCTION receiver_count_hold()"
    ),
    (
        "CREATE TRIGGER holds_uncounted AFTER DELETE ON holds FOR EACH ROW WHEN (OLD.scope <> 'recording') "
        "EXECUTE FUNCTION receiver_count_hold()"
    ),
)
"""Most holds are of one recording, which no delivery has to look for."""


def upgrade() -> None:
    is_postgres = op.get_bind().dialect.name == "postgresql"
    text_id = sa.Text(collation="C") if is_postgres else sa.Text()
    op.create_table(
        "holds",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_holds_value"), "holds", ["value"])
    op.create_table(
        "held_recordings",
        sa.Column("recording_id", text_id, nullable=False),
        sa.Column("hold_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_held_recordings_recording_id_recordings"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("recording_id", "hold_id", name=op.f("pk_held_recordings")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_held_recordings_hold_id"), "held_recordings", ["hold_id"])
    standing = op.create_table("standing_holds", sa.Column("number", sa.BigInteger(), nullable=False))
    op.bulk_insert(standing, [{"number": 0}])
    op.add_column("recordings", sa.Column("due_since", sa.DateTime(timezone=True), nullable=True))
    is_due = sa.text("due_since IS NOT NULL")
    op.create_index(
        "ix_recordings_due", "recordings", ["created_at", "id"], postgresql_where=is_due, sqlite_where=is_due
    )
    op.add_column(
        "recordings",
        sa.Column("object_locked", sa.Boolean(name="object_locked"), nullable=False, server_default=sa.false()),
    )
    is_locked = sa.text("object_locked")
    op.create_index("ix_recordings_locked", "recordings", ["id"], postgresql_where=is_locked, sqlite_where=is_locked)
    _keep_old_holds()
    for statement in _POSTGRES_TRIGGERS if is_postgres else _SQLITE_TRIGGERS:
        op.execute(statement)


def _keep_old_holds() -> None:
    """Give what an earlier release held a hold of its own, since that noted neither reason nor time."""
    holds = sa.table("holds", *map(sa.column, ("id", "scope", "value", "reason", "actor")), sa.column("at", _TIME))
    recordings = sa.table("recordings", sa.column("id"), sa.column("hold", sa.Boolean()))
    held = sa.table("held_recordings", sa.column("recording_id"), sa.column("hold_id"))
    told = (
        sa.literal("recording"),
        recordings.c.id,
        sa.literal("held before release 0023, which was the first to ask for a reason"),
        sa.literal("migration"),
        sa.literal(datetime.now(UTC), _TIME),
    )
    old = sa.select(*told).where(recordings.c.hold.is_(sa.true()))
    op.execute(sa.insert(holds).from_select(["scope", "value", "reason", "actor", "at"], old))
    op.execute(sa.insert(held).from_select(["recording_id", "hold_id"], sa.select(holds.c.value, holds.c.id)))
