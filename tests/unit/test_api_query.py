"""Query parameters, sign-in failures and problem documents, without a server."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request

from receiver.api.bodies import RecordingBody
from receiver.catalogue import Bound
from receiver.errors import InvalidQueryError
from receiver.operators import Guard, covers, deliveries_query, recordings_query
from receiver.operators.throttle import MAX_ADDRESSES, MAX_FAILURES, WINDOW_S, Throttle
from receiver.problems import problem
from receiver.records import (
    DeliveryStatus,
    Host,
    Meeting,
    MeetingId,
    Recording,
    RecordingId,
    State,
    Via,
)
from receiver.settings import OpsToken, Role

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
_BOUNDS = ("created_at", "archived_at", "start_date")
_OPERATORS = ("gt", "gte", "lt", "lte")


def ask(text: str):
    return recordings_query(parse_qsl(text, keep_blank_values=True))


def refusal(text: str) -> str:
    with pytest.raises(InvalidQueryError) as caught:
        ask(text)
    return str(caught.value)


def test_no_parameter_asks_for_the_newest_hundred():
    query = ask("")
    assert (query.sort, query.limit, query.cursor) == ("-created_at", 100, None)
    assert query.filters.clauses() == []


@pytest.mark.parametrize("text", ["state=failed,missing", "state=failed&state=missing", "state=failed, missing,failed"])
def test_states_are_a_list_or_repeated_and_counted_once(text):
    assert ask(text).filters.states == (State.FAILED, State.MISSING)


def test_single_valued_filters():
    filters = ask("meeting_id=abc-1&host_id=0&participant_id=9223372036854775807&q=Weekly++sync").filters
    assert filters.meeting_id == "abc-1"
    assert filters.host_id == 0
    assert filters.participant_id == 2**63 - 1
    assert filters.words == ("Weekly", "sync")


@pytest.mark.parametrize("field", _BOUNDS)
@pytest.mark.parametrize("operator", _OPERATORS)
@pytest.mark.parametrize("brackets", ["[{}]", "%5B{}%5D", "%5b{}%5d"])
def test_every_bound_with_plain_or_encoded_brackets(field, operator, brackets):
    name = field + brackets.format(operator)
    assert ask(f"{name}=2026-11-23T12:00Z").filters.bounds == (Bound(field=field, operator=operator, value=NOON),)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:00:00",  # naive is UTC
        "2026-11-23 12:00",
        "2026-11-23T14:00:00%2B02:00",
        "2026-11-23T14:00:00+02:00",  # the plus arrives as a space
        "2026-11-23+14:00:00.000+0200",
        "2026-11-23T07:00:00-05:00",
        "1795435200",
        "1795435200.0",
    ],
)
def test_spellings_of_noon(value):
    (bound,) = ask(f"created_at[gte]={value}").filters.bounds
    assert bound.value == NOON
    assert bound.value.utcoffset() == timedelta(0)


def test_a_bare_date_is_its_first_instant():
    (bound,) = ask("created_at[lt]=2026-11-23").filters.bounds
    assert bound.value == datetime(2026, 11, 23, tzinfo=UTC)


def test_eight_digits_are_seconds_not_a_date():
    (bound,) = ask("created_at[lt]=20261123").filters.bounds
    assert bound.value == datetime(1970, 8, 23, 12, 5, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "now",
        "NaN",
        "inf",
        "1e9",
        "2026-13-01",
        "2026-02-30",
        "1795435200000",  # milliseconds
        "999999999999999",
        "0001-01-01T00:00:00%2B14:00",
        "9999-12-31T23:59:59-14:00",
        "１７９５",  # noqa: RUF001
    ],
)
def test_what_is_no_time(value):
    message = refusal(f"created_at[gte]={value}")
    assert message.startswith("created_at[gte]=")
    assert "is not a time; give ISO 8601 (2026-11-23, 2026-11-23T10:00:00Z) or epoch seconds" in message


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("meetingid", "meeting_id"),
        ("states", "state"),
        ("created_at[eq]", "created_at[gte]"),
        ("created_at", "created_at[gte]"),
        ("Limit", "limit"),
    ],
)
def test_an_unknown_parameter_names_itself_the_known_and_the_nearest(name, nearest):
    message = refusal(f"limit=5&{name}=1")
    assert message.startswith(f"the parameter {name!r} is not known (did you mean ")
    assert nearest.partition("[")[0] in message.partition("did you mean ")[2].partition("?")[0]
    assert "known are state, meeting_id, host_id, participant_id, q, created_at[gt], created_at[gte]" in message
    assert message.endswith("sort, limit, cursor")


def test_an_unknown_parameter_like_no_other_has_no_suggestion():
    assert refusal("zzzzzz=1").startswith("the parameter 'zzzzzz' is not known; known are ")


@pytest.mark.parametrize(
    "name", ["meeting_id", "host_id", "participant_id", "q", "sort", "limit", "cursor", "start_date[lt]"]
)
def test_a_repeated_parameter(name):
    assert refusal(f"{name}=1&{name}=1") == f"{name}= is given more than once; give it once"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("state=faild", "state='faild' is not known (did you mean failed?); choose from pending, archiving, waiting, "),
        ("state=", "state='' is not known; choose from pending, "),
        ("state=failed,,missing", "state='' is not known; choose from pending, "),
        ("meeting_id=", "meeting_id='' is not an id: 1 to 64 characters of A-Z, a-z, 0-9, _ and -"),
        ("meeting_id=a/b", "meeting_id='a/b' is not an id: "),
        ("meeting_id=ab%0A", r"meeting_id='ab\n' is not an id: "),
        (f"meeting_id={'a' * 65}", f"meeting_id='{'a' * 64}…' is not an id: "),
        ("host_id=-1", "host_id='-1' is not a user id: a whole number from 0 to 9223372036854775807"),
        ("host_id=9223372036854775808", "host_id='9223372036854775808' is not a user id: "),
        ("participant_id=1_0", "participant_id='1_0' is not a user id: "),
        ("participant_id=٣", "participant_id='٣' is not a user id: "),
        ("q=a%00b", "q= contains a NUL character, which no stored text has"),
        (f"q={'a' * 257}", "q= is too long; give at most 16 words and 256 characters"),
        ("q=" + "+".join(f"w{i}" for i in range(17)), "q= is too long; give at most 16 words and 256 characters"),
        ("limit=0", "limit='0' is out of range; choose 1 to 1000"),
        ("limit=1001", "limit='1001' is out of range; choose 1 to 1000"),
        ("limit=-1", "limit='-1' is out of range; choose 1 to 1000"),
        ("limit=ten", "limit='ten' is out of range; choose 1 to 1000"),
        ("limit=", "limit='' is out of range; choose 1 to 1000"),
        ("limit=" + "9" * 5000, f"limit='{'9' * 64}…' is out of range; choose 1 to 1000"),
    ],
)
def test_refused_values(text, message):
    assert refusal(text).startswith(message)


@pytest.mark.parametrize("limit", [1, 1000])
def test_the_ends_of_the_limit(limit):
    assert ask(f"limit={limit}").limit == limit


def test_an_empty_search_asks_for_nothing():
    assert ask("q=").filters.words == ()


_NAMES = st.sampled_from(
    ["state", "meeting_id", "host_id", "participant_id", "q", "sort", "limit", "cursor"]
    + [f"{field}[{operator}]" for field in _BOUNDS for operator in _OPERATORS]
)


@given(st.lists(st.tuples(_NAMES | st.text(), st.text()), max_size=4))
def test_any_text_is_a_query_or_refused(pairs):
    try:
        query = recordings_query(pairs)
    except InvalidQueryError as e:
        assert len(str(e)) < 1000  # noqa: PT017
    else:
        assert 1 <= query.limit <= 1000
        assert "\0" not in "".join(query.filters.words)


def test_deliveries_query():
    query = deliveries_query([("status", "partial"), ("limit", "7"), ("cursor", "c")])
    assert (query.status, query.limit, query.cursor) == (DeliveryStatus.PARTIAL, 7, "c")
    with pytest.raises(InvalidQueryError, match=r"^status='x' is not known; choose from accepted, partial, rejected$"):
        deliveries_query([("status", "x")])
    with pytest.raises(
        InvalidQueryError, match=r"^the parameter 'state' is not known \(did you mean status\?\); known"
    ):
        deliveries_query([("state", "failed")])


# --- who may call ---

TOKENS = (
    OpsToken("ci", Role.VIEWER, SecretStr("v" * 20)),
    OpsToken("alice", Role.OPERATOR, SecretStr("ключ-от-архива")),
    OpsToken("root", Role.ADMIN, SecretStr("a" * 20)),
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def request(authorization: bytes | None, address: str | None = "203.0.113.9") -> Request:
    headers = [] if authorization is None else [(b"authorization", authorization)]
    client = None if address is None else (address, 4711)
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "client": client})


def status_of(guard: Guard, authorization: bytes | None, **where) -> int:
    try:
        guard.admit(request(authorization, **where), Role.VIEWER)
    except HTTPException as e:
        return e.status_code
    return 200


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b"Bearer " + b"v" * 20, "ci"),
        (b"bearer  " + b"a" * 20 + b" ", "root"),
        ("Bearer ключ-от-архива".encode(), "alice"),
    ],
)
def test_good_tokens(header, name):
    assert Guard(lambda: TOKENS).admit(request(header), Role.VIEWER).name == name


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"v" * 20,
        b"Basic " + b"v" * 20,
        b"Bearer " + b"v" * 19,
        b"Bearer " + b"v" * 21,
        b"Bearer \xff\xfe\x00",
        "Bearer ключ".encode(),
        b"Bearer ci:viewer:" + b"v" * 20,
    ],
)
def test_bad_tokens_all_get_the_same_answer(header):
    with pytest.raises(HTTPException) as caught:
        Guard(lambda: TOKENS).admit(request(header), Role.VIEWER)
    expected = "send the header Authorization: Bearer <token> with one of the service's ops tokens"
    assert (caught.value.status_code, caught.value.detail) == (401, expected)
    assert caught.value.headers == {"WWW-Authenticate": "Bearer"}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("needed", list(Role))
def test_roles_are_ordered(role, needed):
    order = [Role.VIEWER, Role.OPERATOR, Role.ADMIN]
    assert covers(role, needed) == (order.index(role) >= order.index(needed))


def test_an_address_that_failed_too_often_waits_but_its_good_token_passes():
    clock = Clock()
    guard = Guard(lambda: TOKENS, monotonic=clock)
    assert [status_of(guard, b"Bearer x") for _ in range(MAX_FAILURES + 1)] == [401] * MAX_FAILURES + [429]
    assert status_of(guard, b"Bearer " + b"v" * 20) == 200
    assert status_of(guard, b"Bearer x", address="203.0.113.10") == 401
    clock.now_s += 30.5
    with pytest.raises(HTTPException) as caught:
        guard.admit(request(None), Role.VIEWER)
    assert caught.value.headers == {"Retry-After": "30"}
    clock.now_s += 29.5
    assert status_of(guard, b"Bearer x") == 401


def test_a_request_without_an_address_is_counted_too():
    guard = Guard(lambda: TOKENS, monotonic=Clock())
    assert [status_of(guard, None, address=None) for _ in range(MAX_FAILURES + 1)][-2:] == [401, 429]


def test_the_window_slides():
    throttle = Throttle()
    for second in range(MAX_FAILURES):
        assert throttle.failed("a", float(second)) is None
    assert throttle.failed("a", 59.0) == 1.0
    assert throttle.failed("a", WINDOW_S) is None  # only the failure at 0 has left the window
    assert throttle.failed("a", WINDOW_S) == 1.0


def test_an_ipv6_network_is_one_source_and_a_mapped_address_is_its_ipv4():
    throttle = Throttle()
    for i in range(MAX_FAILURES):
        assert throttle.failed(f"2001:db8::{i:x}", 0.0) is None
    assert throttle.failed("2001:db8::ffff:1", 0.0) == WINDOW_S
    assert throttle.failed("2001:db8:0:1::1", 0.0) is None
    for _ in range(MAX_FAILURES):
        throttle.failed("::ffff:192.0.2.1", 0.0)
    assert throttle.failed("192.0.2.1", 0.0) == WINDOW_S


def test_memory_is_bounded_and_the_longest_quiet_address_goes_first():
    throttle = Throttle()
    for _ in range(MAX_FAILURES):
        throttle.failed("10.0.0.1", 0.0)
    for i in range(MAX_ADDRESSES - 1):
        throttle.failed(f"host-{i}", 0.0)
    assert len(throttle._failures) == MAX_ADDRESSES
    assert throttle.failed("10.0.0.1", 1.0) == 59.0  # still known, and now the newest
    throttle.failed("one-more", 1.0)
    assert len(throttle._failures) == MAX_ADDRESSES
    assert "host-0" not in throttle._failures
    assert throttle.failed("10.0.0.1", 1.0) == 59.0


# --- what leaves ---


def test_a_problem_document():
    response = problem(422, "Not good", "because", headers={"Retry-After": "5"}, errors=["a"], delivery_id="d")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "5"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert json.loads(response.body) == {
        "type": "about:blank",
        "title": "Not good",
        "status": 422,
        "detail": "because",
        "errors": ["a"],
        "delivery_id": "d",
    }


def test_a_problem_of_its_own_type_and_with_hostile_text():
    response = problem(400, "T", "\ud800 é \0", type="https://example.com/p")
    assert "é".encode() in response.body
    assert json.loads(response.body)["detail"] == "\ud800 é \0"
    assert json.loads(response.body)["type"] == "https://example.com/p"


def test_times_leave_as_utc_with_z_and_a_number_that_is_none_as_null():
    recording = Recording(
        id=RecordingId("r1"),
        meeting=Meeting(id=MeetingId("m1"), start_date=NOON.astimezone(timezone(timedelta(hours=2))).astimezone(UTC)),
        host=Host(),
        participant_ids=(),
        participants_count=None,
        file_uid=None,
        duration_s=math.nan,
        vendor_size=math.inf,
        created_at=NOON,
        updated_at=NOON.replace(microsecond=120_000),
        state=State.PENDING,
        attempts=0,
        next_attempt_at=None,
        error=None,
        archive=None,
        archived_at=None,
        transfer=None,
        hold=False,
        url_origin=None,
        first_seen_via=Via.WEBHOOK,
        first_seen_at=NOON,
    )
    text = RecordingBody.of(recording).model_dump_json()
    found = json.loads(text, parse_constant=pytest.fail)
    assert (found["duration_s"], found["vendor_size"]) == (None, None)
    assert (found["created_at"], found["meeting"]["start_date"]) == ("2026-11-23T12:00:00Z",) * 2
    assert found["updated_at"] == "2026-11-23T12:00:00.120000Z"
