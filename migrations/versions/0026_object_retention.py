"""Until when the store keeps an object's version, and for which number of days that was last seen to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
compatible_from = "0001"


def upgrade() -> None:
    op.add_column("recordings", sa.Column("retained_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("recordings", sa.Column("retained_days", sa.Integer(), nullable=False, server_default="0"))
    # what is to be retained for more days than it was seen to: a range of it, whatever the archive's size
    has_version = sa.text("object_version_id IS NOT NULL")
    op.create_index(
        "ix_recordings_retained",
        "recordings",
        ["retained_days", "id"],
        postgresql_where=has_version,
        sqlite_where=has_version,
    )
