"""The page to open in the morning, and what it leads to: what failed by code, and a meeting.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API and of the overview.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from receiver.records import State
from receiver.tables import reconciliations
from tests.support.databases import ON_SQLITE
from tests.support.operators import ARCHIVED, DESCRIBED, NOW, Outside, add, add_delivery, row, state_of
from tests.support.page import form_key, get, listed, seen

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE
FAILURE = {"error_message": "m", "error_at": NOW}


@pytest.fixture
async def night(database: Database) -> None:
    """Recordings of a night: two archived, one yesterday; one late; four that failed and one that is missing."""
    seen_at = {"first_seen_at": NOW - timedelta(minutes=2)}
    await add(
        database,
        row("a1", **ARCHIVED, **seen_at),
        row("a2", **(ARCHIVED | {"archived_at": NOW - timedelta(days=1)})),
        row("w1", state=State.WAITING, next_attempt_at=NOW - timedelta(minutes=12), error_code="source_denied"),
        row("w2", next_attempt_at=NOW + timedelta(minutes=12)),
        *(row(f"f{n}", state=State.FAILED, error_code="source_denied", **FAILURE) for n in range(3)),
        row("f3", state=State.FAILED, error_code="source_empty", **FAILURE),
        row("g1", state=State.MISSING, error_code="recording_gone", **FAILURE),
    )
    await add_delivery(database, body=b"{}", received_at=NOW - timedelta(hours=5, minutes=30))
    walk = {"name": "w", "since": NOW, "began_at": NOW, "holder": "", "held_until": NOW, "tally": {}}
    ended = walk | {"ended_at": NOW - timedelta(days=2)}
    await database.write(lambda tx: tx.execute(sa.insert(reconciliations).values(ended)))


@pytest.mark.usefixtures("night")
async def test_the_overview_says_what_the_night_brought(viewer: httpx.AsyncClient):
    text = await get(viewer, "/")
    shown = seen(text)
    for expected in (
        "Archived today 1 5.0 GB, in the median 2 min after first sight",
        "Waiting or under way 2 the oldest is due since 12 min",
        "Failed 4 and 1 missing at the platform",
        "Last webhook 5 h 30 min ago 2026-11-23 06:30:00Z",
        "Last reconciliation 2 d ago 2026-11-21 12:00:00Z",
        "Archived in all 10.0 GB 2 recordings; in the last 14 days 2 of 10.0 GB",
        "source_denied 3",
        "23 Nov 1 22 Nov 1 21 Nov 0",
        "23 Nov 2 min 22 Nov 0 s 21 Nov -",
    ):
        assert expected in shown
    assert "No recording yet" not in shown
    assert re.findall(r"<title>([^<]*)</title>", text)[-1] == "2026-11-23: 2 min"
    heights = [float(height) for height in re.findall(r'<rect [^>]*height="([0-9.]+)"', text)]
    assert heights[:14] == [0.0] * 12 + [104.0, 104.0]
    assert 'class="card tile wary"' in text
    assert listed(await get(viewer, "/recordings?archived_at%5Bgte%5D=2026-11-23")) == ["a1"]


async def test_addresses_of_the_listing_from_before_lead_to_it(viewer: httpx.AsyncClient):
    answer = await viewer.get("/?state=failed&q=a%26b")
    assert (answer.status_code, answer.headers["location"]) == (303, "/recordings?state=failed&q=a%26b")


@pytest.mark.usefixtures("night")
async def test_what_failed_is_retried_by_code_once_it_was_said_how_many(
    database: Database, operator: httpx.AsyncClient, outside: Outside
):
    text = await get(operator, "/failed")
    assert "source_denied look at this host's clock, then retry; where it lasts, ask the vendor Failed 3" in seen(text)
    assert re.findall(r'href="(/failed/retry[^"]*)"', text)[0] == "/failed/retry?error_code=source_denied"
    with capture_logs() as events:
        asked = await get(operator, "/failed/retry?error_code=source_denied")
        assert "3 recordings failed or missing with this code would be tried again" in seen(asked)
        assert (await state_of(database, "f0"), outside.woken, events) == (State.FAILED, 0, [])
        fields = {"form_key": form_key(asked), "error_code": "source_denied"}
        answer = await operator.post("/failed/retry", data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/failed?retried=3")
    assert [(e["event"], e["count"], e["token_name"]) for e in events] == [("recordings_retried", 3, "alice")]
    assert [await state_of(database, one) for one in ("f0", "f3", "w1")] == [
        State.PENDING,
        State.FAILED,
        State.WAITING,
    ]
    after = seen(await get(operator, answer.headers["location"]))
    assert "3 recordings pending again" in after
    assert "source_denied" not in after
    assert "No recording is failed or missing with this code." in seen(
        await get(operator, "/failed/retry?error_code=source_denied")
    )


@pytest.mark.usefixtures("night")
async def test_a_viewer_sees_what_failed_and_is_offered_no_retry(viewer: httpx.AsyncClient):
    for path in ("/", "/failed"):
        text = await get(viewer, path)
        assert "source_denied" in text
        assert "/failed/retry" not in text
    assert "This needs the role operator." in seen(await get(viewer, "/failed/retry?error_code=source_denied"))


@pytest.mark.parametrize(
    "path", ["/failed/retry", "/failed/retry?error_code=a%20b", "/failed/retry?error_code=%3Cb%3E"]
)
async def test_a_code_that_is_none_is_refused(viewer: httpx.AsyncClient, path: str):
    await get(viewer, path, 400)


@pytest.mark.parametrize("retried", ["x", "-1", "1" * 20, "\u0663", "<b>"])
async def test_only_a_count_is_told_back(viewer: httpx.AsyncClient, retried: str):
    assert "pending again" not in (await viewer.get("/failed", params={"retried": retried})).text


async def test_a_meeting_has_a_page_with_its_recordings(database: Database, viewer: httpx.AsyncClient):
    await add(database, row("r1", **DESCRIBED, **ARCHIVED), row("r2", created_at=NOW - timedelta(hours=1)))
    text = await get(viewer, "/meetings/m1?limit=1")
    assert (
        "Id m1 Started 2026-11-23 11:00:00Z Ended 2026-11-23 12:00:00Z Invited nobody was named Host Name Zoë Login zoe"
        in seen(text)
    )
    assert listed(text) == ["r1"]
    (following,) = re.findall(r'href="(/meetings/m1[^"]*)" rel="next"', text)
    text = await get(viewer, following.replace("&amp;", "&"))
    assert (listed(text), "Weekly" in text) == (["r2"], True)
    assert "there is no recording of a meeting m2" in seen(await get(viewer, "/meetings/m2", 404))
    assert "the parameter &#39;x&#39; is not known" in await get(viewer, "/meetings/m1?x=1", 400)
