from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from receiver.meetings import AdminKey, StaticToken, UserLogin
from receiver.meetings.answer import ApiAnswer
from receiver.meetings.session import login_body, usable_s

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
USER = {"app_id": 4567, "auth_key": "the-key", "password": "pä&ss=1"}


def test_login_without_auth_secret_is_not_signed():
    body = json.loads(login_body(UserLogin(**USER, login="bot"), now=NOW))
    assert body == {
        "application_id": 4567,
        "auth_key": "the-key",
        "timestamp": int(NOW.timestamp()),
        "user": {"login": "bot", "password": "pä&ss=1"},
    }


@pytest.mark.parametrize("name", ["login", "email"])
def test_login_with_auth_secret_is_signed_over_sorted_parameters(name):
    body = json.loads(login_body(UserLogin(**USER, auth_secret="s3cret", **{name: "bot@example.com"}), now=NOW))
    text = (
        f"application_id=4567&auth_key=the-key&nonce={body['nonce']}&timestamp={int(NOW.timestamp())}"
        f"&user[{name}]=bot@example.com&user[password]=pä&ss=1"
    )
    assert body["signature"] == hmac.new(b"s3cret", text.encode(), hashlib.sha1).hexdigest()
    assert body["user"] == {name: "bot@example.com", "password": "pä&ss=1"}


def test_nonces_differ():
    user = UserLogin(**USER, auth_secret="s3cret", login="bot")
    assert len({json.loads(login_body(user, now=NOW))["nonce"] for _ in range(100)}) > 95


def answer(expiry: str | None, *, date: datetime | None = None) -> ApiAnswer:
    return ApiAnswer(status=200, body=b"", received_at=NOW, date=date, token_expiry=expiry)


@pytest.mark.parametrize(
    ("expiry", "date", "expected"),
    [
        (None, None, 7200 - 60),  # the documented two hours, a minute early
        ("tomorrow", None, 7200 - 60),
        ("2026-03-01 12:30:00 UTC", None, 1800 - 60),
        ("2026-03-01 12:01:00 UTC", None, 60 - 6),  # a short life: a tenth early
        ("2026-03-01 15:30:00 UTC", NOW + timedelta(hours=3), 1800 - 60),  # our clock is three hours behind
    ],
)
def test_token_is_used_until_shortly_before_its_end(expiry, date, expected):
    assert usable_s(answer(expiry, date=date)) == expected


def test_token_that_has_ended_is_not_used():
    assert usable_s(answer("2026-03-01 11:59:59 UTC")) < 0


@pytest.mark.parametrize(
    "credentials",
    [
        AdminKey(key="canary"),
        StaticToken(token="canary"),
        UserLogin(app_id=1, auth_key="canary", auth_secret="canary", login="bot", password="canary"),
    ],
)
def test_repr_hides_secrets(credentials):
    assert "canary" not in repr(credentials)
