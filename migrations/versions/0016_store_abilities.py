"""What buckets were found to do, and by which rung of the ladder each object was proven."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
compatible_from = "0001"


def upgrade() -> None:
    op.create_table(
        "store_abilities",
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("server", sa.Text(), nullable=True),
        sa.Column("abilities", sa.JSON(), nullable=False),
        sa.Column("is_sure", sa.Boolean(name="is_sure"), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_store_abilities")),
    )
    op.add_column("recordings", sa.Column("proof_rung", sa.Text(), nullable=True))
    op.add_column("recordings", sa.Column("proof_value", sa.Text(), nullable=True))
    op.add_column("recordings", sa.Column("proof_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("recordings", sa.Column("upload_rung", sa.Text(), nullable=True))
    op.add_column("recordings", sa.Column("read_back_bytes", sa.BigInteger(), nullable=True))
    op.add_column("upload_parts", sa.Column("digest", sa.Text(), nullable=True))
