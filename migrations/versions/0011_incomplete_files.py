"""What an archived file lacks by its own word, and which bytes came cut when it was fetched last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
compatible_from = "0001"


def upgrade() -> None:
    op.add_column("recordings", sa.Column("incomplete", sa.Text(), nullable=True))
    op.add_column("recordings", sa.Column("cut_sha256", sa.Text(), nullable=True))
