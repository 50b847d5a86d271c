"""When the API confirmed a recording's facts, and the other meetings that deliveries named for it until then."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
compatible_from = "0001"


def upgrade() -> None:
    op.add_column("recordings", sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "candidate_meetings",
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("meeting_id", sa.Text(), nullable=False),
        sa.Column("meeting_name", sa.Text(), nullable=True),
        sa.Column("meeting_start_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("meeting_end_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("host_id", sa.BigInteger(), nullable=True),
        sa.Column("host_name", sa.Text(), nullable=True),
        sa.Column("host_login", sa.Text(), nullable=True),
        sa.Column("host_email", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_candidate_meetings_recording_id_recordings"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("recording_id", "meeting_id", name=op.f("pk_candidate_meetings")),
    )
