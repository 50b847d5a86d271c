"""How much a delivery brought and left out, why nothing of it could be used, and the meetings to be asked for.

Old rows keep no counts: they are counted when they are listed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
compatible_from = "0001"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("recordings_count", sa.BigInteger(), nullable=True))
    op.add_column("deliveries", sa.Column("rejected_count", sa.BigInteger(), nullable=True))
    op.add_column("deliveries", sa.Column("reason", sa.Text(), nullable=True))
    op.create_table(
        "named_meetings",
        sa.Column("meeting_id", sa.Text(), nullable=False),
        sa.Column("named_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ask_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("meeting_id", name="pk_named_meetings"),
    )
    op.create_index("ix_named_meetings_ask_at", "named_meetings", ["ask_at"])
