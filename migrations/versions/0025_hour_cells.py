"""Which hours of one time of recordings go with which of another, so that a listing by one passes bounds of another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
compatible_from = "0001"

_TIMES = ("created_at", "archived_at", "meeting_start_at")
_PAIRS = [(one, other) for one in _TIMES for other in _TIMES if one != other]
_HOUR = {
    "sqlite": "(CAST(strftime('%s', {}) AS INTEGER) + 62135596800) / 3600",
    "postgresql": "((floor(extract(epoch FROM {}))::bigint + 62135596800) / 3600)::integer",
}
"""Hours since the year 1, before which there is no time: both databases round negative quotients up."""
_NO_LIMIT = 1 << 62
_SHIFT = 144_000_000
"""More hours than there are, and a multiple of each grid."""
_GRID = "CASE WHEN away BETWEEN -48 AND 47 THEN 6 WHEN away BETWEEN -1440 AND 1439 THEN 24 ELSE 720 END"
"""What is within two days is told by six hours, within two months by the day, else by the month."""
_IS_NEW = (
    "NOT EXISTS (SELECT 1 FROM hour_cells WHERE hour_cells.pair = cell.pair AND hour_cells.hour = cell.hour "
    "AND hour_cells.least = cell.least AND hour_cells.greatest = cell.greatest)"
)
_IS_CHANGED = " OR ".join(f"OLD.{time} {{differs}} NEW.{time}" for time in _TIMES)


def _is_told(dialect: str) -> str:
    """Return whether cells tell of the new row already, as they do of almost all: looking costs a tenth of adding."""
    return " AND ".join(
        f"(NEW.{one} IS NULL OR NEW.{other} IS NULL OR EXISTS (SELECT 1 FROM hour_cells WHERE pair = {number} "  # noqa: S608
        f"AND hour = {_HOUR[dialect].format(f'NEW.{one}')} "
        f"AND {_HOUR[dialect].format(f'NEW.{other}')} BETWEEN least AND greatest))"
        for number, (one, other) in enumerate(_PAIRS)
    )


def _add_cells(dialect: str, source: str, condition: str = "true") -> str:
    """Return the statement that adds the cells of the recordings in a relation, those that meet the condition."""
    hours = ", ".join(f"{_HOUR[dialect].format(time)} AS {time}" for time in _TIMES)
    # SQLite would make out the hours anew wherever they are named, if it were not for the limit
    timed = f"SELECT {hours} FROM {source} AS given LIMIT {_NO_LIMIT}"  # noqa: S608
    pairs = " UNION ALL ".join(f"SELECT {number} AS pair" for number in range(len(_PAIRS)))
    one, other = (
        f"CASE pair {' '.join(f'WHEN {n} THEN {pair[at]}' for n, pair in enumerate(_PAIRS))} END" for at in (0, 1)
    )
    away = f"SELECT pair, {one} AS hour, {other} - {one} AS away FROM ({timed}) AS timed CROSS JOIN ({pairs}) AS pairs"  # noqa: S608
    grid = f"SELECT pair, hour, away, {_GRID} AS grid FROM ({away}) AS apart WHERE away IS NOT NULL"  # noqa: S608
    cells = (
        f"SELECT DISTINCT pair, hour, hour + (away + {_SHIFT}) / grid * grid - {_SHIFT} AS least, "  # noqa: S608
        f"hour + (away + {_SHIFT}) / grid * grid - {_SHIFT} + grid - 1 AS greatest FROM ({grid}) AS gridded"
    )
    return (
        "INSERT INTO hour_cells (pair, hour, least, greatest) "  # noqa: S608
        f"SELECT pair, hour, least, greatest FROM ({cells}) AS cell WHERE {condition}"
    )


def _triggers(dialect: str) -> list[str]:
    new_row = f"(SELECT {', '.join(f'NEW.{time} AS {time}' for time in _TIMES)})"
    is_told = _is_told(dialect)
    of_row = _add_cells(dialect, new_row, _IS_NEW)
    updated = f"AFTER UPDATE OF {', '.join(_TIMES)} ON recordings"
    if dialect == "sqlite":
        is_changed = _IS_CHANGED.format(differs="IS NOT")
        return [
            f"CREATE TRIGGER recordings_placed AFTER INSERT ON recordings WHEN NOT ({is_told}) BEGIN {of_row}; END",
            f"CREATE TRIGGER recordings_replaced {updated} WHEN ({is_changed}) AND NOT ({is_told}) BEGIN {of_row}; END",
        ]
    is_changed = _IS_CHANGED.format(differs="IS DISTINCT FROM")
    of_added = _add_cells(dialect, "added", _IS_NEW)
    untold = f"SELECT 1 FROM added WHERE NOT ({is_told.replace('NEW.', 'added.')})"  # noqa: S608
    function = "CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; RETURN NULL; END $$"
    return [
        function.format("receiver_place_added", f"IF EXISTS ({untold}) THEN {of_added}; END IF"),
        function.format("receiver_place_changed", f"IF NOT ({is_told}) THEN {of_row}; END IF"),
        (
            "CREATE TRIGGER recordings_placed AFTER INSERT ON recordings REFERENCING NEW TABLE AS added "
            "FOR EACH STATEMENT EXECUTE FUNCTION receiver_place_added()"
        ),
        (
            f"CREATE TRIGGER recordings_replaced {updated} FOR EACH ROW WHEN ({is_changed}) "
            "EXECUTE FUNCTION receiver_place_changed()"
        ),
    ]


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":  # or what another process adds between the look and the triggers would be in neither
        op.execute("LOCK TABLE recordings IN SHARE ROW EXCLUSIVE MODE")
    op.create_table(
        "hour_cells",
        sa.Column("pair", sa.SmallInteger(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("least", sa.Integer(), nullable=False),
        sa.Column("greatest", sa.Integer(), nullable=False),
    )
    op.get_bind().exec_driver_sql(_add_cells(dialect, "recordings"))
    op.create_index("ix_hour_cells_pair", "hour_cells", ["pair", "hour", "least", "greatest"])
    for statement in _triggers(dialect):
        op.get_bind().exec_driver_sql(statement)
