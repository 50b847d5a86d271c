"""Which origin a failed recording's URL named that was not connected to, and the setting that stood in the way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
compatible_from = "0001"


def upgrade() -> None:
    op.add_column("recordings", sa.Column("error_origin", sa.Text(), nullable=True))
    op.add_column("recordings", sa.Column("error_setting", sa.Text(), nullable=True))
