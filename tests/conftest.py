"""Fixtures that every test may ask for."""

from __future__ import annotations

from tests.support.databases import database, database_url, empty_database_url, postgres
from tests.support.fixtures import sandbox, service, store_proxy
from tests.support.s3 import aws_env, bucket, bucket_name, seaweed

__all__ = [
    "aws_env",
    "bucket",
    "bucket_name",
    "database",
    "database_url",
    "empty_database_url",
    "postgres",
    "sandbox",
    "seaweed",
    "service",
    "store_proxy",
]
