"""How many bytes are archived in all, summed by the triggers that count the recordings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
compatible_from = "0001"

_OF_OLD = "CASE OLD.state WHEN 'archived' THEN coalesce(OLD.size_bytes, 0) ELSE 0 END"
_OF_NEW = "CASE NEW.state WHEN 'archived' THEN coalesce(NEW.size_bytes, 0) ELSE 0 END"
_SQLITE = (
    (
        "CREATE TRIGGER recordings_summed AFTER INSERT ON recordings WHEN NEW.state = 'archived' BEGIN "
        "UPDATE archived_bytes SET number = number + coalesce(NEW.size_bytes, 0); END"
    ),
    (
        "CREATE TRIGGER recordings_resummed AFTER UPDATE OF state, size_bytes ON recordings "  # noqa: S608
        f"WHEN {_OF_OLD} <> {_OF_NEW} BEGIN "
        f"UPDATE archived_bytes SET number = number + {_OF_NEW} - {_OF_OLD}; END"
    ),
    (
        "CREATE TRIGGER recordings_unsummed AFTER DELETE ON recordings WHEN OLD.state = 'archived' BEGIN "
        "UPDATE archived_bytes SET number = number - coalesce(OLD.size_bytes, 0); END"
    ),
)
_POSTGRES = (
    (
        "CREATE FUNCTION receiver_sum_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO archived_bytes (number) SELECT sum(size_bytes) FROM added WHERE state = 'archived' "
        "HAVING sum(size_bytes) IS NOT NULL; RETURN NULL; END $$"
    ),
    (
        "CREATE FUNCTION receiver_sum_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # noqa: S608
        f"INSERT INTO archived_bytes (number) VALUES ({_OF_NEW} - {_OF_OLD}); RETURN NULL; END $$"
    ),
    (
        "CREATE FUNCTION receiver_sum_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # noqa: S608
        f"INSERT INTO archived_bytes (number) VALUES (-{_OF_OLD}); RETURN NULL; END $$"
    ),
    (
        "CREATE TRIGGER recordings_summed AFTER INSERT ON recordings REFERENCING NEW TABLE AS added "
        "FOR EACH STATEMENT EXECUTE FUNCTION receiver_sum_added()"
    ),
    (
        "CREATE TRIGGER recordings_resummed AFTER UPDATE OF state, size_bytes ON recordings FOR EACH ROW "
        f"WHEN ({_OF_OLD} <> {_OF_NEW}) EXECUTE FUNCTION receiver_sum_changed()"
    ),
    (
        "CREATE TRIGGER recordings_unsummed AFTER DELETE ON recordings FOR EACH ROW "
        "WHEN (OLD.state = 'archived') EXECUTE FUNCTION receiver_sum_deleted()"
    ),
)


def upgrade() -> None:
    is_postgres = op.get_bind().dialect.name == "postgresql"
    if is_postgres:  # or what another process archives between sum and triggers would be in neither
        op.execute("LOCK TABLE recordings IN SHARE ROW EXCLUSIVE MODE")
    op.create_table("archived_bytes", sa.Column("number", sa.BigInteger(), nullable=False))
    op.execute(
        "INSERT INTO archived_bytes (number) "
        "SELECT coalesce(sum(size_bytes), 0) FROM recordings WHERE state = 'archived'"
    )
    for statement in _POSTGRES if is_postgres else _SQLITE:
        op.execute(statement)
