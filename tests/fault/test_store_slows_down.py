"""A store that asks for less, fails or hangs in the middle of a part: only that part again, and fewer at once."""

from __future__ import annotations

from receiver.sandbox import Sandbox
from tests.support.cases import FILE, archived_despite
from tests.support.databases import ON_SQLITE
from tests.support.service import Service
from tests.support.store_proxy import Rule, StoreProxy, s3_error

MIB = 1024 * 1024


@ON_SQLITE  # what goes to the store is no database's
async def test_only_the_failed_part_is_sent_again(sandbox: Sandbox, service: Service, store_proxy: StoreProxy) -> None:
    service.settings["PROGRESS_TIMEOUT_S"] = "2"
    spoiled = [
        {"answer": s3_error(503, "SlowDown")},
        {"answer": s3_error(500, "InternalError"), "times": 2},
        {"cut_after": 2 * MIB},
        {"stall_after": 2 * MIB},
    ]
    cases = [(FILE, lambda i, how=how: Rule(f"PUT .*{i}.*partNumber=2", **how), 1) for how in spoiled]
    sent = await archived_despite(sandbox, service, store_proxy, cases)
    for lines, how in zip(sent.values(), spoiled, strict=True):
        tries = [sum(f"partNumber={number}" in line for line in lines) for number in (1, 2, 3)]
        assert tries == [1, 1 + how.get("times", 1), 1]
    async with service.client() as client:
        assert "receiver_store_slowdowns_total 0.0" not in (await client.get("/metrics")).text
