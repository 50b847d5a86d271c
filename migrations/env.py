"""Alembic's entry: runs on the connection that `receiver.tables.schema` hands over."""

from __future__ import annotations

from alembic import context

from receiver.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("run `receiver migrate`; it opens the database as DATABASE_URL says")

if connection.dialect.name == "postgresql":
    # two processes that start at once take turns; the second finds the work done
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7263548210)")
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
