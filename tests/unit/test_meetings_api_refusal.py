from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from receiver.errors import ApiClockSkewError, ApiLoginRefusedError
from receiver.meetings.answer import ApiAnswer
from receiver.meetings.refusal import login_refusal, vendor_text

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answer(
    body: object, *, status: int = 422, secrets: tuple[str, ...] = (), date: datetime | None = None
) -> ApiAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ApiAnswer(status=status, body=raw, received_at=NOW, date=date, secrets=secrets)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"errors": {"base": ["Required session does not exist"]}}, "Required session does not exist"),
        ({"errors": ["Token is required"]}, "Token is required"),
        ({"errors": {"password": ["cannot be blank", "is short"]}}, "password cannot be blank; password is short"),
        ({"errors": {"base": "Bad timestamp"}}, "Bad timestamp"),
        ({"errors": "plain"}, "plain"),
        ({"errors": ["line\r\nbreak\0"]}, "line  break "),
        ({"errors": [1, None, {"a": 2}]}, ""),
        ({"errors": None}, ""),
        ({"other": 1}, ""),
        ([], ""),
        (b"<html>oops</html>", ""),
        (b"[" * 60_000, ""),
        (b'{"errors": ["' + b"x" * 70_000, ""),  # cut, since it was too large
        ({"errors": ["y" * 5000]}, "y" * 300),
    ],
)
def test_vendors_text_of_every_shape(body, expected):
    assert vendor_text(answer(body)) == expected


def test_vendors_text_never_repeats_a_secret():
    text = vendor_text(
        answer({"errors": ["no user with hunter2 / abc.def, CB-Token: zzz"]}, secrets=("hunter2", "abc.def", ""))
    )
    assert text == "no user with [redacted] / [redacted], CB-Token: [redacted]"


@pytest.mark.parametrize(
    ("off", "expected"),
    [
        (timedelta(hours=-2), "this host's clock is 120 minutes ahead of its own; set this host's clock"),
        (timedelta(minutes=61), "this host's clock is 61 minutes behind its own; set this host's clock"),
    ],
)
def test_422_with_a_clock_that_is_an_hour_off_is_the_clocks(off, expected):
    error = login_refusal(answer({"errors": {"base": ["Bad timestamp"]}}, date=NOW + off))
    assert type(error) is ApiClockSkewError
    assert expected in str(error)
    assert "Bad timestamp" in str(error)


@pytest.mark.parametrize(
    ("status", "off", "mentioned"),
    [
        (422, timedelta(0), ""),
        (422, timedelta(minutes=-4), ""),
        (422, timedelta(minutes=-50), "this host's clock is 50 minutes ahead of the API's"),
        (401, timedelta(hours=2), "this host's clock is 120 minutes behind the API's"),  # a 401 is about who, not when
        (422, None, ""),  # without a Date nothing is known of the clock
    ],
)
def test_other_refused_logins_are_not_the_clocks(status, off, mentioned):
    date = None if off is None else NOW + off
    error = login_refusal(answer({"errors": {"base": ["Unexpected signature"]}}, status=status, date=date))
    assert type(error) is ApiLoginRefusedError
    assert mentioned in str(error)
    assert ("clock" in str(error)) == bool(mentioned)
