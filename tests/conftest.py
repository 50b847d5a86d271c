"""Fixtures that every test may ask for."""

from __future__ import annotations

import gc

import pytest

from tests.support.api import anonymous, api_operator, api_viewer
from tests.support.browser import chromium
from tests.support.databases import (
    database,
    database_url,
    empty_database_url,
    empty_database_urls,
    postgres,
    sqlite_file,
)
from tests.support.fixtures import logs_stay_as_they_are, sandbox, service, store_proxy
from tests.support.index import index, index_file, run
from tests.support.page import browser, operator, outside, viewer
from tests.support.s3 import aws_env, bucket, bucket_name, seaweed
from tests.support.tls import certificate, tls
from tests.support.vendor import host, vendor
from tests.support.watching import another, clock, facts, mailbox, watch

__all__ = [
    "anonymous",
    "another",
    "api_operator",
    "api_viewer",
    "aws_env",
    "browser",
    "bucket",
    "bucket_name",
    "certificate",
    "chromium",
    "clock",
    "database",
    "database_url",
    "empty_database_url",
    "empty_database_urls",
    "facts",
    "host",
    "index",
    "index_file",
    "logs_stay_as_they_are",
    "mailbox",
    "operator",
    "outside",
    "postgres",
    "run",
    "sandbox",
    "seaweed",
    "service",
    "sqlite_file",
    "store_proxy",
    "tls",
    "vendor",
    "viewer",
    "watch",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage around a service, whose process does the work: watching it costs more than the watched."""
    for item in items:
        if "service" in getattr(item, "fixturenames", ()):
            item.add_marker("no_cover")


def pytest_collection_finish() -> None:
    """Keep the garbage collector from what lasts as long as the run: five thousand tests and all that they import.

    It was a fifth of the CPU of the tests that ask the most of the index; the service's own processes keep theirs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)
