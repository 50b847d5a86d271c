"""Until when the Meetings API asked not to be asked, for all processes to see."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
compatible_from = "0001"


def upgrade() -> None:
    op.create_table(
        "api_pauses",
        sa.Column("api_url", sa.Text(), nullable=False),
        sa.Column("ends_epoch_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("api_url", name=op.f("pk_api_pauses")),
    )
