"""What all tables share. All times are UTC; all text is free of NUL (PostgreSQL refuses it).

Ids and tokens are sorted by their bytes on both databases, on PostgreSQL by the collation that migration 0017 gave.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

NOT_MOVED = "not_moved"
"""Key of `Table.info` for a table whose rows belong to the database they lie in."""
DERIVED = "derived"
"""Key of `Table.info` for a table whose rows follow from those of other tables, and are made anew by a move."""


def where(condition: str) -> dict[str, Any]:
    """Return the options of a partial index."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}
