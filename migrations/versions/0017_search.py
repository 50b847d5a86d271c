"""Search by tokens, sorts and filters by indexes, attendees, and counts that triggers keep.

The rows themselves are indexed afterwards, a batch at a time (`receiver.catalogue.indexing`), since that takes minutes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
compatible_from = "0001"

_STATES = ("pending", "archiving", "archived", "waiting", "failed", "missing", "cancelled", "erased")
_DROPPED = {
    "ix_recordings_archived_at_id": "recordings",
    "ix_recordings_host_id": "recordings",
    "ix_recordings_meeting_id": "recordings",
    "ix_recordings_meeting_start_at_id": "recordings",
    "ix_participants_user_id_recording_id": "participants",
}
_INDEXES: tuple[tuple[str, str, str | None], ...] = (
    ("place", "place", None),
    ("start", "meeting_start_at id", "meeting_start_at IS NOT NULL"),
    ("duration", "duration_s id", "duration_s IS NOT NULL"),
    ("archived", "archived_at id", "archived_at IS NOT NULL"),
    ("archived_size", "size_bytes id", "archived_at IS NOT NULL"),
    ("not_archived", "created_at id", "archived_at IS NULL"),
    ("no_start", "created_at id", "meeting_start_at IS NULL"),
    ("no_duration", "created_at id", "duration_s IS NULL"),
    ("meeting_id_created_at_id", "meeting_id created_at id", None),
    ("host_id_created_at_id", "host_id created_at id", None),
    ("state_created_at_id", "state created_at id", None),
    ("content_type", "content_type created_at id", "content_type IS NOT NULL"),
    ("error_code", "error_code created_at id", "error_code IS NOT NULL"),
    ("held", "created_at id", "hold"),
    ("incomplete", "created_at id", "incomplete IS NOT NULL"),
)
_ID_COLUMNS = (
    ("recordings", "id"),
    ("participants", "recording_id"),
    ("candidate_meetings", "recording_id"),
    ("upload_parts", "recording_id"),
    ("delivery_recordings", "recording_id"),
)
_SQLITE_TRIGGERS = (
    (
        "CREATE TRIGGER recordings_counted AFTER INSERT ON recordings BEGIN "
        "UPDATE state_counts SET number = number + 1 WHERE state = NEW.state; END"
    ),
    (
        "CREATE TRIGGER recordings_recounted AFTER UPDATE OF state ON recordings WHEN OLD.state <> NEW.state BEGIN "
        "UPDATE state_counts SET number = number - 1 WHERE state = OLD.state; "
        "UPDATE state_counts SET number = number + 1 WHERE state = NEW.state; END"
    ),
    (
        "CREATE TRIGGER recordings_uncounted AFTER DELETE ON recordings BEGIN "
        "UPDATE state_counts SET number = number - 1 WHERE state = OLD.state; END"
    ),
)
_POSTGRES_TRIGGERS = (
    (
        "CREATE FUNCTION receiver_count_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO state_counts (state, number) SELECT state, count(*) FROM added GROUP BY state; RETURN NULL; END $$"
    ),
    (
        "CREATE FUNCTION receiver_count_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO state_counts (state, number) VALUES (OLD.state, -1); "
        "IF TG_OP = 'UPDATE' THEN INSERT INTO state_counts (state, number) VALUES (NEW.state, 1); END IF; "
        "RETURN NULL; END $$"
    ),
    (
        "CREATE TRIGGER recordings_counted AFTER INSERT ON recordings REFERENCING NEW TABLE AS added "
        "FOR EACH STATEMENT EXECUTE FUNCTION receiver_count_added()"
    ),
    (
        "CREATE TRIGGER recordings_recounted AFTER UPDATE OF state ON recordings FOR EACH ROW "
        "WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION receiver_count_changed()"
    ),
    (
        "CREATE TRIGGER recordings_uncounted AFTER DELETE ON recordings FOR EACH ROW "
        "EXECUTE FUNCTION receiver_count_changed()"
    ),
)


def _sorts_by_bytes(connection: sa.Connection) -> bool:
    """Tell whether text is sorted as on SQLite already; else ids are to be, since they break the ties of listings."""
    query = sa.text("SELECT datcollate FROM pg_database WHERE datname = current_database() AND datlocprovider <> 'i'")
    return connection.execute(query).scalar() in ("C", "POSIX", "C.UTF-8", "C.utf8")


def upgrade() -> None:
    is_postgres = op.get_bind().dialect.name == "postgresql"
    for name, table in _DROPPED.items():
        op.drop_index(name, table)
    if is_postgres and not _sorts_by_bytes(op.get_bind()):
        for table, column in _ID_COLUMNS:
            op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE text COLLATE "C"')
    text_id = sa.Text(collation="C") if is_postgres else sa.Text()
    op.add_column("recordings", sa.Column("place", sa.BigInteger(), nullable=True))
    for name, columns, where in _INDEXES:
        condition = None if where is None else sa.text(where)
        op.create_index(
            f"ix_recordings_{name}", "recordings", columns.split(), postgresql_where=condition, sqlite_where=condition
        )
    op.create_table(
        "attendees",
        sa.Column("recording_id", text_id, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_attendees_recording_id_recordings"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("recording_id", "position", name=op.f("pk_attendees")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_postings",
        sa.Column("token", text_id, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token", "place", name=op.f("pk_search_postings")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "state_counts",
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
    )
    for state in _STATES:
        counted = sa.text(
            "INSERT INTO state_counts (state, number) SELECT :state, count(*) FROM recordings WHERE state = :state"
        )
        op.get_bind().execute(counted.bindparams(sa.bindparam("state", state, sa.Text())))
    for statement in _POSTGRES_TRIGGERS if is_postgres else _SQLITE_TRIGGERS:
        op.execute(statement)
