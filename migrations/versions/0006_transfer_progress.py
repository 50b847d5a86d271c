"""Which run stored a part, and how long after it began to send: what a running transfer's rate is computed from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
compatible_from = "0001"


def upgrade() -> None:
    op.add_column("upload_parts", sa.Column("fence", sa.BigInteger(), nullable=True))
    op.add_column("upload_parts", sa.Column("elapsed_s", sa.Double(), nullable=True))
