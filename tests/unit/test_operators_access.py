"""Who may call: tokens, roles, and addresses that failed too often."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request

from receiver.operators import Guard, covers
from receiver.operators.throttle import MAX_FAILURES
from receiver.settings import OpsToken, Role

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
