"""A 200 with something else in it: never archived, tried so often and no more, and the code says what came."""

from __future__ import annotations

from receiver.sandbox import Sandbox
from tests.support.cases import healed_after
from tests.support.databases import ON_SQLITE
from tests.support.service import Service

XML = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'


@ON_SQLITE  # what a host sends is no database's; the same course on both is in `test_source_refuses`
async def test_an_error_page_or_nothing_is_never_archived(sandbox: Sandbox, service: Service) -> None:
    faults = [
        {"kind": "html"},
        {"kind": "json"},
        {"kind": "html", "body": XML},
        {"kind": "gzip_bomb"},
        {"kind": "empty"},
    ]
    await healed_after(sandbox, service, faults, ["source_not_media"] * 4 + ["source_empty"])
