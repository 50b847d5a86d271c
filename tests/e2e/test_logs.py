"""From the POST to the last part each line says of which delivery, recording and trace it is, and no secret."""

from __future__ import annotations

import json

import httpx

from receiver.sandbox import Sandbox
from tests.support.events import events
from tests.support.leaks import found, secrets_of
from tests.support.service import PLAIN, Service, control, make_meeting

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OF_A_RUN = ("recording_claimed", "part_stored", "recording_archived")
ACCESS = {"method", "route", "status", "duration_ms", "sent_bytes", "client"}


async def test_a_delivery_can_be_followed(sandbox: Sandbox, service: Service) -> None:
    service.settings |= {"LOG_LEVEL": "debug", "LOG_FORMAT": "json", "PART_SIZE_MB": "5"}
    await service.start()
    made = [await make_meeting(sandbox, {"kind": "generated", "size_bytes": 11_000_000}) for _ in range(2)]
    bodies = [json.dumps(one["payload"]).encode() for one in made]
    async with httpx.AsyncClient(verify=PLAIN, timeout=30) as client:
        headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        first = (await client.post(service.webhook_url, content=bodies[0], headers=headers)).json()["delivery_id"]
        again = (await client.post(service.webhook_url, content=bodies[0])).json()["delivery_id"]
        headers = {"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}
        second = (await client.post(service.webhook_url, content=bodies[1], headers=headers)).json()["delivery_id"]
        assert again == first
        assert (await client.get(f"{service.url}/metrics")).status_code == 200
        assert (await client.post(f"{service.webhook_url}-not", content=b"{}")).status_code == 401
    await service.until_archived(2)
    log = [service.log_path]
    posts = {event["delivery_id"]: event for event in events(log, "delivery_accepted") if not event["duplicate"]}
    assert posts.keys() == {first, second}
    assert {event["route"] for event in posts.values()} == {"/webhooks/recording-done/{secret}"}
    assert all(event.keys() >= ACCESS and event["status"] == 202 for event in posts.values())
    assert (posts[first]["trace_id"], posts[second].get("trace_id")) == (TRACE, None)
    for one, delivery_id, trace_id in ((made[0], first, TRACE), (made[1], second, second)):
        expected = {(delivery_id, one["recordings"][0]["_id"], trace_id)}
        for name in OF_A_RUN:
            of = [event for event in events(log, name) if event["delivery_id"] == delivery_id]
            assert {(event["delivery_id"], event["recording_id"], event["trace_id"]) for event in of} == expected
        assert len([e for e in events(log, "part_stored") if e["delivery_id"] == delivery_id]) == 3
    await _asked_with(sandbox, {TRACE, second})
    answered = {(event["route"], event["status"], event["level"]) for event in events(log, "request_answered")}
    assert answered >= {
        ("/api/recordings", 200, "info"),
        ("/metrics", 200, "debug"),
        ("/webhooks/recording-done/{secret}", 401, "debug"),
    }
    assert found(service.log_path.read_bytes(), await secrets_of(service)) == []


async def _asked_with(sandbox: Sandbox, trace_ids: set[str]) -> None:
    """See that the API was told of both traces, and the storage of none."""
    requests = await control(sandbox, "GET", "/requests")
    told = {
        side: {r["headers"].get("traceparent") for r in requests if r["side"] == side} for side in ("api", "storage")
    }
    assert {parent[3:35] for parent in told["api"] if parent} == trace_ids
    assert told["storage"] == {None}
