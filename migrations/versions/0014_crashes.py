"""How many runs of a recording ended without a word since the last that did not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
compatible_from = "0001"


def upgrade() -> None:
    op.add_column("recordings", sa.Column("crashes", sa.Integer(), nullable=False, server_default="0"))
