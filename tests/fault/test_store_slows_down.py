"""A store that asks for less, fails or hangs in the middle of a part: only that part again, and fewer at once."""

from __future__ import annotations

from receiver.sandbox import Sandbox
from tests.support.cases import FILE, archived_despite, posted
from tests.support.databases import ON_SQLITE
from tests.support.invariants import check_invariants
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
        assert sum("partNumber=2" in line for line in lines) == 1 + how.get("times", 1)
        assert [sum(f"partNumber={number}" in line for line in lines) for number in (1, 3)] == [1, 1]
    async with service.client() as client:
        assert "receiver_store_slowdowns_total 0.0" not in (await client.get("/metrics")).text


async def test_the_parts_of_a_run_that_gave_up_are_no_progress(
    sandbox: Sandbox, service: Service, store_proxy: StoreProxy
) -> None:
    """They were sent, and ended with the upload: the next run sends them again."""
    service.settings |= {"PART_SIZE_MB": "5", "PART_CONCURRENCY": "1"}  # so that two parts are noted by then
    wait = s3_error(503, "SlowDown", "Retry-After: 60\r\n")
    store_proxy.rules.append(Rule("PUT .*partNumber=3", answer=wait))
    made = await posted(sandbox, service, FILE)
    (item,) = await service.until(lambda items: items[0]["state"] == "waiting")
    assert sum("partNumber=1" in line or "partNumber=2" in line for line in store_proxy.lines) == 2
    assert (item["error"]["code"], item["transfer"]) == ("store_unavailable", None)
    await check_invariants(service, archived={})
    async with service.client() as client:
        await client.post(f"/api/recordings/{item['id']}/retry")
    await service.until_archived(1)
    await check_invariants(service, archived={r["_id"]: r["sha256"] for r in made["recordings"]})
