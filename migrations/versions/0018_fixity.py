"""When each archived object was last read again and how it was found, and how far walks over all of them are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0016"
compatible_from = "0001"


def upgrade() -> None:
    op.add_column("recordings", sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("recordings", sa.Column("fixity", sa.Text(), nullable=True))
    op.add_column("recordings", sa.Column("unread_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("recordings", sa.Column("audit_due_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_recordings_verified_at_archived_at"), "recordings", ["verified_at", "archived_at"])
    op.create_index(op.f("ix_recordings_audit_due_at"), "recordings", ["audit_due_at"])
    unsound = sa.text("fixity <> 'intact'")
    op.create_index("ix_recordings_unsound", "recordings", ["fixity"], postgresql_where=unsound, sqlite_where=unsound)
    op.create_table(
        "bucket_walks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("tally", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_bucket_walks")),
    )
