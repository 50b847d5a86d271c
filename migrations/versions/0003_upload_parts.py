"""The parts of open uploads, so that another run on any machine can go on with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("recordings", sa.Column("upload_part_size_bytes", sa.BigInteger(), nullable=True))
    op.add_column("recordings", sa.Column("source_etag", sa.Text(), nullable=True))
    op.add_column("recordings", sa.Column("source_size_bytes", sa.BigInteger(), nullable=True))
    op.create_table(
        "upload_parts",
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_upload_parts_recording_id_recordings"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("recording_id", "number", name=op.f("pk_upload_parts")),
    )
