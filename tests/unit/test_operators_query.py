"""Query parameters of a listing, without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.catalogue import FILTERS, Condition
from receiver.catalogue.filters import WORDS
from receiver.errors import InvalidQueryError
from receiver.operators import deliveries_query, recordings_query
from receiver.records import DeliveryStatus, State

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
_BOUNDS = ("created_at", "archived_at", "start_date")
_OPERATORS = ("gt", "gte", "lt", "lte")


def ask(text: str):
    return recordings_query(parse_qsl(text, keep_blank_values=True))


def asked(text: str) -> dict[str, object]:
    """Return each filter's value."""
    return {condition.filter.name: condition.value for condition in ask(text).filters.conditions}


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
    assert asked(text) == {"state": (State.FAILED, State.MISSING)}


def test_single_valued_filters():
    assert asked("meeting_id=abc-1&host_id=0&participant_id=9223372036854775807&q=Weekly++sync") == {
        "meeting_id": "abc-1",
        "host_id": 0,
        "participant_id": 2**63 - 1,
        "q": ("Weekly", "sync"),
    }


@pytest.mark.parametrize("field", _BOUNDS)
@pytest.mark.parametrize("operator", _OPERATORS)
@pytest.mark.parametrize("brackets", ["[{}]", "%5B{}%5D", "%5b{}%5d"])
def test_every_bound_with_plain_or_encoded_brackets(field, operator, brackets):
    name = field + brackets.format(operator)
    (bound,) = (one for one in FILTERS if one.name == f"{field}[{operator}]")
    assert ask(f"{name}=2026-11-23T12:00Z").filters.conditions == (Condition(bound, NOON),)


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
    (bound,) = ask(f"created_at[gte]={value}").filters.conditions
    assert bound.value == NOON
    assert bound.value.utcoffset() == timedelta(0)


def test_a_bare_date_is_its_first_instant():
    assert asked("created_at[lt]=2026-11-23") == {"created_at[lt]": datetime(2026, 11, 23, tzinfo=UTC)}


def test_eight_digits_are_seconds_not_a_date():
    assert asked("created_at[lt]=20261123") == {"created_at[lt]": datetime(1970, 8, 23, 12, 5, 23, tzinfo=UTC)}


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
    assert (
        "known are state, meeting_id, host_id, participant_id, q, incomplete, attendee, content_type, error_code, "
        "hold, due, fixity, created_at[gt], created_at[gte]" in message
    )
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
    assert asked("q=") == {"q": ()}
    assert [str(clause) for clause in ask("q=").filters.clauses()] == ["true"]


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
        words = [condition.value for condition in query.filters.conditions if condition.filter is WORDS]
        assert "\0" not in "".join(word for value in words for word in value)


def test_deliveries_query():
    query = deliveries_query([("status", "partial"), ("limit", "7"), ("cursor", "c")])
    assert (query.status, query.limit, query.cursor) == (DeliveryStatus.PARTIAL, 7, "c")
    with pytest.raises(InvalidQueryError, match=r"^status='x' is not known; choose from accepted, partial, rejected$"):
        deliveries_query([("status", "x")])
    with pytest.raises(
        InvalidQueryError, match=r"^the parameter 'state' is not known \(did you mean status\?\); known"
    ):
        deliveries_query([("state", "failed")])
