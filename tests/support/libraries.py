"""What `receiver serve` and `receiver work` import of others' code; `forked` imports this once for many processes."""

import functools
import gc
from importlib import import_module

import botocore.session

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
# the models of S3 are data of a library, too: read here once, not by every client of every process
botocore.session.create_loader = functools.cache(botocore.session.create_loader)
botocore.session.Session().create_client("s3", "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
gc.freeze()  # a collection in a forked process would touch, and so copy, every page of theirs
