"""What `receiver` imports, whichever command it is; `forked` imports this once for many processes."""

import functools
import gc
import pkgutil
from importlib import import_module

import botocore.session

from receiver import cli

COMMANDS = tuple(module.name for module in pkgutil.walk_packages(cli.__path__, "receiver.cli."))
LATER = (
    "aiobotocore.httpsession",
    "alembic.command",
    "alembic.ddl.postgresql",
    "alembic.ddl.sqlite",
    "anyio._backends._asyncio",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "sqlite3",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
)
"""What they import as late as they need it."""

for _name in COMMANDS + LATER:
    import_module(_name)
# the models of S3 are data of a library, too: read here once, not by every client of every process
botocore.session.create_loader = functools.cache(botocore.session.create_loader)
botocore.session.Session().create_client("s3", "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
gc.freeze()  # a collection in a forked process would touch, and so copy, every page of theirs
