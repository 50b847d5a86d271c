"""What the operators' page shows, and what it leads to.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API.
"""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from receiver.errors import StorageUnavailableError, StoreUnavailableError
from receiver.records import State
from receiver.tables import deliveries, delivery_recordings, upload_parts
from tests.support.databases import ON_SQLITE
from tests.support.operators import ARCHIVED, DESCRIBED, NOW, OPERATOR, SIGNED, VIEWER, Outside, add, row
from tests.support.page import browser_of, sign_in

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE


def seen(text: str) -> str:
    """Return what a reader sees of a page's main part: its text, each run of spaces as one."""
    main = text.partition("<main")[2].partition(">")[2]
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", main)).split())


def listed(text: str) -> list[str]:
    return re.findall(r'<a class="name" href="/(?:recordings|deliveries)/([^"]+)"', text)


def tabs(text: str) -> dict[str, tuple[str, bool]]:
    """Return each tab's count, and whether it is the one that is shown."""
    found = re.findall(r'<a href="[^"]*"( aria-current="page")?[^>]*>([a-z]+)(?: <b>([0-9,]+)</b>)?</a>', text)
    return {name: (count, bool(current)) for current, name, count in found}


async def get(client: httpx.AsyncClient, path: str, status: int = 200) -> str:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


@pytest.fixture
async def four(database: Database) -> None:
    await add(
        database,
        row("a", meeting_name="Weekly", search_text="weekly", host_id=1, host_name="Zoë", **ARCHIVED),
        row("b", created_at=NOW - timedelta(days=1), meeting_id="m2", meeting_name="Retro", search_text="retro"),
        row(
            "c",
            created_at=NOW - timedelta(days=2),
            state=State.WAITING,
            next_attempt_at=NOW + timedelta(minutes=5),
            host_login="sam",
            error_code="source_denied",
            error_message="403 from the source",
            error_at=NOW,
        ),
        row(
            "d", created_at=NOW - timedelta(days=3), state=State.FAILED, error_code="e", error_message="m", error_at=NOW
        ),
    )


@pytest.mark.usefixtures("four")
async def test_the_listing_tells_of_each_recording(viewer: httpx.AsyncClient):
    text = await get(viewer, "/")
    assert listed(text) == ["a", "b", "c", "d"]
    shown = seen(text)
    assert "Weekly Zoë archived 5.0 GB 2026-11-23 12:00:00Z" in shown
    assert "Retro - pending - 2026-11-22 12:00:00Z" in shown
    waiting = "m1 sam source_denied 403 from the source waiting next try 2026-11-23 12:05:00Z - 2026-11-21 12:00:00Z"
    assert waiting in shown
    assert "m1 - e m failed - 2026-11-20 12:00:00Z" in shown
    counts = {name: count for name, (count, _) in tabs(text).items()}
    assert counts == dict.fromkeys(State, "0") | {
        "all": "4",
        "archived": "1",
        "pending": "1",
        "waiting": "1",
        "failed": "1",
    }


QUESTIONS = {
    "state=failed": "d",
    "state=failed,waiting&state=archived": "a c d",
    "q=WEEKLY": "a",
    "meeting_id=m2": "b",
    "host_id=1": "a",
    "created_at[gte]=2026-11-21&created_at[lt]=2026-11-23": "b c",
    "q=&meeting_id=&host_id=&created_at%5Bgte%5D=&created_at%5Blt%5D=": "a b c d",
    "sort=created_at&limit=2": "d c",
    "q=nothing-like-it": "",
}


@pytest.mark.usefixtures("four")
async def test_the_apis_filters_hold(viewer: httpx.AsyncClient):
    for query, expected in QUESTIONS.items():
        text = await get(viewer, f"/?{query}")
        assert listed(text) == expected.split(), query
        chosen = {name for name, (_, is_current) in tabs(text).items() if is_current}
        assert chosen == (set(re.findall("failed|waiting|archived", query)) or {"all"})
        assert ("No recording matches." in seen(text)) == (not expected)


@pytest.mark.usefixtures("four")
async def test_tabs_forms_and_pages_keep_what_was_asked(viewer: httpx.AsyncClient):
    text = await get(viewer, "/?sort=created_at&created_at[gte]=2026-11-21&limit=1")
    assert listed(text) == ["c"]
    assert 'type="hidden" name="sort" value="created_at"' in text
    assert re.search(r'name="created_at\[gte\]" type="date" value="2026-11-21"', text)
    found = []
    while following := re.search(r'href="([^"]*)" rel="next"', text):
        text = await get(viewer, html.unescape(following[1]))
        found += listed(text)
    assert found == ["b", "a"]
    first = re.search(r'href="([^"]*)" rel="first"', text)
    assert first
    assert listed(await get(viewer, html.unescape(first[1]))) == ["c"]
    archived = re.search(r'href="([^"]*)"[^>]*>archived', text)
    assert archived
    assert html.unescape(archived[1]) == "/?sort=created_at&created_at%5Bgte%5D=2026-11-21&limit=1&state=archived"


WRONG = {
    "/?host_id=abc": "host_id='abc' is not a user id",
    "/?state=gone": "state='gone' is not known",
    "/?stat=failed": "did you mean state?",
    "/?cursor=x": "cursor= is not one that this listing gave out",
    "/?q=%00<script>": "q= contains a NUL character",
    "/?created_at[lt]=<b>": "created_at[lt]='<b>' is not a time",
    "/deliveries?status=ok": "status='ok' is not known",
    "/deliveries?cursor=x": "cursor= is not one that this listing gave out",
}


@pytest.mark.usefixtures("four")
async def test_a_wrong_question_is_told_so_beside_its_form(viewer: httpx.AsyncClient):
    for path, said in WRONG.items():
        text = await get(viewer, path, 400)
        assert said in seen(text), path
        assert listed(text) == []
        assert "<script>" not in text


async def test_an_empty_index_says_so(viewer: httpx.AsyncClient):
    assert "No recording yet" in seen(await get(viewer, "/"))
    assert "No delivery yet." in seen(await get(viewer, "/deliveries"))


async def test_a_running_transfer_shows_bytes_rate_and_time_left(database: Database, viewer: httpx.AsyncClient):
    await add(
        database,
        row("r1", state=State.ARCHIVING, fence=3, source_size_bytes=1_200_000_000),
        row("r2", state=State.ARCHIVING, fence=1, source_size_bytes=800),
    )
    part = {"recording_id": "r1", "number": 1, "etag": "e", "size_bytes": 504_000_000, "checksum": "c"}
    await database.write(lambda tx: tx.execute(sa.insert(upload_parts).values(part | {"fence": 3, "elapsed_s": 28.0})))
    for path in ("/", "/recordings/r1"):
        text = await get(viewer, path)
        assert "504.0 MB of 1.2 GB, 42 % 18.0 MB/s, 0:39 left" in seen(text)
        assert '<progress value="504000000" max="1200000000"' in text
        assert 'data-refresh-s="2"' in text
    begun = await get(viewer, "/recordings/r2")
    assert "0 B of 800 B, 0 %" in seen(begun)
    assert "left" not in seen(begun)


async def test_a_page_where_nothing_runs_looks_again_rarely(database: Database, viewer: httpx.AsyncClient):
    await add(database, row("r1", **ARCHIVED), row("r2", state=State.WAITING, next_attempt_at=NOW))
    for path in ("/", "/recordings/r1", "/recordings/r2"):
        assert 'data-refresh-s="15"' in await get(viewer, path)


async def test_a_recording_in_full(database: Database, viewer: httpx.AsyncClient):
    whole = row(
        "r1",
        updated_at=NOW + timedelta(minutes=1),
        **DESCRIBED,
        error_code="source_denied",
        error_message="403 from the source",
        error_at=NOW,
        **ARCHIVED,
    )
    await add(database, whole)
    shown = seen(await get(viewer, "/recordings/r1"))
    for expected in (
        "Weekly archived on hold",
        "Last error: source_denied 2026-11-23 12:00:00Z 403 from the source",
        "Id m1 Started 2026-11-23 11:00:00Z Ended 2026-11-23 12:00:00Z",
        "Host Name Zoë Login zoe E-mail zoe@example.com Id 9007199254740993",
        "Recording Id r1 File uid f-1 Duration 1:02 Vendor's size 12.25 Participants 2",
        "Created 2026-11-23 12:00:00Z Updated 2026-11-23 12:01:00Z",
        "First seen 2026-11-23 12:00:00Z via webhook Attempts 2 Next attempt - URL named by api On hold yes",
        "Archived 2026-11-23 12:00:00Z Size 5.0 GB (5,000,000,000 bytes) Type video/mp4 Bucket team",
        "Key recordings/2026/11/23/m/r.mp4 Version v1 SHA-256 " + "ab" * 32 + " Checksum crc64nvme:AAAAAAAAAAA=",
    ):
        assert expected in shown


@pytest.mark.parametrize("media", ["video/mp4", "audio/ogg", "application/octet-stream"])
async def test_a_recording_is_played_by_a_url_made_when_asked(
    database: Database, viewer: httpx.AsyncClient, outside: Outside, media: str
):
    await add(database, row("r1", **(ARCHIVED | {"content_type": media})))
    text = await get(viewer, "/recordings/r1")
    players = re.findall(r'<(video|audio) controls preload="none" src="/recordings/r1/download">', text)
    assert players == ([media.partition("/")[0]] if "application" not in media else [])
    assert ("cannot be played here" in text) == ("application" in media)
    assert SIGNED not in html.unescape(text)
    with capture_logs() as events:
        answer = await viewer.get("/recordings/r1/download")
    assert (answer.status_code, answer.headers["location"]) == (307, SIGNED)
    assert [(e["event"], e["token_name"]) for e in events] == [("download_url_issued", "ci")]


async def test_a_recording_is_shown_while_its_bucket_refuses(
    database: Database, viewer: httpx.AsyncClient, outside: Outside
):
    await add(database, row("r1", **ARCHIVED), row("r2"))
    outside.presign_error = StoreUnavailableError("presign: no credentials found")
    text = await get(viewer, "/recordings/r1")
    assert "<video" not in text
    assert "ab" * 32 in text
    assert "presign: no credentials found" in seen(await get(viewer, "/recordings/r1/download", 502))
    not_archived = seen(await get(viewer, "/recordings/r2/download", 409))
    assert "recording r2 is pending; only an archived one can be downloaded" in not_archived


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1); //",
    "{{ 7 * 7 }}{% raw %}",
    "</title></textarea></style><svg onload=alert(1)>",
    "\u202egpj.exe",
    "x" * 5000,
)


async def test_strangers_text_stays_text(database: Database, operator: httpx.AsyncClient):
    for n, name in enumerate(HOSTILE):
        names = dict.fromkeys(("meeting_name", "host_name", "host_login", "host_email", "file_uid"), name)
        failure = {"error_code": "e", "error_message": name, "error_at": NOW}
        await add(database, row(f"r{n}", state=State.FAILED, **names, **failure))
    await keep_delivery(database, rejected=[{"index": 0, "errors": list(HOSTILE)}], body="\n".join(HOSTILE).encode())
    texts = [await get(operator, path) for path in ("/", *(f"/recordings/r{n}" for n in range(len(HOSTILE))))]
    texts.append(await get(operator, "/deliveries/d1"))
    for text in texts:
        tags = set(re.findall(r"<([a-z]+)", text))
        assert not tags & {"svg", "style", "textarea", "iframe", "object"}
        assert re.findall(r"<script[^>]*>", text) == ['<script src="/static/page.js" defer>']
        assert re.findall(r"<img[^>]*>", text) == ['<img src="/static/icon.svg" alt="" width="20" height="20">']
        assert "\u202e" not in text
    for name in HOSTILE[:5]:
        assert all(name in seen(text) for text in (texts[0], texts[-1]))
    assert r"\u202egpj.exe" in seen(texts[0])
    assert max(map(len, re.findall("x+", texts[0]))) < 250


# --- deliveries ---


async def keep_delivery(
    database: Database, delivery_id: str = "d1", *, rejected: list[dict[str, Any]], body: bytes, **values: Any
) -> None:
    stored = {
        "id": delivery_id,
        "received_at": NOW,
        "status": "partial",
        "body_sha256": delivery_id * 32,
        "body_bytes": len(body),
        "body": body,
        "rejected": rejected,
    }
    await database.write(lambda tx: tx.execute(sa.insert(deliveries).values(stored | values)))


async def test_deliveries_and_what_of_them_could_not_be_used(database: Database, browser: httpx.AsyncClient):
    body = '[{"_id": "r1", "name": "é"}]'.encode() + b"\xff"
    rejected = [{"index": 1, "errors": ["_id: missing; give one", "room_id: no"]}]
    await keep_delivery(database, "d1", rejected=rejected, body=body)
    earlier = {"status": "accepted", "received_at": NOW - timedelta(days=1)}
    await keep_delivery(database, "d2", rejected=[], body=b"a" * 70_000, **earlier)
    named = {"delivery_id": "d1", "position": 0, "recording_id": "r1"}
    await database.write(lambda tx: tx.execute(sa.insert(delivery_recordings), named))
    await sign_in(browser, VIEWER)
    text = await get(browser, "/deliveries")
    assert listed(text) == ["d1", "d2"]
    assert "2026-11-23 12:00:00Z d1 partial Recordings 1 Rejected 1 Body 30 B" in seen(text)
    assert listed(await get(browser, "/deliveries?status=accepted")) == ["d2"]
    one = await get(browser, "/deliveries/d1")
    assert 'href="/recordings/r1"' in one
    assert "1 _id: missing; give one room_id: no" in seen(one)
    assert "operators may read it" in seen(one)
    assert "é" not in one
    await sign_in(browser, OPERATOR)
    assert '[{"_id": "r1", "name": "é"}]\ufffd' in seen(await get(browser, "/deliveries/d1"))
    long = await get(browser, "/deliveries/d2")
    assert "This is its beginning; GET /api/deliveries/d2 has all of it." in seen(long)
    assert long.count("a" * 65_536) == 1
    assert "a" * 65_537 not in long


# --- faults ---


class Down:
    """An index that cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: Any, **__: Any) -> None:
            raise StorageUnavailableError("db-7.internal refused")

        return fail


@pytest.mark.usefixtures("database_url")
async def test_an_index_that_is_down_is_a_page_that_says_so(outside: Outside):
    async with browser_of(Down(), outside) as client:
        await sign_in(client, VIEWER)
        for path in ("/", "/recordings/r1", "/deliveries", "/deliveries/d1"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "the database cannot take the request now" in answer.text
            assert "db-7" not in answer.text


async def test_what_is_not_there_is_a_page_that_says_so(viewer: httpx.AsyncClient):
    for path in ("/recordings/nope", "/recordings/a.b", "/deliveries/nope", "/deliveries/a%00"):
        assert "there is no" in seen(await get(viewer, path, 404))
