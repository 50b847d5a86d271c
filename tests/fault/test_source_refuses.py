"""A storage host that refuses, fails or stalls: a named state, and archived once it serves again."""

from __future__ import annotations

from receiver.sandbox import Sandbox
from tests.support.cases import healed_after
from tests.support.service import Service


async def test_a_host_that_does_not_serve_the_file(sandbox: Sandbox, service: Service) -> None:
    service.settings["PROGRESS_TIMEOUT_S"] = "1"
    codes = {500: "source_unavailable", 404: "source_not_found", 403: "source_denied"}
    faults = [{"kind": "status", "status": status} for status in codes]
    await healed_after(sandbox, service, [*faults, {"kind": "hang"}], [*codes.values(), "source_stalled"])
