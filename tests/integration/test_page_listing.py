"""The page of all recordings: what it tells of each, and what can be asked of it.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API.
"""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
import pytest

from receiver.catalogue import FILTERS
from receiver.records import State
from tests.support.databases import ON_SQLITE
from tests.support.operators import ARCHIVED, NOW, add, row
from tests.support.page import get, listed, seen

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE


def tabs(text: str) -> dict[str, tuple[str, bool]]:
    """Return each tab's count, and whether it is the one that is shown."""
    found = re.findall(r'<a href="[^"]*"( aria-current="page")?[^>]*>([a-z]+)(?: <b>([0-9,]+)</b>)?</a>', text)
    return {name: (count, bool(current)) for current, name, count in found}


@pytest.fixture
async def four(database: Database) -> None:
    await add(
        database,
        row("a", meeting_name="Weekly", host_id=1, host_name="Zoë", duration_s=61.5, **ARCHIVED),
        row("b", created_at=NOW - timedelta(days=1), meeting_id="m2", meeting_name="Retro"),
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
    text = await get(viewer, "/recordings")
    assert listed(text) == ["a", "b", "c", "d"]
    shown = seen(text)
    assert "Weekly Zoë archived Duration 1:02 Size 5.0 GB 2026-11-23 12:00:00Z" in shown
    assert "Retro - pending Duration - Size - 2026-11-22 12:00:00Z" in shown
    waiting = "m1 sam source_denied 403 from the source waiting next try 2026-11-23 12:05:00Z Duration -"
    assert waiting in shown
    assert "m1 - e m failed Duration - Size - 2026-11-20 12:00:00Z" in shown
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
        text = await get(viewer, f"/recordings?{query}")
        assert listed(text) == expected.split(), query
        chosen = {name for name, (_, is_current) in tabs(text).items() if is_current}
        assert chosen == (set(re.findall("failed|waiting|archived", query)) or {"all"})
        assert ("No recording matches." in seen(text)) == (not expected)


@pytest.mark.usefixtures("four")
async def test_tabs_forms_and_pages_keep_what_was_asked(viewer: httpx.AsyncClient):
    text = await get(viewer, "/recordings?sort=created_at&created_at[gte]=2026-11-21&limit=1")
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
    assert (
        html.unescape(archived[1])
        == "/recordings?sort=created_at&created_at%5Bgte%5D=2026-11-21&limit=1&state=archived"
    )


ASKED = {"text": "x-1", "words": "weekly", "number": "7", "time": "2026-11-21"}


async def test_every_filter_is_asked_for_again_by_the_form(viewer: httpx.AsyncClient):
    """Seen where the form has a field for it, hidden where not: searching for more drops nothing that was asked."""
    for one in FILTERS:
        text = ASKED.get(one.kind.shape) or one.kind.choices[0]
        form = re.search(
            r'<form class="filters".*?</form>',
            await get(viewer, f"/recordings?{urlencode({one.name: text})}"),
            re.DOTALL,
        )
        assert form
        if one.field and one.kind.choices:
            (named,) = re.findall(rf'<select[^>]* name="{re.escape(one.name)}">.*?</select>', form[0], re.DOTALL)
            assert f"<option selected>{text}</option>" in named
            continue
        (named,) = re.findall(rf'<input[^>]* name="{re.escape(one.name)}"[^>]*>', form[0])
        assert f'value="{text}"' in named
        assert ('type="hidden"' in named) == (one.field is None)


WRONG = {
    "/recordings?host_id=abc": "host_id='abc' is not a user id",
    "/recordings?state=gone": "state='gone' is not known",
    "/recordings?stat=failed": "did you mean state?",
    "/recordings?cursor=x": "cursor= is not one that this listing gave out",
    "/recordings?q=%00<script>": "q= contains a NUL character",
    "/recordings?created_at[lt]=<b>": "created_at[lt]='<b>' is not a time",
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


@pytest.mark.usefixtures("four")
async def test_each_filter_that_is_set_has_a_chip_that_takes_it_away(viewer: httpx.AsyncClient):
    text = await get(viewer, "/recordings?state=failed&archived_at[gte]=2026-11-01&q=a%26b&sort=created_at&limit=7")
    chips = re.findall(r'<li><a href="([^"]*)"><span>([^<]*):</span> <bdi>([^<]*)</bdi>', text)
    assert [(label, value) for _, label, value in chips] == [
        ("State", "failed"),
        ("Archived at from", "2026-11-01"),
        ("Search", "a&amp;b"),
    ]
    assert html.unescape(chips[1][0]) == "/recordings?state=failed&q=a%26b&sort=created_at&limit=7"
    assert "Clear all" in text
    assert listed(await get(viewer, html.unescape(chips[0][0]).replace("q=a%26b", "q="))) == ["a"]
    assert "Clear all" not in await get(viewer, "/recordings?state=failed")


@pytest.mark.usefixtures("four")
async def test_a_column_is_sorted_by_a_link_and_turned_round_by_the_next(viewer: httpx.AsyncClient):
    text = await get(viewer, "/recordings?meeting_id=m1")
    (link,) = re.findall(r'<th scope="col" aria-sort="descending"><a href="([^"]*)">Created', text)
    text = await get(viewer, html.unescape(link))
    assert listed(text) == ["d", "c", "a"]
    assert re.search(r'aria-sort="ascending"><a href="/recordings\?meeting_id=m1&amp;sort=-created_at">Created', text)


async def test_an_empty_index_says_what_to_do(viewer: httpx.AsyncClient):
    for path in ("/", "/recordings"):
        shown = seen(await get(viewer, path))
        assert "No recording yet." in shown
        assert "receiver check --public-url https://your.host --show-secret" in shown
    assert "No delivery yet." in seen(await get(viewer, "/deliveries"))
    assert "Nothing failed, and nothing is missing." in seen(await get(viewer, "/failed"))
