"""What `receiver serve` and `receiver work` import of others' code; `forked` imports this once for many processes."""

import gc
from importlib import import_module

LIBRARIES = (
    "aiobotocore.httpsession",
    "aiobotocore.session",
    "aiohttp",
    "alembic.command",
    "alembic.ddl.postgresql",
    "alembic.ddl.sqlite",
    "asyncpg",
    "awscrt.checksums",
    "botocore.handlers",
    "jinja2",
    "pgqueuer.adapters.drivers.asyncpg",
    "pgqueuer.adapters.inmemory",
    "pgqueuer.qm",
    "prometheus_client",
    "pydantic_settings",
    "rich.console",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "sqlalchemy.ext.asyncio",
    "starlette.applications",
    "starlette.templating",
    "structlog",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
)

for _name in LIBRARIES:
    import_module(_name)
gc.freeze()  # a collection in a forked process would touch, and so copy, every page of theirs
