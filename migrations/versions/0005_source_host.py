"""The host that a recording's file is downloaded from, as far as it is known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
compatible_from = "0001"


def upgrade() -> None:
    op.add_column("recordings", sa.Column("source_host", sa.Text(), nullable=True))
