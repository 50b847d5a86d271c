"""The page, "Meeting model" and "Create meeting". Of ours only `receiver demo` makes meetings, by the same call.

Section: the platform's test.
- request and response example, curl's `-d` included: test_the_pages_request_gets_the_pages_answer
- required parameters: test_a_required_parameter_is_asked_for
- optional parameters: test_an_optional_parameter_is_answered_as_given, test_chat_makes_a_dialog,
  test_without_any_optional_parameter
- attendees, `id` or `email`, which can be anything: test_attendees
- notify_before, a metric and a value in its range: test_notify_before_within_its_range,
  test_notify_before_of_another_form
- timezone, an offset in minutes and a name; the page sets no bounds: test_timezone
"""

from __future__ import annotations

import pytest

from tests.support.payloads import DATA, sample
from tests.support.vendor import ADMIN, CREATE, FORM, JSON, same_shape

pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUIRED = {name: CREATE[name] for name in ("name", "start_date", "end_date", "attendees")}
RANGES = {"minutes": (0, 55), "hours": (1, 24), "days": (1, 30), "weeks": (1, 4)}


@pytest.mark.parametrize("content_type", [JSON, FORM], ids=["json", "as curl says"])
async def test_the_pages_request_gets_the_pages_answer(vendor, host, content_type):
    raw = (DATA / "create-meeting-request.json").read_bytes()
    answer = await vendor.http.post("/meetings", content=raw, headers={**host.headers, **content_type})
    made, known = answer.json(), sample("meeting-created.json")
    assert answer.status_code == 201
    same_shape(made, known)
    own = ("_id", "chat_dialog_id", "created_at", "updated_at", "host_id")
    assert {k: v for k, v in made.items() if k not in own} == {k: v for k, v in known.items() if k not in own}
    assert made["host_id"] == host.id
    assert {len(made[name]) for name in ("_id", "chat_dialog_id")} == {24}
    assert made["created_at"] == made["updated_at"]
    assert len(made["created_at"]) == len(known["created_at"])  # to the millisecond


@pytest.mark.parametrize("name", list(REQUIRED))
@pytest.mark.parametrize("given", ["missing", "null"])
async def test_a_required_parameter_is_asked_for(vendor, host, name, given):
    body = {k: v for k, v in REQUIRED.items() if k != name} | ({} if given == "missing" else {name: None})
    answer = await vendor.http.post("/meetings", json=body, headers=host.headers)
    assert (answer.status_code, answer.json()) == (422, {"errors": {name: ["cannot be blank"]}})


async def test_without_any_optional_parameter(vendor, host):
    """As the page's retrieve sample shows a meeting that neither records nor chats: null, not false."""
    answer = await vendor.http.post("/meetings", json=REQUIRED, headers=host.headers)
    made = answer.json()
    assert answer.status_code == 201
    assert (made["record"], made["chat_dialog_id"]) == (None, None)
    assert (made["scheduled"], made["notify"], made["notify_before"], made["timezone"]) == (False, False, None, None)
    assert "public" not in made


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("record", True),
        ("record", False),
        ("public", True),
        ("public", False),
        ("scheduled", True),
        ("scheduled", False),
        ("notify", True),
        ("notify", False),
        ("notify_before", {"metric": "weeks", "value": 1}),
        ("timezone", {"offset": -300, "name": "America/New_York"}),
    ],
)
async def test_an_optional_parameter_is_answered_as_given(vendor, host, name, value):
    answer = await vendor.http.post("/meetings", json={**REQUIRED, name: value}, headers=host.headers)
    assert (answer.status_code, answer.json()[name]) == (201, value)


@pytest.mark.parametrize("chat", [True, False])
async def test_chat_makes_a_dialog(vendor, host, chat):
    assert ((await vendor.create(host, chat=chat))["chat_dialog_id"] is not None) is chat


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"name": "  "}, {"name": ["cannot be blank"]}),
        ({"start_date": "soon"}, {"start_date": ["is invalid"]}),
        ({"end_date": CREATE["start_date"] - 1}, {"end_date": ["must not be before start_date"]}),
        ({"record": "perhaps"}, {"record": ["is invalid"]}),
    ],
)
async def test_a_wrong_value_is_told_by_its_field(vendor, host, changes, errors):
    answer = await vendor.http.post("/meetings", json={**CREATE, **changes}, headers=host.headers)
    assert (answer.status_code, answer.json()) == (422, {"errors": errors})


@pytest.mark.parametrize(
    ("attendees", "errors"),
    [
        ([{"id": 5243}], None),
        ([{"email": "example@mail.com"}], None),
        ([{"id": 5243, "email": "example@mail.com"}], None),
        ([{"email": "can be anything"}], None),
        ([], None),
        ([{"id": 5243}, {}], ["id or email is required"]),
        ([{"email": ""}], ["id or email is required"]),
        ({"id": 5243}, ["is invalid"]),
    ],
)
async def test_attendees(vendor, host, attendees, errors):
    answer = await vendor.http.post("/meetings", json={**CREATE, "attendees": attendees}, headers=host.headers)
    if errors is None:
        assert (answer.status_code, answer.json()["attendees"]) == (201, attendees)
    else:
        assert (answer.status_code, answer.json()) == (422, {"errors": {"attendees": errors}})


@pytest.mark.parametrize("metric", RANGES)
async def test_notify_before_within_its_range(vendor, host, metric):
    low, high = RANGES[metric]
    for value in (low, high):
        given = {"metric": metric, "value": value}
        assert (await vendor.create(host, notify_before=given))["notify_before"] == given
    for value in (low - 1, high + 1):
        body = {**CREATE, "notify_before": {"metric": metric, "value": value}}
        answer = await vendor.http.post("/meetings", json=body, headers=host.headers)
        told = {"notify_before": [f"value must be between {low} and {high} for {metric}"]}
        assert (answer.status_code, answer.json()) == (422, {"errors": told})


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"metric": "years", "value": 1}, "notify_before.metric"),
        ({"metric": "hours", "value": 1.5}, "notify_before.value"),
        ({"value": 1}, "notify_before.metric"),
        (10, "notify_before"),
    ],
)
async def test_notify_before_of_another_form(vendor, host, given, field):
    answer = await vendor.http.post("/meetings", json={**CREATE, "notify_before": given}, headers=host.headers)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"offset": -720, "name": "Etc/GMT+12"}, None),
        ({"offset": 840, "name": "Pacific/Kiritimati"}, None),
        ({"offset": 345, "name": "Asia/Kathmandu"}, None),
        ({"offset": 0, "name": "any name"}, None),
        ({"name": "Europe/Riga"}, "timezone.offset"),
        ({"offset": 120}, "timezone.name"),
        ({"offset": "+02:00", "name": "Europe/Riga"}, "timezone.offset"),
        ("Europe/Riga", "timezone"),
    ],
)
async def test_timezone(vendor, host, given, field):
    answer = await vendor.http.post("/meetings", json={**CREATE, "timezone": given}, headers=host.headers)
    if field is None:
        assert (answer.status_code, answer.json()["timezone"]) == (201, given)
    else:
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


async def test_form_encoded_with_nested_names(vendor, host):
    body = (
        "name=Sync&start_date=1&end_date=2&attendees[][id]=5&attendees[][email]=a%40b.c&attendees[][id]=6"
        "&record=true&notify_before[metric]=hours&notify_before[value]=1&timezone[offset]=-60&timezone[name]=x"
    )
    answer = await vendor.http.post("/meetings", content=body, headers={**host.headers, **FORM})
    made = answer.json()
    assert answer.status_code == 201, answer.text
    assert (made["attendees"], made["record"]) == ([{"id": 5, "email": "a@b.c"}, {"id": 6}], True)
    assert (made["notify_before"], made["timezone"]) == (
        {"metric": "hours", "value": 1},
        {"offset": -60, "name": "x"},
    )


async def test_an_admin_creates_for_a_host(vendor):
    answer = await vendor.http.post("/admin/meetings", json={**CREATE, "user_id": 32242}, headers=ADMIN)
    assert (answer.status_code, answer.json()["host_id"]) == (201, 32242)
