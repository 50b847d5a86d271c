"""Everybody can use the page: axe-core finds no fault that keeps people out, in light, dark and narrow; keys do."""

from __future__ import annotations

import asyncio
import base64
import json
import re

from tests.support.browser import signed_in
from tests.support.databases import ON_SQLITE
from tests.support.node import installed
from tests.support.payloads import DATA
from tests.support.service import OPS_TOKEN, make_meeting, set_fault

MOVIE = {"kind": "bytes", "body_base64": base64.b64encode((DATA / "faststart.mp4").read_bytes()).decode()}
LOOKS = (
    ({"timezone_id": "Asia/Kolkata", "locale": "en-GB"}, {}),
    # colours are all that changes
    ({"color_scheme": "dark", "timezone_id": "UTC"}, {"runOnly": ["color-contrast"]}),
    ({"viewport": {"width": 360, "height": 780}, "timezone_id": "UTC"}, {}),
)
"""Of each: the browser's context, and what axe looks at."""
LONG = ("/docs", "/docs/errors")
"""Thousands of elements, all made by the same few lines: looked at once."""
RUN = "options => axe.run(document, { resultTypes: ['violations'], ...options })"


async def faults_of(tab, axe, options):
    """Return what axe calls serious or critical, and where."""
    await tab.evaluate(axe)
    found = (await tab.evaluate(RUN, options))["violations"]
    return [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


async def a_week(service, sandbox):
    """Have one recording archived, one failed and one delivery rejected; return the paths to look at."""
    await set_fault(sandbox, on="storage", kind="html", times=1)
    failed = await make_meeting(sandbox, MOVIE, name="Retro")
    assert (await service.post(json.dumps(failed["payload"]).encode())).status_code == 202
    await service.until(lambda items: items[0]["state"] == "failed")
    good = await make_meeting(sandbox, MOVIE, name="Weekly")
    assert (await service.post(json.dumps(good["payload"]).encode())).status_code == 202
    assert (await service.post(b"[]")).status_code == 422
    await service.until_archived(1)
    record = good["payload"]["callRecords"][0]
    return (
        "/",
        "/recordings",
        "/recordings?state=failed&q=retro",
        "/recordings?q=nothing-like-it",
        f"/recordings/{record['_id']}",
        f"/recordings/{failed['payload']['callRecords'][0]['_id']}",
        f"/meetings/{good['payload']['meeting']['_id']}",
        "/failed",
        "/failed/retry?error_code=source_not_media",
        "/deliveries",
        *LONG,
    )


@ON_SQLITE  # a browser sees the same of both
async def test_no_fault_keeps_anybody_out(sandbox, service, chromium, tmp_path):
    service.settings |= {"MAX_ATTEMPTS": "1"}
    await service.start()
    paths = await a_week(service, sandbox)
    folder = await installed(DATA / "axe", tmp_path / "axe")
    axe = await asyncio.to_thread((folder / "node_modules/axe-core/axe.min.js").read_text)
    for look, options in LOOKS:
        async with signed_in(chromium, service.url, OPS_TOKEN, bypass_csp=True, **look) as watched:
            tab = watched.tab
            for path in paths:
                await tab.goto(service.url + path)
                if path not in LONG or (not options and "viewport" not in look):
                    assert await faults_of(tab, axe, options) == [], (path, look)
                wide = await tab.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
                assert not wide, f"{path} is wider than the screen with {look}"
            await assert_times_are_local(tab, service.url, look["timezone_id"])
            assert watched.complaints == []


async def assert_times_are_local(tab, url, zone):
    """Behind each time in UTC stands the reader's, where that is another."""
    await tab.goto(f"{url}/deliveries")
    shown = await tab.locator("tbody th").first.inner_text()
    if zone == "UTC":
        assert re.fullmatch(r"[-0-9]+ [0-9:]+Z\s+\w+", shown), shown
        return
    utc, local = re.fullmatch(r"[-0-9]+ (\d\d:\d\d):\d\dZ\s+\d+ \w+ \d+, (\d\d:\d\d)\s+\w+", shown).groups()
    minutes = [60 * int(text[:2]) + int(text[3:]) for text in (utc, local)]
    assert (minutes[1] - minutes[0]) % 1440 == 330


@ON_SQLITE  # a browser sees the same of both
async def test_keys_alone_retry_all_of_a_code(sandbox, service, chromium):
    service.settings |= {"MAX_ATTEMPTS": "1"}
    await service.start()
    await a_week(service, sandbox)
    async with signed_in(chromium, service.url, OPS_TOKEN) as watched:
        tab = watched.tab
        await tab.keyboard.press("Tab")
        assert await tab.evaluate("document.activeElement.className") == "skip"
        await tab.keyboard.press("Enter")
        assert await tab.evaluate("document.activeElement.id") == "main"
        await to(tab, "Retry source_not_media…")
        await tab.wait_for_url("**/failed/retry?*")
        assert "1 recording failed or missing with this code" in await tab.locator("main").inner_text()
        await to(tab, "Retry 1 recording")
        await tab.wait_for_url("**/failed?retried=1")
        await service.until_archived(2)
        await tab.reload()
        assert "Nothing failed, and nothing is missing." in await tab.locator("main").inner_text()
        assert watched.complaints == []


async def to(tab, name):
    """Press Tab until the control of this name has the focus, then Enter."""
    for _ in range(60):
        await tab.keyboard.press("Tab")
        if await tab.evaluate("document.activeElement.textContent.trim()") == name:
            await tab.keyboard.press("Enter")
            return
    raise AssertionError(f"the Tab key does not come to {name!r}")
