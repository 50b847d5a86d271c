"""What `tests.bench.query` asks."""

from __future__ import annotations

from tests.bench.query_data import NEWEST, RARE, SPAN

_DAY, _HALF = (NEWEST - SPAN * 0.001).isoformat(), (NEWEST - SPAN * 0.5).isoformat()
FILTERS = {
    "nothing": "",
    "state=archived": "state=archived",
    "state=failed": "state=failed",
    "state=pending": "state=pending",
    "state=failed,missing": "state=failed,missing",
    "meeting_id": "meeting_id=000000000000000000000064",
    "host_id frequent": "host_id=1",
    "host_id rare": "host_id=9",
    "participant_id": "participant_id=11",
    "attendee": "attendee=person12@example.com",
    "content_type frequent": "content_type=video/mp4",
    "content_type rare": "content_type=video/webm",
    "error_code": "error_code=store_refused",
    "hold": "hold=true",
    "incomplete": "incomplete=true",
    "created_at newest": f"created_at[gte]={_DAY}",
    "created_at new half": f"created_at[gte]={_HALF}",
    "created_at old half": f"created_at[lt]={_HALF}",
    "archived_at newest": f"archived_at[gte]={_DAY}",
    "archived_at old half": f"archived_at[lt]={_HALF}",
    "start_date old half": f"start_date[lt]={_HALF}",
    "size_bytes large": "size_bytes[gte]=2000000000",
    "duration_s long": "duration_s[gte]=20000",
    "q and state": "q=weekly&state=failed",
    "q and host": "q=weekly&host_id=1",
}
SEARCHES = {
    "frequent": "weekly",
    "beginning": "wee",
    "one letter": "w",
    "rare": RARE,
    "absent": "zzzzz",
    "two frequent": "zurich sales",
    "frequent and rare": f"weekly {RARE}",
    "e-mail": "person12@example.com",
}
BARE = {
    "created_at": "SELECT * FROM recordings ORDER BY created_at DESC, id DESC LIMIT 100",
    "archived_at": "SELECT * FROM recordings WHERE archived_at IS NOT NULL ORDER BY archived_at DESC LIMIT 100",
}
_NEVER = "'1969-12-31'"
BEFORE = {
    "archived_at": (
        f"SELECT * FROM recordings ORDER BY coalesce(archived_at, {_NEVER}) DESC, id DESC LIMIT 101",  # noqa: S608
        "sort=-archived_at",
        50,
    ),
    "start_date": (
        f"SELECT * FROM recordings ORDER BY coalesce(meeting_start_at, {_NEVER}) DESC, id DESC LIMIT 101",  # noqa: S608
        "sort=-start_date",
        50,
    ),
    "rare word": (
        f"SELECT * FROM recordings WHERE search_text LIKE '%{RARE}%' ORDER BY created_at DESC, id DESC LIMIT 101",  # noqa: S608
        f"q={RARE}",
        20,
    ),
}
"""What the build of 2026-11-26 asked, what asks for the same now, and how much faster that is to be."""
PAGES = ("/", "/recordings", "/recordings?q=weekly", "/recordings?state=failed", "/failed", "/deliveries")
