"""When each archived object was last read again and how it was found, and how far walks over all of them are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
compatible_from = "0001"

INDEXES = (
    ("ix_recordings_fixity", ["fixity", "created_at", "id"], "fixity IS NOT NULL"),
    ("ix_recordings_verified", ["verified_at"], "verified_at IS NOT NULL"),
    ("ix_recordings_unverified", ["archived_at"], "archived_at IS NOT NULL AND verified_at IS NULL"),
    ("ix_recordings_audit_due", ["audit_due_at"], "audit_due_at IS NOT NULL"),
)
"""Partial, so that a delivery writes into none of them."""


def upgrade() -> None:
    op.add_column("recordings", sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("recordings", sa.Column("fixity", sa.Text(), nullable=True))
    op.add_column("recordings", sa.Column("unread_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("recordings", sa.Column("audit_due_at", sa.DateTime(timezone=True), nullable=True))
    for name, columns, condition in INDEXES:
        where = sa.text(condition)
        op.create_index(name, "recordings", columns, postgresql_where=where, sqlite_where=where)
    op.create_table(
        "bucket_walks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("tally", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_bucket_walks")),
    )
