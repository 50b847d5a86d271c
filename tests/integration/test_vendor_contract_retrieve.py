"""The page, "Retrieve meetings"; facts, "Two ways to ask for recordings", on its filters.

Section or fact: the platform's test.
- request example, as curl's `-d` in the body of a GET or in the query: test_the_pages_request_finds_what_it_says
- response example: test_the_answer_is_the_pages
- every field with gt gte lt lte ne in nin: test_a_filter_with_an_operator, test_filters_together
- epoch seconds for start and end, ISO 8601 for the others: test_a_filter_with_an_operator,
  test_iso_8601_with_a_day_alone_or_a_zone, test_a_filter_that_cannot_be_read_is_told_by_its_field
- limit, 100 where none is named, and offset: test_pages_of_what_the_filters_leave,
  test_a_hundred_are_listed_where_no_limit_is_named
- host or attendee only: test_a_user_sees_meetings_hosted_and_those_attended_by_id_or_email
- public, by id, for any user: test_a_public_meeting_is_retrieved_by_its_id_by_anybody
- the order and the largest limit are undocumented: the platform refuses more than 100, so nobody comes to rely on it
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.support.payloads import sample
from tests.support.vendor import CREATE, FORM, same_shape

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def listed(vendor):
    """Return a function that lists a person's meetings, with filters in the query string or in the body."""

    async def names(person, query="", *, place="query"):
        if place == "query":
            answer = await vendor.http.get(f"/meetings?{query}", headers=person.headers)
        else:
            headers = {**person.headers, **FORM}
            answer = await vendor.http.request("GET", "/meetings", content=query, headers=headers)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return [meeting["name"] for meeting in (found if isinstance(found, list) else [found])]

    return names


async def four(vendor, host):
    """Make meetings 1 to 4 that start at 100 to 400, of four days, 2 and 4 scheduled."""
    made = []
    for number in range(1, 5):
        dates = {"start_date": number * 100, "end_date": number * 100 + 50}
        meeting = await vendor.create(host, name=str(number), scheduled=number % 2 == 0, **dates)
        kept = vendor.sandbox._platform.meetings.get(meeting["_id"])
        kept.created_at = kept.updated_at = datetime.fromisoformat(f"2021-02-{18 + number}T10:26:49.013Z")
        made.append(meeting)
    return made


async def test_the_answer_is_the_pages(vendor, host):
    made = await vendor.create(host)
    (meeting,) = (await vendor.http.get("/meetings", headers=host.headers)).json()
    assert meeting == made
    same_shape(meeting, sample("meetings-listing.json")[0])


@pytest.mark.parametrize("place", ["query", "body"])
async def test_the_pages_request_finds_what_it_says(vendor, host, listed, place):
    asked = "start_date[gte]=1613729948&scheduled=true&created_at[gt]=2021-02-19T10:26:49.013Z"
    await vendor.create(host, name="found", scheduled=True)
    await vendor.create(host, name="not scheduled")
    await vendor.create(host, name="too early", scheduled=True, start_date=1613729947)
    assert await listed(host, asked, place=place) == ["found"]


VALUES = {
    "start_date": ["100", "200", "300", "400"],
    "end_date": ["150", "250", "350", "450"],
    "created_at": [f"2021-02-{day}T10:26:49.013Z" for day in (19, 20, 21, 22)],
    "updated_at": [f"2021-02-{day}T10:26:49.013Z" for day in (19, 20, 21, 22)],
    "_id": None,
}


@pytest.mark.parametrize("field", VALUES)
@pytest.mark.parametrize("place", ["query", "body"])
async def test_a_filter_with_an_operator(vendor, host, listed, field, place):
    made = await four(vendor, host)
    first, second, third, _ = VALUES[field] or [meeting["_id"] for meeting in made]
    asked = {
        f"{field}={second}": "2",
        f"{field}[gt]={second}": "34",
        f"{field}[gte]={second}": "234",
        f"{field}[lt]={second}": "1",
        f"{field}[lte]={second}": "12",
        f"{field}[ne]={second}": "134",
        f"{field}[in]={first},{third}": "13",
        f"{field}[in][]={first}&{field}[in][]={third}": "13",
        f"{field}[nin]={first},{third}": "24",
        f"{field}[gte]={second}&{field}[lt]={third}": "2",
    }
    assert {query: "".join(await listed(host, query, place=place)) for query in asked} == asked


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("scheduled=true", "24"),
        ("scheduled=false", "13"),
        ("scheduled[ne]=true", "13"),
        ("scheduled[in]=true,false", "1234"),
        ("scheduled=true&start_date[gt]=200", "4"),
        ("unknown=1&unknown[gt]=2", "1234"),
    ],
)
async def test_filters_together(vendor, host, listed, query, found):
    await four(vendor, host)
    assert "".join(await listed(host, query)) == found


@pytest.mark.parametrize("written", ["2021-02-20", "2021-02-20T00:00:00Z", "2021-02-20T02:00:00%2B02:00"])
async def test_iso_8601_with_a_day_alone_or_a_zone(vendor, host, listed, written):
    await four(vendor, host)
    assert await listed(host, f"created_at[lt]={written}") == ["1"]


async def test_a_time_as_answered_finds_its_meeting(vendor, host):
    meeting = await vendor.create(host)
    later = datetime.fromisoformat(meeting["updated_at"]) + timedelta(milliseconds=1)
    for query, found in {
        f"updated_at={meeting['updated_at']}": [meeting],
        f"updated_at[gt]={meeting['updated_at']}": [],
        f"updated_at[lt]={later.isoformat().replace('+00:00', 'Z')}": [meeting],
    }.items():
        assert (await vendor.http.get(f"/meetings?{query}", headers=host.headers)).json() == found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("offset=-1", "offset"),
        ("start_date[like]=1", "start_date"),
        ("start_date[]=", "start_date"),
        ("start_date=1,", "start_date"),
        ("start_date=2021-02-19T10:26:49.013Z", "start_date"),
        ("created_at[gt]=1613729948", "created_at"),
        ("created_at[gt]=soon", "created_at"),
        ("scheduled=maybe", "scheduled"),
    ],
)
async def test_a_filter_that_cannot_be_read_is_told_by_its_field(vendor, host, query, field):
    answer = await vendor.http.get(f"/meetings?{query}", headers=host.headers)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


@pytest.mark.parametrize(("query", "found"), [("limit=2", "12"), ("limit=2&offset=3", "4"), ("offset=9", "")])
async def test_pages_of_what_the_filters_leave(vendor, host, listed, query, found):
    await four(vendor, host)
    assert "".join(await listed(host, query)) == found


async def test_a_hundred_are_listed_where_no_limit_is_named(vendor, host, listed):
    for number in range(101):
        await vendor.finished(name=f"m{number}", host_id=host.id, hash=False)
    assert await listed(host) == [f"m{number}" for number in range(100)]
    assert await listed(host, "offset=100") == ["m100"]


async def test_a_user_sees_meetings_hosted_and_those_attended_by_id_or_email(vendor, host, listed):
    guest, stranger = await vendor.person(), await vendor.person()
    by_id = await vendor.create(host, name="by id", attendees=[{"id": guest.id}])
    await vendor.create(host, name="by e-mail", attendees=[{"email": guest.email}])
    await vendor.create(host, name="host's own")
    assert await listed(guest) == ["by id", "by e-mail"]
    assert await listed(host) == ["by id", "by e-mail", "host's own"]
    assert await listed(stranger) == []
    assert await listed(stranger, f"_id[]={by_id['_id']}") == []


async def test_a_public_meeting_is_retrieved_by_its_id_by_anybody(vendor, host, listed):
    stranger = await vendor.person()
    public = await vendor.create(host, public=True)
    assert await listed(stranger, f"_id={public['_id']}") == [CREATE["name"]]
    assert await listed(stranger) == []
