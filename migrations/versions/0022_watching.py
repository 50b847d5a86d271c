"""The trace that a delivery came with, and an index by which the newest missed webhook is found at every scrape."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
compatible_from = "0001"

MISSED = sa.text("first_seen_via = 'reconcile'")


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("traceparent", sa.Text(), nullable=True))
    op.create_index(
        "ix_recordings_missed",
        "recordings",
        ["first_seen_via", "created_at"],
        postgresql_where=MISSED,
        sqlite_where=MISSED,
    )
