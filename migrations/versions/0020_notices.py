"""Events for a receiver of webhooks, and what people were told: each noted with what it is about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
compatible_from = "0001"


def _number(table: str) -> list[sa.SchemaItem]:
    column = sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False)
    return [column, sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}"))]


def _index(name: str, table: str, columns: list[str], condition: str, *, unique: bool = False) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, postgresql_where=where, sqlite_where=where)


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "event_outbox",
        *_number("event_outbox"),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", time, nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("next_attempt_at", time, nullable=True),
        sa.Column("gives_up_at", time, nullable=False),
        sa.Column("delivered_at", time, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.UniqueConstraint("webhook_id", name=op.f("uq_event_outbox_webhook_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_outbox_recording_id_id", "event_outbox", ["recording_id", "id"])
    _index("ix_event_outbox_pending", "event_outbox", ["next_attempt_at"], "next_attempt_at IS NOT NULL")
    _index("ix_event_outbox_failed", "event_outbox", ["at"], "next_attempt_at IS NULL AND delivered_at IS NULL")
    op.create_table(
        "notices",
        *_number("notices"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("began_at", time, nullable=False),
        sa.Column("seen_at", time, nullable=False),
        sa.Column("told_at", time, nullable=True),
        sa.Column("ended_at", time, nullable=True),
        sa.Column("end_told_at", time, nullable=True),
    )
    _index("uq_notices_open", "notices", ["kind", "subject"], "end_told_at IS NULL", unique=True)
    op.create_table(
        "notice_holders",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("held_until", time, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_notice_holders")),
    )
