"""A download that ends early or whose length lies is never archived; once it is whole, it is."""

from __future__ import annotations

from receiver.sandbox import Sandbox
from tests.support.cases import healed_after
from tests.support.databases import ON_SQLITE
from tests.support.service import Service


@ON_SQLITE  # what a host sends is no database's; the same course on both is in `test_source_refuses`
async def test_a_file_that_is_not_whole_is_never_archived(sandbox: Sandbox, service: Service) -> None:
    faults = {
        "truncate": "source_truncated",
        "truncate_no_length": "source_truncated",  # no client reports it: Content-Range told the length
        "reset": "source_truncated",
        "length_lies": "source_length_mismatch",
    }
    scripts = [{"kind": kind} | ({"after_bytes": 1_000_000} if kind != "length_lies" else {}) for kind in faults]
    await healed_after(sandbox, service, scripts, list(faults.values()))
