"""A process imports what it uses: what stands here was 15 MB of each idle one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROBE = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(list(sys.modules)))
"""


@pytest.mark.parametrize(
    ("imported", "unused"),
    [
        (["receiver.app"], {"uvicorn", "h11", "jinja2", "receiver.page", "rich", "httpx", "sqlalchemy.orm"}),
        (["receiver.app", "receiver.app.web"], {"jinja2", "rich", "httpx", "sqlalchemy.orm"}),
        (["receiver.app", "receiver.tables.postgres", "receiver.jobs.postgres"], {"sqlalchemy.orm", "sqlite3"}),
    ],
    ids=["a worker alone", "what serves", "on PostgreSQL"],
)
def test_a_process_imports_nothing_that_it_does_not_use(imported: list[str], unused: set[str]) -> None:
    command = [sys.executable, "-c", PROBE, *imported]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert not unused & set(json.loads(done.stdout))
