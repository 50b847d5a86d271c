"""The operators' API over HTTP, on a real SQLite file and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from structlog.testing import capture_logs

from receiver import api, problems
from receiver.catalogue import Catalogue
from receiver.errors import ReceiverError, StorageUnavailableError, StoreUnavailableError
from receiver.operators import Actions, Guard
from receiver.records import State
from receiver.settings import OpsToken
from receiver.tables import deliveries, delivery_recordings, participants
from tests.support.operators import ADMIN, ARCHIVED, DESCRIBED, NOW, OPERATOR, SIGNED, TOKENS, VIEWER, Outside, add, row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.tables import Database

NOT_FOUND = "an id is 1 to 64 characters of A-Z, a-z, 0-9, _ and -"


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"Authorization": b"Bearer " + token.encode()}


@pytest.fixture
def outside() -> Outside:
    return Outside()


def client_of(catalogue: Any, outside: Outside, tokens: tuple[OpsToken, ...] = TOKENS) -> httpx.AsyncClient:
    parts = api.ApiParts(
        catalogue=catalogue,
        guard=Guard(lambda: tokens),
        actions=Actions(catalogue=catalogue, presign=outside.presign, wake=outside.wake, clock=lambda: NOW),
        ready=outside.ready,
    )
    app = Starlette(routes=api.routes(parts), exception_handlers=problems.handlers())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("198.51.100.7", 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://receiver")


@pytest.fixture
async def anonymous(database: Database, outside: Outside) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(Catalogue(database, cursor_keys=lambda: (b"k",)), outside) as client:
        yield client


@pytest.fixture
async def viewer(anonymous: httpx.AsyncClient) -> httpx.AsyncClient:
    anonymous.headers = httpx.Headers(bearer(VIEWER))
    return anonymous


@pytest.fixture
async def operator(anonymous: httpx.AsyncClient) -> httpx.AsyncClient:
    anonymous.headers = httpx.Headers(bearer(OPERATOR))
    return anonymous


async def ids(client: httpx.AsyncClient, query: str = "") -> list[str]:
    answer = await client.get(f"/api/recordings?{query}")
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def assert_problem(answer: httpx.Response, status: int, detail: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    found = answer.json()
    assert (found["type"], found["status"]) == ("about:blank", status)
    assert found["title"]
    assert detail in found["detail"]
    return found


# --- one recording ---


async def test_a_recording_in_full(database: Database, viewer: httpx.AsyncClient):
    whole = row(
        "r1",
        updated_at=NOW + timedelta(milliseconds=250),
        **DESCRIBED,
        **ARCHIVED,
    )
    await add(database, whole)

    def change(tx):
        people = [{"recording_id": "r1", "position": i, "user_id": u} for i, u in enumerate((9, 7))]
        tx.execute(sa.insert(participants), people)

    await database.write(change)
    answer = await viewer.get("/api/recordings/r1")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json() == {
        "id": "r1",
        "meeting": {
            "id": "m1",
            "name": "Weekly",
            "start_date": "2026-11-23T11:00:00Z",
            "end_date": "2026-11-23T12:00:00Z",
        },
        "host": {"id": 2**53 + 1, "name": "Zoë", "login": "zoe", "email": "zoe@example.com"},
        "participant_ids": [9, 7],
        "participants_count": 2,
        "file_uid": "f-1",
        "duration_s": 61.5,
        "vendor_size": 12.25,
        "created_at": "2026-11-23T12:00:00Z",
        "updated_at": "2026-11-23T12:00:00.250000Z",
        "state": "archived",
        "attempts": 2,
        "next_attempt_at": None,
        "error": None,
        "archive": {
            "bucket": "team",
            "key": "recordings/2026/11/23/m/r.mp4",
            "file_version": 1,
            "version_id": "v1",
            "size_bytes": 5_000_000_000,
            "sha256": "ab" * 32,
            "checksum": "crc64nvme:AAAAAAAAAAA=",
            "content_type": "video/mp4",
            "archived_at": "2026-11-23T12:00:00Z",
        },
        "transfer": None,
        "hold": True,
        "url_origin": "api",
        "first_seen": {"via": "webhook", "at": "2026-11-23T12:00:00Z"},
    }


async def test_a_recording_that_failed(database: Database, viewer: httpx.AsyncClient):
    failure = {"error_code": "source_denied", "error_message": "403", "error_at": NOW}
    await add(database, row("r1", state=State.WAITING, next_attempt_at=NOW + timedelta(hours=1), **failure))
    found = (await viewer.get("/api/recordings/r1")).json()
    assert found["error"] == {"code": "source_denied", "message": "403", "at": "2026-11-23T12:00:00Z"}
    assert found["next_attempt_at"] == "2026-11-23T13:00:00Z"
    assert (found["archive"], found["url_origin"], found["participant_ids"]) == (None, None, [])
    assert found["host"] == {"id": None, "name": None, "login": None, "email": None}


@pytest.mark.parametrize(
    ("recording_id", "detail"),
    [
        ("nope", "there is no recording nope"),
        ("a" * 64, f"there is no recording {'a' * 64}"),
        ("a" * 65, NOT_FOUND),
        ("a.b", NOT_FOUND),
        ("a%20b", NOT_FOUND),
        ("a%00", NOT_FOUND),
        ("a%0A", NOT_FOUND),
        ("%D9%A3", NOT_FOUND),
        ("a%2Fb", "nothing is served at this path"),
    ],
)
async def test_no_such_recording(operator: httpx.AsyncClient, recording_id: str, detail: str):
    assert_problem(await operator.get(f"/api/recordings/{recording_id}"), 404, detail)
    assert_problem(await operator.get(f"/api/recordings/{recording_id}/download"), 404, detail)
    for action in ("retry", "cancel", "hold", "release"):
        assert_problem(await operator.post(f"/api/recordings/{recording_id}/{action}"), 404, detail)


# --- the listing ---


@pytest.fixture
async def three(database: Database) -> None:
    """Three recordings a day apart, each unlike the others in every filter."""
    await add(
        database,
        row(
            "old",
            created_at=NOW - timedelta(days=2),
            state=State.FAILED,
            meeting_id="m-old",
            host_id=1,
            search_text="weekly sync\nanna\nanna@example.com",
            meeting_start_at=NOW - timedelta(days=2, hours=1),
        ),
        row(
            "mid",
            created_at=NOW - timedelta(days=1),
            meeting_id="m-mid",
            host_id=2,
            search_text="100% straße".casefold() + "\nbob\nbob_b@example.com",
            meeting_start_at=NOW - timedelta(days=3),
            **{**ARCHIVED, "archived_at": NOW},
        ),
        row(
            "new",
            meeting_id="m-new",
            host_id=3,
            search_text="weekly retro\nbob\nbobxb@example.com",
            **{**ARCHIVED, "archived_at": NOW - timedelta(hours=1)},
        ),
    )

    def change(tx):
        people = [("old", 0, 10), ("old", 1, 11), ("mid", 0, 11), ("new", 0, 12)]
        tx.execute(sa.insert(participants), [dict(zip(participants.c.keys(), p, strict=True)) for p in people])

    await database.write(change)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "new mid old"),
        ("state=archived", "new mid"),
        ("state=archived,failed", "new mid old"),
        ("state=failed&state=pending", "old"),
        ("meeting_id=m-mid", "mid"),
        ("meeting_id=m-none", ""),
        ("host_id=3", "new"),
        ("participant_id=11", "mid old"),
        ("participant_id=13", ""),
        ("q=weekly", "new old"),
        ("q=WEEKLY+anna", "old"),
        ("q=bob_b", "mid"),
        ("q=100%25", "mid"),
        ("q=STRASSE", "mid"),
        ("q=stra%C3%9Fe", "mid"),
        ("q=%27%20OR%201%3D1%20--", ""),
        ("q=++", "new mid old"),
        ("created_at[gte]=2026-11-22T12:00:00Z", "new mid"),
        ("created_at[gt]=2026-11-22T12:00:00Z", "new"),
        ("created_at[lte]=2026-11-22T12:00:00Z", "mid old"),
        ("created_at[lt]=2026-11-22T12:00:00", "old"),
        ("created_at%5Bgte%5D=2026-11-22&created_at%5Blt%5D=2026-11-23", "mid"),
        ("created_at[gte]=1795348800", "new mid"),
        ("created_at[gt]=2026-11-22T14:00:00+02:00", "new"),
        ("archived_at[lt]=2026-11-23T12:00:00Z", "new"),
        ("archived_at[gte]=2026-11-23T12:00:00Z", "mid"),
        ("start_date[gt]=2026-11-20T12:00:00Z", "old"),
        ("start_date[lte]=2026-11-20T12:00:00Z", "mid"),
        ("state=archived&q=bob&host_id=2&created_at[lt]=2026-11-23", "mid"),
        ("sort=created_at", "old mid new"),
        ("sort=-created_at", "new mid old"),
        ("sort=archived_at", "old new mid"),
        ("sort=-archived_at", "mid new old"),
        ("sort=start_date", "new mid old"),
        ("sort=-start_date", "old mid new"),
    ],
)
async def test_filters_and_orders(viewer: httpx.AsyncClient, query: str, expected: str):
    assert await ids(viewer, query) == expected.split()


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("stat=failed", "the parameter 'stat' is not known (did you mean state?); known are state, meeting_id, "),
        ("limit=1&limit=2", "limit= is given more than once; give it once"),
        ("limit=0", "limit='0' is out of range; choose 1 to 1000"),
        ("limit=1001", "limit='1001' is out of range; choose 1 to 1000"),
        ("state=gone", "state='gone' is not known"),
        ("created_at[gte]=soon", "created_at[gte]='soon' is not a time; give ISO 8601"),
        ("sort=name", "sort='name' is not known; choose one of -archived_at, -created_at, -start_date, archived_at"),
        ("cursor=abc", "cursor= is not one that this listing gave out"),
        ("cursor=", "cursor= is not one that this listing gave out"),
        ("cursor=%D9%A3", "cursor= is not one that this listing gave out"),
        ("q=%00", "q= contains a NUL character"),
    ],
)
async def test_refused_queries(viewer: httpx.AsyncClient, query: str, detail: str):
    found = assert_problem(await viewer.get(f"/api/recordings?{query}"), 400, detail)
    assert found["title"] == "Invalid query"


@pytest.mark.usefixtures("three")
async def test_the_next_link_keeps_every_other_parameter(viewer: httpx.AsyncClient):
    asked = "state=archived,failed&state=pending&q=weekly+%40example&created_at[gte]=2026-01-01&sort=created_at&limit=1"
    answer = await viewer.get(f"/api/recordings?{asked}")
    cursor = answer.json()["next"]
    assert answer.headers["link"] == f'<{answer.links["next"]["url"]}>; rel="next"'
    target = urlsplit(answer.links["next"]["url"])
    assert (target.scheme, target.netloc, target.path) == ("", "", "/api/recordings")
    assert parse_qsl(target.query) == [*parse_qsl(asked), ("cursor", cursor)]
    following = await viewer.get(answer.links["next"]["url"])
    assert [item["id"] for item in following.json()["items"]] == ["new"]
    assert following.json()["next"] is None
    assert "link" not in following.headers


@pytest.mark.usefixtures("three")
async def test_a_cursor_of_another_order_or_listing_or_altered_is_refused(viewer: httpx.AsyncClient):
    cursor = (await viewer.get("/api/recordings?limit=1")).json()["next"]
    altered = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    for query in (f"sort=created_at&cursor={cursor}", f"cursor={altered}"):
        assert_problem(await viewer.get(f"/api/recordings?{query}"), 400, "start again without it")
    assert_problem(await viewer.get(f"/api/deliveries?cursor={cursor}"), 400, "start again without it")


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "archived_at", "-archived_at", "start_date"])
async def test_paging_meets_each_of_a_thousand_once_while_others_arrive(
    database: Database, viewer: httpx.AsyncClient, sort: str
):
    chance = random.Random(7)  # noqa: S311
    stamps = [NOW - timedelta(minutes=chance.randrange(200)) for _ in range(1000)]  # many share one time
    first = [
        row(f"r{i:04}", created_at=at, **(ARCHIVED | {"archived_at": at} if i % 3 else {}))
        for i, at in enumerate(stamps)
    ]
    await add(database, *first)
    seen: list[str] = []
    url: str | None = f"/api/recordings?limit=97&sort={sort}"
    pages = 0
    while url:
        answer = await viewer.get(url)
        seen += [item["id"] for item in answer.json()["items"]]
        url = answer.links.get("next", {}).get("url")
        pages += 1
        late = [row(f"z{pages:03}-{j}", created_at=NOW - timedelta(minutes=chance.randrange(200))) for j in range(5)]
        await add(database, *late)
    assert pages >= 11
    assert len(seen) == len(set(seen))
    old = [one for one in seen if one.startswith("r")]
    assert sorted(old) == [one["id"] for one in first]
    if sort.endswith("created_at"):
        by_time = sorted(first, key=lambda r: (r["created_at"], r["id"]), reverse=sort.startswith("-"))
        assert old == [one["id"] for one in by_time]


async def test_the_largest_and_the_default_page(database: Database, viewer: httpx.AsyncClient):
    await add(database, *(row(f"r{i:04}") for i in range(1001)))
    assert len(await ids(viewer)) == 100
    assert len(await ids(viewer, "limit=1000")) == 1000
    assert await ids(viewer, "limit=1") == ["r1000"]


# --- download ---


async def test_a_download_leads_to_the_bucket_and_is_logged_without_its_url(
    database: Database, viewer: httpx.AsyncClient, outside: Outside
):
    await add(database, row("r1", **ARCHIVED))
    with capture_logs() as events:
        answer = await viewer.get("/api/recordings/r1/download")
    assert answer.status_code == 307
    assert answer.headers["location"] == SIGNED
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == b""
    assert events == [
        {
            "event": "download_url_issued",
            "recording_id": "r1",
            "token_name": "ci",
            "part": "operators",
            "log_level": "info",
        }
    ]
    assert outside.presigned == ["r1"]


@pytest.mark.parametrize("state", [state for state in State if state is not State.ARCHIVED])
async def test_what_is_not_archived_cannot_be_downloaded(
    database: Database, viewer: httpx.AsyncClient, outside: Outside, state: State
):
    await add(database, row("r1", state=state))
    with capture_logs() as events:
        answer = await viewer.get("/api/recordings/r1/download")
    assert_problem(answer, 409, f"recording r1 is {state}; only an archived one can be downloaded")
    assert (outside.presigned, events) == ([], [])


async def test_a_bucket_that_refuses_is_a_502_with_its_code(
    database: Database, viewer: httpx.AsyncClient, outside: Outside
):
    await add(database, row("r1", **ARCHIVED))
    outside.presign_error = StoreUnavailableError("presign: no credentials found")
    found = assert_problem(await viewer.get("/api/recordings/r1/download"), 502, "presign: no credentials found")
    assert found["code"] == StoreUnavailableError.code


# --- actions ---


@pytest.mark.parametrize("state", [state for state in State if state is not State.ARCHIVING])
async def test_retry(database: Database, operator: httpx.AsyncClient, outside: Outside, state: State):
    await add(database, row("r1", state=state, attempts=8))
    answer = await operator.post("/api/recordings/r1/retry")
    if state in {State.WAITING, State.FAILED, State.MISSING, State.CANCELLED}:
        assert answer.status_code == 200
        found = answer.json()
        assert (found["state"], found["attempts"], found["next_attempt_at"]) == ("pending", 0, "2026-11-23T12:00:00Z")
        assert outside.woken == 1
    else:
        assert_problem(answer, 409, f"a recording that is {state} cannot become pending")
        assert outside.woken == 0


@pytest.mark.parametrize("state", list(State))
async def test_cancel(database: Database, operator: httpx.AsyncClient, outside: Outside, state: State):
    await add(database, row("r1", state=state))
    answer = await operator.post("/api/recordings/r1/cancel")
    if state in {State.PENDING, State.WAITING, State.FAILED}:
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    else:
        assert_problem(answer, 409, f"a recording that is {state} cannot become cancelled")
    assert outside.woken == 0


async def test_hold_and_release_may_be_repeated_and_name_who_did_it(database: Database, operator: httpx.AsyncClient):
    await add(database, row("r1", **ARCHIVED))
    with capture_logs() as events:
        for action, held in (("hold", True), ("hold", True), ("release", False), ("release", False)):
            answer = await operator.post(f"/api/recordings/r1/{action}")
            assert (answer.status_code, answer.json()["hold"]) == (200, held)
            assert (await operator.get("/api/recordings/r1")).json() == answer.json()
    assert [(e["event"], e["recording_id"], e["token_name"]) for e in events] == [
        ("recording_held", "r1", "alice"),
        ("recording_held", "r1", "alice"),
        ("recording_released", "r1", "alice"),
        ("recording_released", "r1", "alice"),
    ]


# --- who may ---

READS = ("/api/recordings", "/api/recordings/r1", "/api/recordings/r1/download", "/api/deliveries", "/api/stats")
WRITES = tuple(f"/api/recordings/r1/{action}" for action in ("retry", "cancel", "hold", "release"))
ALL = [("GET", path) for path in (*READS, "/api/deliveries/d1")] + [("POST", path) for path in WRITES]


@pytest.mark.parametrize(("method", "path"), ALL)
@pytest.mark.parametrize("header", [None, b"Bearer wrong", b"Basic " + VIEWER.encode(), b"Bearer \xff\xfe"])
async def test_no_good_token(
    database: Database, anonymous: httpx.AsyncClient, outside: Outside, method: str, path: str, header: bytes | None
):
    await add(database, row("r1", **ARCHIVED))
    headers = {b"authorization": header} if header is not None else {}
    answer = await anonymous.request(method, path, headers=headers)
    detail = "send the header Authorization: Bearer <token> with one of the service's ops tokens"
    assert assert_problem(answer, 401, detail)["title"] == "Unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (outside.presigned, outside.woken) == ([], 0)
    assert await Catalogue(database).counts() == {state: int(state is State.ARCHIVED) for state in State}


@pytest.mark.parametrize("path", WRITES)
async def test_a_viewer_may_not_change(database: Database, viewer: httpx.AsyncClient, outside: Outside, path: str):
    await add(database, row("r1", state=State.FAILED))
    detail = "this needs the role operator; the token 'ci' has the role viewer"
    assert_problem(await viewer.post(path), 403, detail)
    assert (await viewer.get("/api/recordings/r1")).json()["state"] == "failed"
    assert outside.woken == 0


@pytest.mark.parametrize("token", [OPERATOR, ADMIN])
async def test_an_operator_and_an_admin_may(database: Database, anonymous: httpx.AsyncClient, token: str):
    await add(database, row("r1", state=State.FAILED))
    anonymous.headers = httpx.Headers(bearer(token))
    assert (await anonymous.post("/api/recordings/r1/retry")).status_code == 200


@pytest.mark.parametrize("headers", [{}, bearer(VIEWER)])
async def test_without_configured_tokens_the_api_is_closed_and_says_why(
    database: Database, outside: Outside, headers: dict[bytes, bytes]
):
    async with client_of(Catalogue(database), outside, tokens=()) as client:
        for method, path in ALL:
            answer = await client.request(method, path, headers=headers)
            assert_problem(answer, 403, "no token is configured; set RECEIVER_OPS_TOKENS")
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await client.get(path)).status_code == 200


async def test_guessing_is_slowed_for_failures_only(database: Database, anonymous: httpx.AsyncClient):
    for _ in range(20):
        assert (await anonymous.get("/api/stats")).status_code == 401
    answer = await anonymous.get("/api/stats", headers={"Authorization": "Bearer guess"})
    assert_problem(answer, 429, "too many requests without a good token came from this address")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert (await anonymous.get("/api/stats", headers=bearer(VIEWER))).status_code == 200


async def test_no_token_reaches_an_answer_or_the_log(database: Database, anonymous: httpx.AsyncClient):
    await add(database, row("r1", **ARCHIVED))
    with capture_logs() as events:
        answers = [
            await anonymous.request(method, path, headers=bearer(token))
            for method, path in ALL
            for token in (VIEWER, OPERATOR, "x" + ADMIN)
        ]
    text = "".join(a.text + str(a.headers) for a in answers) + json.dumps(events)
    assert not [token for token in (VIEWER, OPERATOR, ADMIN) if token in text]


# --- deliveries and stats ---

BODY = '[{"_id": "r1", "name": "é"}]'.encode() + b"\xff"


@pytest.fixture
async def two_deliveries(database: Database) -> None:
    def delivery(delivery_id: str, at: datetime, status: str, rejected: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": delivery_id,
            "received_at": at,
            "status": status,
            "body_sha256": delivery_id * 32,
            "body_bytes": len(BODY),
            "body": BODY,
            "rejected": rejected,
        }

    def change(tx):
        bad = [{"index": 1, "errors": ["_id: missing; give one"]}]
        tx.execute(sa.insert(deliveries).values(delivery("d1", NOW - timedelta(days=1), "accepted", [])))
        tx.execute(sa.insert(deliveries).values(delivery("d2", NOW, "partial", bad)))
        named = [("d2", 0, "r2"), ("d2", 1, "r1"), ("d1", 0, "r1")]
        tx.execute(
            sa.insert(delivery_recordings),
            [dict(zip(delivery_recordings.c.keys(), n, strict=True)) for n in named],
        )

    await database.write(change)


@pytest.mark.usefixtures("two_deliveries")
async def test_deliveries_newest_first_by_pages(operator: httpx.AsyncClient):
    answer = await operator.get("/api/deliveries?limit=1")
    assert answer.json()["items"] == [
        {
            "id": "d2",
            "received_at": "2026-11-23T12:00:00Z",
            "status": "partial",
            "body_sha256": "d2" * 32,
            "body_bytes": len(BODY),
            "recordings": ["r2", "r1"],
            "rejected": [{"index": 1, "errors": ["_id: missing; give one"]}],
            "body": None,
        }
    ]
    second = (await operator.get(answer.links["next"]["url"])).json()
    assert ([item["id"] for item in second["items"]], second["next"]) == (["d1"], None)
    found = (await operator.get("/api/deliveries?status=accepted")).json()["items"]
    assert [item["id"] for item in found] == ["d1"]


@pytest.mark.usefixtures("two_deliveries")
async def test_the_body_is_for_operators(anonymous: httpx.AsyncClient):
    bodies = {}
    for token in (VIEWER, OPERATOR, ADMIN):
        answer = await anonymous.get("/api/deliveries/d2", headers=bearer(token))
        assert (answer.status_code, answer.json()["recordings"]) == (200, ["r2", "r1"])
        bodies[token] = answer.json()["body"]
    assert bodies == {VIEWER: None, OPERATOR: BODY.decode("utf-8", "replace"), ADMIN: BODY.decode("utf-8", "replace")}


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/deliveries/nope", 404, "there is no delivery nope"),
        ("/api/deliveries/a.b", 404, NOT_FOUND),
        ("/api/deliveries?status=ok", 400, "status='ok' is not known; choose from accepted, partial, rejected"),
        ("/api/deliveries?state=ok", 400, "(did you mean status?); known are status, limit, cursor"),
        ("/api/deliveries?limit=1001", 400, "limit='1001' is out of range"),
        ("/api/deliveries?cursor=x", 400, "cursor= is not one that this listing gave out"),
    ],
)
async def test_refused_questions_about_deliveries(viewer: httpx.AsyncClient, path: str, status: int, detail: str):
    assert_problem(await viewer.get(path), status, detail)


async def test_stats_name_every_state(database: Database, viewer: httpx.AsyncClient):
    await add(database, row("r1"), row("r2"), row("r3", state=State.FAILED))
    found = (await viewer.get("/api/stats")).json()
    assert found == {"recordings": dict.fromkeys(State, 0) | {"pending": 2, "failed": 1}}


# --- probes and faults ---


async def test_probes(anonymous: httpx.AsyncClient, outside: Outside):
    for path in ("/healthz", "/readyz"):
        answer = await anonymous.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    outside.ready_error = ReceiverError("disk of db-7.internal is full")
    assert (await anonymous.get("/healthz")).status_code == 200
    answer = await anonymous.get("/readyz")
    assert_problem(answer, 503, "the service cannot store a delivery now")
    assert answer.headers["retry-after"] == "5"
    assert "db-7" not in answer.text
    exposition = await anonymous.get("/metrics")
    assert exposition.headers["content-type"].startswith("text/plain; version=")
    assert "receiver_deliveries_total" in exposition.text


class Broken:
    """A catalogue whose every question ends in `error`."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: Any, **__: Any) -> None:
            raise self._error

        return fail


async def test_a_database_that_is_down_is_a_503_to_be_asked_again(outside: Outside):
    async with client_of(Broken(StorageUnavailableError("db-7.internal refused")), outside) as client:
        for method, path in ALL:
            answer = await client.request(method, path, headers=bearer(ADMIN))
            assert_problem(answer, 503, "the database cannot take the request now; send it again")
            assert answer.headers["retry-after"] == "5"
            assert "db-7" not in answer.text
    assert outside.woken == 0


async def test_a_defect_is_logged_and_shows_no_internals(outside: Outside):
    async with client_of(Broken(KeyError("inner-secret")), outside) as client:
        with capture_logs() as events:
            answer = await client.get("/api/recordings/r1", headers=bearer(VIEWER))
    assert_problem(answer, 500, "the service met a defect of its own; its log has the details")
    assert "inner-secret" not in answer.text
    (event,) = events
    assert (event["event"], event["route"], event["method"]) == ("request_failed", "/api/recordings/{id}", "GET")
    assert isinstance(event["exc_info"], KeyError)


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/api", 404, "nothing is served at this path"),
        ("GET", "/api/nothing", 404, "nothing is served at this path"),
        ("POST", "/api/recordings/r1/erase", 404, "nothing is served at this path"),
        ("POST", "/api/recordings", 405, "this path takes GET, HEAD"),
        ("GET", "/api/recordings/r1/retry", 405, "this path takes POST"),
        ("PUT", "/healthz", 405, "this path takes GET, HEAD"),
    ],
)
async def test_paths_and_methods_that_are_not_there(
    viewer: httpx.AsyncClient, method: str, path: str, status: int, detail: str
):
    answer = await viewer.request(method, path)
    assert_problem(answer, status, detail)
    if status == 405:
        assert answer.headers["allow"] == detail.removeprefix("this path takes ")


async def test_concurrent_retries_change_the_recording_once(
    database: Database, operator: httpx.AsyncClient, outside: Outside
):
    await add(database, row("r1", state=State.FAILED))
    answers = await asyncio.gather(*(operator.post("/api/recordings/r1/retry") for _ in range(10)))
    assert sorted(a.status_code for a in answers) == [200] + [409] * 9
    assert outside.woken == 1
