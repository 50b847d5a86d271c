"""How far a reconciliation is, so that one which was killed is gone on with; and an index of what it found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
compatible_from = "0001"


def upgrade() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tally", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_reconciliations")),
    )
    op.create_table(
        "reconciled_meetings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("meeting_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name"],
            ["reconciliations.name"],
            name=op.f("fk_reconciled_meetings_name_reconciliations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("name", "meeting_id", name=op.f("pk_reconciled_meetings")),
    )
    found = sa.text("first_seen_via = 'reconcile'")
    op.create_index(
        "ix_recordings_reconciled", "recordings", ["first_seen_via"], postgresql_where=found, sqlite_where=found
    )
