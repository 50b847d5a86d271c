"""The operators' page in a real browser, on a real service."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from urllib.parse import urlsplit

from tests.support.browser import signed_in, until
from tests.support.databases import ON_POSTGRESQL, ON_SQLITE
from tests.support.payloads import DATA
from tests.support.service import OPS_TOKEN, make_meeting, set_fault

MOVIE = (DATA / "faststart.mp4").read_bytes()
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></h1><svg onload=alert(1)>",
    "javascript:alert(1)",
    "x" * 5000,
)


async def deliver(service, sandbox, recording, **meeting):
    made = await make_meeting(sandbox, recording, **meeting)
    assert (await service.post(json.dumps(made["payload"]).encode())).status_code == 202
    return made["payload"]["callRecords"][0]["_id"]


def movie():
    return {"kind": "bytes", "body_base64": base64.b64encode(MOVIE).decode()}


@ON_POSTGRESQL  # a browser sees the same of both; here the page is read beside a run that writes
async def test_a_running_transfer_moves_without_a_reload(sandbox, service, chromium):
    service.settings |= {"PART_SIZE_MB": "5"}
    await set_fault(sandbox, on="storage", kind="slow", bytes_per_s=4_000_000)
    await service.start()
    async with signed_in(chromium, service.url, OPS_TOKEN) as watched:
        listing, detail = watched.tab, await watched.tab.context.new_page()
        recording_id = await deliver(service, sandbox, {"kind": "generated", "size_bytes": 32_000_000})
        await service.until(lambda items: items[0]["transfer"] is not None)
        await asyncio.gather(
            listing.goto(f"{service.url}/recordings"), detail.goto(f"{service.url}/recordings/{recording_id}")
        )
        await asyncio.gather(assert_it_moves(listing), assert_it_moves(detail))
        await detail.locator("video").wait_for()  # another state brings another page
        assert await detail.locator("#status .pill").inner_text() == "archived"
        await listing.locator("tbody .archived").wait_for()
        assert await listing.evaluate("window.loadedOnce")
        assert "32.0 MB" in await listing.locator("tbody tr").inner_text()
        assert watched.complaints == []


async def assert_it_moves(tab):
    await tab.evaluate("window.loadedOnce = true")
    done = await tab.locator("progress").evaluate("bar => bar.value")
    await until(tab, "done => document.querySelector('progress').value > done", done)
    assert await tab.evaluate("window.loadedOnce"), "it moved by a reload"
    shown = await tab.locator(".transfer").inner_text()
    assert re.search(r"MB of 32.0 MB, [1-9]\d? %\s+\d+\.\d [kM]B/s, \d+:\d\d left", shown), shown


@ON_SQLITE  # a browser sees the same of both
async def test_hostile_names_do_nothing_and_the_recording_plays_and_downloads(sandbox, service, chromium):
    await service.start()
    ids = [await deliver(service, sandbox, movie(), name=name) for name in HOSTILE]
    await service.until_archived(len(ids))
    async with signed_in(chromium, service.url, OPS_TOKEN) as watched:
        tab = watched.tab
        own = urlsplit(service.url).netloc
        await tab.goto(f"{service.url}/recordings")
        assert await tab.locator("tbody tr").count() == len(ids)
        for name, recording_id in zip(HOSTILE, ids, strict=True):
            await tab.goto(f"{service.url}/recordings/{recording_id}")
            heading = await tab.get_by_role("heading", level=1).inner_text()
            assert heading == (name if len(name) <= 120 else name[:119] + "…")
            assert await is_sixteen_by_nine(tab), "a player is as large before it plays as most videos are"
        assert set(watched.hosts) == {own}, "nothing of the bucket is asked for before somebody plays"
        await tab.locator("video").focus()
        await tab.keyboard.press("Space")
        await until(tab, "() => document.querySelector('video').currentTime > 0")
        bucket = urlsplit(service.seaweed.endpoint_url).netloc
        assert set(watched.hosts) == {own, bucket}
        await tab.goto(f"{service.url}/recordings/{ids[0]}")
        async with tab.expect_download() as downloading:
            await tab.get_by_role("link", name="Download").click()
        download = await downloading.value
        assert await asyncio.to_thread((await download.path()).read_bytes) == MOVIE
        assert download.suggested_filename.endswith(".mp4")
        assert watched.complaints == []


async def is_sixteen_by_nine(tab):
    box = await tab.locator("video").bounding_box()
    return box["width"] > 300 and abs(box["width"] / box["height"] - 16 / 9) < 0.01


@ON_SQLITE  # a browser sees the same of both
async def test_a_link_from_another_site_finds_its_reader_signed_in(service, chromium):
    await service.start()
    async with signed_in(chromium, service.url, OPS_TOKEN) as watched:
        tab = watched.tab
        await tab.goto(service.url.replace("127.0.0.1", "localhost") + "/static/icon.svg")
        await tab.evaluate("there => { location.href = there }", f"{service.url}/deliveries?status=rejected")
        await tab.get_by_role("heading", name="Deliveries").wait_for()
        assert tab.url == f"{service.url}/deliveries?status=rejected"
        await tab.set_viewport_size({"width": 390, "height": 844})
        assert await tab.get_by_role("table", name="Deliveries of the webhook, newest first").count() == 1
        assert await tab.get_by_role("row").count() == 2, "a narrow screen changes the look, not what a reader is told"


@ON_SQLITE  # a browser sees the same of both
async def test_a_failed_recording_is_retried_then_signed_out_all_without_script(sandbox, service, chromium):
    service.settings |= {"MAX_ATTEMPTS": "1"}
    await set_fault(sandbox, on="storage", kind="html", times=1)
    await service.start()
    await deliver(service, sandbox, movie(), name="Retro")
    await service.until(lambda items: items[0]["state"] == "failed")
    async with signed_in(chromium, service.url, OPS_TOKEN, script=False) as watched:
        tab = watched.tab
        await tab.get_by_role("link", name="failed 1", exact=True).click()
        assert "source_not_media" in await tab.locator("tbody tr").inner_text()
        await tab.get_by_role("link", name="Retro").click()
        await tab.get_by_role("button", name="Retry").click()
        await tab.wait_for_url("**/recordings/*")
        await service.until_archived(1)
        await tab.reload()
        assert await tab.locator("#status .pill").inner_text() == "archived"
        assert await tab.get_by_role("button", name="Retry").count() == 0
        there = tab.url
        await tab.get_by_role("button", name="Sign out").click()
        await tab.get_by_label("Ops token").wait_for()
        await tab.goto(there)
        assert urlsplit(tab.url).path == "/sign-in"
        assert await tab.context.cookies() == []
