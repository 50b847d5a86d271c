"""The vendor's own JavaScript client, installed from its locked releases, against `receiver sandbox`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from contextlib import asynccontextmanager

import httpx

from tests.support.node import installed, output_of
from tests.support.payloads import DATA
from tests.support.vendor import BOT_ID

RELEASES = {"connectycube": "plain", "connectycube-3": "signed"}
"""How each opens a session, by its name in package.json."""


@asynccontextmanager
async def running_sandbox(cwd):
    """Run `receiver sandbox` and yield what it says of itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "receiver", "sandbox", "--port", "0", "--json"), cwd=cwd, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield json.loads(await process.stdout.readuntil(b"\n}\n"))
    finally:
        process.terminate()
        await process.wait()


def judge(told, form):
    """Compare what the client was told with what it asked for."""
    made = told["made"]
    assert told["session"]["user_id"] == told["shown"]["user_id"] == told["logged_in"]["id"] == BOT_ID
    assert (told["session"]["nonce"] is not None) == (form == "signed")
    assert told["nameless"]["name"].startswith("January ")  # it writes seconds as if they were milliseconds
    assert (made["start_date"] > 10**11, made["end_date"] - made["start_date"]) == (True, 3_600_000)
    assert told["found"] == made
    assert told["listed"] == told["as_list"] == told["joined"] == [told["nameless"], made]
    assert told["filtered"] == [made]
    for change, record in [("started", True), ("stopped", False)]:
        assert told[change] == {**made, "record": record, "updated_at": told[change]["updated_at"]}
    assert told["too_early"] == []
    (recording,) = told["recordings"]
    assert (recording["_id"], recording["room_id"]) == (told["ended"]["recordings"][0]["_id"], made["_id"])
    assert (told["relogins"], told["after_relogin"]["_id"]) == (1, made["_id"])
    assert told["empty_answer"]["code"] == 200
    assert told["deleted"] == told["logged_out"] == ""
    assert told["missing"] == {"code": 404, "info": {"errors": ["Meeting not found"]}}
    assert told["not_updated"] == {"code": 422, "info": {"errors": {"end_date": ["cannot be blank"]}}}
    assert told["without_user"]["code"] == 403
    assert [one["_id"] for one in told["left"]] == [told["nameless"]["_id"]]
    assert told["destroyed"] is None
    assert told["guest"]["user"]["is_guest"] is True


async def test_the_vendors_client_works_with_the_sandbox(tmp_path):
    """Log in, make, find, change and delete a meeting, read its recordings; what only tests do is `_control`'s."""
    folder = await installed(DATA / "vendor-client", tmp_path / "client")
    for release, form in RELEASES.items():
        async with running_sandbox(tmp_path) as platform, httpx.AsyncClient(base_url=platform["url"]) as http:
            told = json.loads(await output_of("node", "meeting.mjs", release, json.dumps(platform), cwd=folder))
            judge(told, form)
            file = await http.get(told["recordings"][0]["download_url"])
            assert hashlib.sha256(file.content).hexdigest() == told["ended"]["recordings"][0]["sha256"]
            asked = (await http.get("/_control/requests")).json()
        paths = [one["path"] for one in asked if one["side"] == "api"]
        assert len(paths) > 20
        assert all(path.endswith(".json") for path in paths)
