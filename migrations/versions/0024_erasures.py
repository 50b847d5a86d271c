"""Erasures: what each is to delete and did; the persons that were erased, by digests; deliveries not read whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
compatible_from = "0001"


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("certificate_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("versions_count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("bodies_count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("recording_id", name=op.f("pk_erasures")),
    )
    op.create_index("ix_erasures_certificate", "erasures", ["certificate_id", "recording_id"])
    where = sa.text("look_at IS NOT NULL")
    op.create_index(
        "ix_erasures_left", "erasures", ["look_at", "recording_id"], postgresql_where=where, sqlite_where=where
    )
    op.create_table(
        "erased_persons",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("also_attended", sa.Boolean(name="also_attended"), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_erased_persons")),
    )
    op.create_table(
        "digest_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_digest_keys")),
    )
    # partial, so that a delivery of recordings that was read whole, as nearly all are, writes nothing into it
    unread = sa.text("status <> 'accepted' OR recordings_count = 0")
    op.create_index("ix_deliveries_unread", "deliveries", ["id"], postgresql_where=unread, sqlite_where=unread)
