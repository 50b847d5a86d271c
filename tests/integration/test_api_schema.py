"""schemathesis asks the API whatever its document allows, and much that it does not: every answer is as described.

On SQLite, over HTTP: what the API asks of the index is asked on both databases by the other tests.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.applications import Starlette

from receiver import api, problems
from receiver.catalogue import Catalogue, Interventions
from receiver.records import State
from receiver.tables import open_database
from tests.support.api import api_of
from tests.support.erasing import erase_actions
from tests.support.intake import replay_of
from tests.support.operators import ADMIN, ARCHIVED, DESCRIBED, NOW, Outside, add, add_delivery, row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
KNOWN = {"recordings": ("r1", "r2", "r3", "r4"), "meetings": ("m1", "m2"), "deliveries": ("d1",), "holds": ("1", "2")}
SCHEMA = schemathesis.openapi.from_dict(api.document())


@SCHEMA.hook
def map_path_parameters(context, path_parameters):
    """Let three ids of four be one that is there: of what is made up, none is."""
    given = (path_parameters or {}).get("id")
    if isinstance(given, str) and len(given) % 4:
        known = KNOWN[context.operation.path.split("/")[2]]
        return path_parameters | {"id": known[len(given) % len(known)]}
    return path_parameters


async def serve(url: str, tell: list[uvicorn.Server]) -> None:
    """Serve the API over a few rows of each kind, until its server is told to end."""
    database = open_database(url)
    failure = {"error_code": "source_denied", "error_message": "403", "error_at": NOW}
    await add(
        database,
        row("r1", **DESCRIBED, **ARCHIVED),
        row("r2", state=State.FAILED, **failure),
        row("r3", state=State.WAITING, next_attempt_at=NOW, **failure),
        row("r4", meeting_id="m2"),
    )
    await add_delivery(database, body=b'[{"_id": "r1"}]', recording_ids=("r1",))
    outside = Outside()
    more = {"replay": replay_of(database), "erasing": erase_actions(database)}
    parts = api_of(Catalogue(database), Interventions(database), outside, **more)
    app = Starlette(routes=api.routes(parts), exception_handlers=problems.handlers())
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    tell.append(server)
    await server.serve()
    await database.close()


@contextmanager
def running(url: str) -> Iterator[str]:
    tell: list[uvicorn.Server] = []
    thread = threading.Thread(target=lambda: asyncio.run(serve(url, tell)))
    thread.start()
    while thread.is_alive() and not (tell and tell[0].started):
        thread.join(0.01)
    try:
        host, port = tell[0].servers[0].sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        tell[0].should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def served(sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    copy = tmp_path_factory.mktemp("schema") / "receiver.db"
    copy.write_bytes(sqlite_file.read_bytes())
    with running(f"sqlite:///{copy}") as url:
        yield url


@SCHEMA.parametrize()
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: schemathesis.Case, served: str):
    case.call_and_validate(base_url=served, headers={"Authorization": f"Bearer {ADMIN}"}, checks=CHECKS)
