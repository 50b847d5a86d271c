"""A storage host that refuses a file: a named state, and archived once it is served again.

What a host does that serves nobody is in `test_outages`.
"""

from __future__ import annotations

from receiver.sandbox import Sandbox
from tests.support.cases import healed_after
from tests.support.service import Service


async def test_a_host_that_does_not_serve_the_file(sandbox: Sandbox, service: Service) -> None:
    codes = {404: "source_not_found", 403: "source_denied"}
    faults = [{"kind": "status", "status": status} for status in codes]
    await healed_after(sandbox, service, faults, list(codes.values()))
