"""What holds cover, now and later, on both databases; how they are added, released and listed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from receiver.catalogue import Catalogue, Filters, Holds, HoldsQuery, audit_log
from receiver.catalogue.filters import HOLD
from receiver.catalogue.holds import held_among, hold_on_person
from receiver.errors import InvalidQueryError, NotFoundError, WrongStateError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.meetings.payload import parse
from receiver.records import Actor, HoldId, HoldScope, LoggedAct, RecordingId, State, Via
from receiver.tables import held_recordings, holds, recordings, standing_holds
from tests.support.clock import NOW
from tests.support.intake import accept
from tests.support.operators import ARCHIVED, add, row
from tests.support.payloads import payload

if TYPE_CHECKING:
    import httpx

    from receiver.tables import Database

BY = Actor("token:alice", "operator")
R1, R2, R3 = (RecordingId(f"r{number}") for number in (1, 2, 3))


async def hold(database: Database, scope: HoldScope, value: str, reason: str = "a case") -> HoldId:
    return (await Holds(database).add(scope, value, reason=reason, by=BY, now=NOW)).id


async def release(database: Database, hold_id: HoldId) -> None:
    await Holds(database).release(hold_id, reason="it is over", by=BY, now=NOW)


async def held(database: Database, *ids: RecordingId) -> dict[str, list[int]]:
    """Return which are held and by what, as is asked before a deletion; the listing must say the same."""
    found = await database.write(lambda tx: held_among(tx, ids))
    page = await Catalogue(database).page(Filters((HOLD(True),)), limit=1000)
    assert {one.id for one in page.items} & set(ids) == found.keys()
    return {key: [one.id for one in holding] for key, holding in found.items()}


def delivered(*ids: str, meeting_id: str = "m9", invited: tuple[object, ...] = (), host_id: int = 7) -> bytes:
    body = json.loads(payload(*ids, meeting_id=meeting_id))
    body["hostUser"]["id"] = body["meeting"]["host_id"] = host_id
    body["meeting"]["attendees"] = list(invited)
    return json.dumps(body).encode()


@pytest.fixture
def inbox(database: Database) -> Inbox:
    return Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)


COVERING = {
    "recording": (HoldScope.RECORDING, "r1"),
    "meeting": (HoldScope.MEETING, "m9"),
    "host": (HoldScope.HOST, "7"),
    "host as a person": (HoldScope.PERSON, "7"),
    "host by e-mail": (HoldScope.PERSON, "SAM@example.com"),
    "participant": (HoldScope.PERSON, "8"),
    "attendee by id": (HoldScope.PERSON, "99"),
    "attendee by e-mail": (HoldScope.PERSON, "Zoë@Example.com"),
}
INVITED = ({"id": 99, "email": "zoë@example.com"},)


@pytest.mark.parametrize(("scope", "value"), COVERING.values(), ids=COVERING)
async def test_a_hold_covers_what_is_there_and_what_comes(
    database: Database, inbox: Inbox, scope: HoldScope, value: str
) -> None:
    await accept(inbox, delivered("r1", invited=INVITED), now=NOW)
    await accept(
        inbox,
        delivered("other", meeting_id="m1", host_id=6).replace(b"sam@", b"tom@").replace(b"[7, 8]", b"[6]"),
        now=NOW,
    )
    hold_id = await hold(database, scope, value)
    await accept(inbox, delivered("r2", invited=INVITED), now=NOW)
    others = RecordingId("other")
    expected = {R1: [hold_id]} if scope is HoldScope.RECORDING else {R1: [hold_id], R2: [hold_id]}
    assert await held(database, R1, R2, others) == expected
    await release(database, hold_id)
    assert await held(database, R1, R2, others) == {}
    assert await database.read(lambda tx: tx.execute(sa.select(held_recordings)).all()) == []
    assert await database.read(lambda tx: tx.execute(sa.select(standing_holds.c.number)).scalar_one()) == 0


async def test_several_holds_are_released_each_by_itself(database: Database) -> None:
    await add(database, row("r1", **ARCHIVED, host_id=7), row("r2", **ARCHIVED))
    made = [
        await hold(database, HoldScope.RECORDING, "r1"),
        await hold(database, HoldScope.RECORDING, "r1", "another case"),
        await hold(database, HoldScope.MEETING, "m1"),
        await hold(database, HoldScope.HOST, "7"),
    ]
    assert await held(database, R1, R2) == {R1: made, R2: [made[2]]}
    for left in range(len(made) - 1, 0, -1):
        await release(database, made[left])
        assert (await held(database, R1))[R1] == made[:left]
    await release(database, made[0])
    assert await held(database, R1, R2) == {}


async def test_the_very_same_hold_again_is_the_one_that_stands(database: Database) -> None:
    await add(database, row("r1", **ARCHIVED))
    assert await hold(database, HoldScope.PERSON, "Zoe@example.com") == await hold(
        database, HoldScope.PERSON, " zoe@EXAMPLE.com"
    )


async def test_a_released_hold_is_gone_and_cannot_be_released_again(database: Database) -> None:
    await release(database, await hold(database, HoldScope.PERSON, "zoe@example.com"))
    assert await database.read(lambda tx: tx.execute(sa.select(holds)).all()) == []
    with pytest.raises(NotFoundError, match="there is no hold 1, or it was released"):
        await release(database, HoldId(1))


async def test_a_recording_that_was_erased_or_never_was_is_not_held(database: Database) -> None:
    await add(database, row("r1", state=State.ERASED))
    with pytest.raises(WrongStateError, match="recording r1 was erased; nothing of it is left to be held"):
        await hold(database, HoldScope.RECORDING, "r1")
    with pytest.raises(NotFoundError, match="there is no recording r2"):
        await hold(database, HoldScope.RECORDING, "r2")
    hold_id = await hold(database, HoldScope.MEETING, "m1")
    assert (await Catalogue(database).page(Filters((HOLD(True),)))).items == ()
    await release(database, hold_id)


@pytest.mark.parametrize(
    ("scope", "value", "reason", "told"),
    [
        (HoldScope.MEETING, "m 1", "a case", "the meeting to hold='m 1' is not an id"),
        (HoldScope.HOST, "zoe", "a case", "the host to hold='zoe' is not a user id"),
        (HoldScope.PERSON, "zoe", "a case", "'zoe' is neither a user id nor an e-mail"),
        (HoldScope.PERSON, "9" * 20, "a case", "is not a user id"),
        (HoldScope.MEETING, "m1", " \n", "a hold needs a reason; give one of 1 to 1000 characters"),
        (HoldScope.MEETING, "m1", "x" * 1001, "a hold needs a reason"),
    ],
)
async def test_what_cannot_be_held_is_refused_with_the_remedy(
    database: Database, scope: HoldScope, value: str, reason: str, told: str
) -> None:
    with pytest.raises(InvalidQueryError, match=told):
        await hold(database, scope, value, reason)


async def test_a_post_that_tells_of_other_people_lifts_no_hold(database: Database, inbox: Inbox) -> None:
    """Attendees are a delivery's word: one that leaves the held person out is believed, but for the hold."""
    await accept(inbox, delivered("r1", invited=INVITED), now=NOW)
    hold_id = await hold(database, HoldScope.PERSON, "99")
    later = delivered("r1", invited=({"id": 5},)).replace(b"2026-11-22T10:00", b"2026-11-22T11:00")
    await accept(inbox, later, now=NOW + timedelta(seconds=1))
    assert [one.id for one in (await Catalogue(database).recording(R1)).attendees] == [5]
    assert await held(database, R1) == {R1: [hold_id]}
    await release(database, hold_id)
    assert await held(database, R1) == {}


async def test_a_recording_is_held_once_somebody_held_is_named_for_it(database: Database, inbox: Inbox) -> None:
    await accept(inbox, delivered("r1"), now=NOW)
    hold_id = await hold(database, HoldScope.PERSON, "99")
    assert await held(database, R1) == {}
    later = delivered("r1", invited=INVITED).replace(b"2026-11-22T10:00", b"2026-11-22T11:00")
    await accept(inbox, later, now=NOW + timedelta(seconds=1))
    assert await held(database, R1) == {R1: [hold_id]}


async def test_what_a_listing_finds_is_held_too(database: Database, inbox: Inbox) -> None:
    hold_id = await hold(database, HoldScope.MEETING, "m9")
    await inbox.accept_found(parse(delivered("r1")).recordings, via=Via.RECONCILE, now=NOW)
    assert await held(database, R1) == {R1: [hold_id]}


async def test_a_row_that_nobody_marked_is_held_all_the_same_and_marked_later(database: Database) -> None:
    """As of a process that was killed after the hold was committed, or of an earlier release's intake."""
    hold_id = await hold(database, HoldScope.MEETING, "m1")
    await add(database, row("r1", **ARCHIVED))
    assert (await database.write(lambda tx: held_among(tx, [R1])))[R1][0].id == hold_id
    assert await Holds(database).mark_left(now=NOW) == 1
    assert await Holds(database).mark_left(now=NOW) == 0
    assert await held(database, R1) == {R1: [hold_id]}


async def test_marks_that_a_killed_release_left_hold_nothing_and_go(database: Database) -> None:
    await add(database, row("r1", **ARCHIVED))
    hold_id = await hold(database, HoldScope.MEETING, "m1")
    await database.write(lambda tx: tx.execute(sa.delete(holds).where(holds.c.id == hold_id)))
    assert await database.write(lambda tx: held_among(tx, [R1])) == {}
    await Holds(database).mark_left(now=NOW)
    assert await held(database, R1) == {}


async def test_what_an_earlier_release_holds_beside_this_one_is_held(database: Database) -> None:
    await add(database, row("r1", **ARCHIVED, hold=True))
    ((one,),) = (await database.write(lambda tx: held_among(tx, [R1]))).values()
    assert (one.id, one.reason) == (0, "held by an earlier release, which asked for no reason")
    assert not (await Holds(database).release_recording(R1, reason="over", by=BY, now=NOW)).hold
    assert await held(database, R1) == {}


async def test_a_recording_that_its_meeting_holds_is_not_released_by_itself(database: Database) -> None:
    await add(database, row("r1", **ARCHIVED))
    hold_id = await hold(database, HoldScope.MEETING, "m1")
    with pytest.raises(
        WrongStateError, match=rf"held by hold {hold_id} \(of its meeting\); release that hold by its id"
    ):
        await Holds(database).release_recording(R1, reason="over", by=BY, now=NOW)
    await hold(database, HoldScope.RECORDING, "r1")
    assert (await Holds(database).release_recording(R1, reason="over", by=BY, now=NOW)).hold
    assert await held(database, R1) == {R1: [hold_id]}


async def test_holds_of_more_recordings_than_a_page_are_marked_and_released_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.catalogue.holding._PAGE_ROWS", 2)
    ids = [RecordingId(f"p{number}") for number in range(5)]
    await add(database, *(row(one, **ARCHIVED) for one in ids))
    hold_id = await hold(database, HoldScope.MEETING, "m1")
    assert await held(database, *ids) == {one: [hold_id] for one in ids}
    await release(database, hold_id)
    assert await held(database, *ids) == {}
    assert not await database.read(
        lambda tx: tx.execute(sa.select(recordings.c.id).where(recordings.c.hold.is_(sa.true()))).all()
    )


async def test_who_is_named_by_a_hold_is_known(database: Database) -> None:
    by_id, by_email, as_host = (
        await hold(database, HoldScope.PERSON, "99"),
        await hold(database, HoldScope.PERSON, "Zoe@example.com"),
        await hold(database, HoldScope.HOST, "98"),
    )

    async def of(user_id: int | None, email: str | None) -> list[HoldId]:
        found = await database.read(lambda tx: hold_on_person(tx, user_id=user_id, email=email))
        return [one.id for one in found]

    assert await of(99, "zoe@EXAMPLE.com") == [by_id, by_email]
    assert await of(98, None) == [as_host]
    assert await of(97, "tom@example.com") == await of(None, None) == []


async def acts(database: Database, recording_id: str) -> list[LoggedAct]:
    return (await Catalogue(database).history(RecordingId(recording_id))).events[1:]


async def test_hold_and_release_are_on_record_of_each_recording_without_naming_a_person(
    database: Database, inbox: Inbox
) -> None:
    await accept(inbox, delivered("r1", invited=INVITED), now=NOW)
    hold_id = await hold(database, HoldScope.PERSON, "zoë@example.com")
    await accept(inbox, delivered("r2", invited=INVITED), now=NOW)
    await release(database, hold_id)
    for one in ("r1", "r2"):
        told = [(act.actor, act.action, act.reason, act.details) for act in await acts(database, one)]
        assert told == [
            ("holds", "held", "a case", {"hold": hold_id}),
            ("holds", "released", "it is over", {"hold": hold_id}),
        ]
    await audit_log.seal(database, wait=True)
    log = await database.read(lambda tx: tx.execute(sa.text("SELECT * FROM audit_log")).all())
    assert [(one.actor, one.action) for one in log if one.subject == f"hold:{hold_id}"] == [
        ("token:alice", "held"),
        ("token:alice", "released"),
    ]
    assert not any("example.com" in str(one) for one in log)


async def test_the_api_adds_lists_and_releases(database: Database, api_operator: httpx.AsyncClient) -> None:
    await add(database, row("r1", **ARCHIVED, host_id=7))
    asked = {"scope": "host", "value": "7", "reason": "a case"}
    made = (await api_operator.post("/api/holds", json=asked)).json()
    assert made == asked | {"id": made["id"], "actor": "token:alice", "at": "2026-11-23T12:00:00Z"}
    assert (await api_operator.post("/api/recordings/r1/hold", json={"reason": "mine"})).json()["hold"] is True
    everything = (await api_operator.get("/api/holds?recording_id=r1")).json()
    assert [one["scope"] for one in everything["items"]] == ["recording", "host"]
    first = await api_operator.get("/api/holds?limit=1")
    assert 'rel="next"' in first.headers["link"]
    second = (await api_operator.get("/api/holds", params={"limit": 1, "cursor": first.json()["next"]})).json()
    assert second == {"items": [made], "next": None}
    assert (await api_operator.get("/api/holds?scope=host&value=7")).json()["items"] == [made]
    assert (await api_operator.get("/api/holds?scope=meeting")).json()["items"] == []
    assert (await api_operator.delete(f"/api/holds/{made['id']}")).json() == made
    assert (await api_operator.delete(f"/api/holds/{made['id']}")).status_code == 404
    assert (await api_operator.delete("/api/holds/x")).status_code == 404
    answer = await api_operator.post("/api/recordings/r1/release", json={"reason": "over"})
    assert answer.json()["hold"] is False
    for path in ("/api/recordings/r1/hold", "/api/recordings/r1/release"):
        assert (await api_operator.post(path, json={})).status_code == 422
    assert (await api_operator.get("/api/holds?query=x")).status_code == 400


async def test_more_holds_than_one(database: Database) -> None:
    """What a listing asks for by value finds a person as the hold has them."""
    hold_id = await hold(database, HoldScope.PERSON, "Zoe@Example.com")
    found = await Catalogue(database).holds(HoldsQuery(value="ZOE@example.com"))
    assert [one.id for one in found.items] == [hold_id]
