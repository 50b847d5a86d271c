from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from receiver.meetings_api.refusal import login_refusal, vendor_text
from receiver.meetings_api.wire import Answer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answer(body: object, *, status: int = 422, secrets: tuple[str, ...] = (), date: datetime | None = None) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, body=raw, received_at=NOW, date=date, secrets=secrets)


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
        (timedelta(hours=-2), "this machine's clock is 120 minutes ahead of"),
        (timedelta(minutes=61), "this machine's clock is 61 minutes behind"),
    ],
)
def test_refused_login_mentions_a_clock_that_is_off(off, expected):
    assert expected in str(login_refusal(answer({"errors": ["Bad timestamp"]}, date=NOW + off)))


@pytest.mark.parametrize("date", [None, NOW + timedelta(minutes=5), NOW - timedelta(minutes=4)])
def test_refused_login_with_a_good_clock_says_nothing_of_it(date):
    assert "clock" not in str(login_refusal(answer({"errors": ["Unauthorized"]}, date=date)))
