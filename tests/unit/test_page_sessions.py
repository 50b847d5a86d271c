"""Sessions of the page: whom a cookie's value stands for, and when it stands for nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from receiver.page.sessions import LIFE, PageSessions
from receiver.settings import OpsToken, Role

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALICE = OpsToken("alice", Role.OPERATOR, SecretStr("alice-token-0123456789"))
BOB = OpsToken("bob", Role.VIEWER, SecretStr("bob-ключ-0123456789"))
KEY = b"k" * 32


class Ended:
    """Sessions that were ended, as one process remembers them."""

    def __init__(self):
        self.until = {}

    async def has(self, session_id):
        return session_id in self.until

    async def add(self, session_id, *, expires_at):
        self.until[session_id] = expires_at


def sessions(tokens, *keys, ended=None):
    return PageSessions(lambda: tokens, lambda: keys, ended or Ended())


@pytest.fixture
def value():
    return sessions((ALICE, BOB), KEY).begin(ALICE, now=NOON)


async def test_every_process_with_the_same_settings_knows_it_and_nothing_of_the_token_is_in_it(value):
    assert await sessions((BOB, ALICE), KEY).find(value, now=NOON + timedelta(hours=11, minutes=59)) is ALICE
    assert "alice" not in value
    other = sessions((ALICE, BOB), KEY).begin(BOB, now=NOON)
    assert await sessions((ALICE, BOB), KEY).find(other, now=NOON) is BOB


@pytest.mark.parametrize("later", [LIFE, LIFE + timedelta(seconds=1), timedelta(days=365)])
async def test_it_ends_after_twelve_hours(value, later):
    assert timedelta(hours=12) == LIFE
    assert await sessions((ALICE, BOB), KEY).find(value, now=NOON + later) is None


@pytest.mark.parametrize(
    "tokens",
    [
        (),
        (BOB,),
        (OpsToken("alice", Role.OPERATOR, SecretStr("alice-token-9876543210")),),
        (OpsToken("alice", Role.ADMIN, ALICE.token),),
        (OpsToken("carol", Role.OPERATOR, ALICE.token),),
    ],
    ids=["no tokens", "removed", "rotated", "another role", "another name"],
)
async def test_it_ends_with_its_token(value, tokens):
    assert await sessions(tokens, KEY).find(value, now=NOON) is None


async def test_another_key_made_it(value):
    assert await sessions((ALICE,), b"j" * 32).find(value, now=NOON) is None


async def test_while_a_secret_is_rotated_sessions_go_on(value):
    new = b"n" * 32
    assert await sessions((ALICE,), new, KEY).find(value, now=NOON) is ALICE
    begun_since = sessions((ALICE,), new, KEY).begin(ALICE, now=NOON)
    assert await sessions((ALICE,), new).find(begun_since, now=NOON) is ALICE


async def test_no_changed_value_is_good(value):
    known = sessions((ALICE, BOB), KEY)
    body, signature = value.split(".")
    changed = {
        "",
        ".",
        "..",
        value.upper(),
        value + "\n",
        f" {value}",
        f"{value}0",
        f"{value}=",
        f".{value}",
        f"{body}{signature}",
        f"{body}.",
        f".{signature}",
        f"{body}.{'0' * len(signature)}",
        f"{body}.{signature[:9]}!{signature[9:]}",
        f"{body}.{signature[:-1]}é",
        f"{body}\ud800.{signature}",
    }
    changed |= {value[:i] + other + value[i + 1 :] for i in range(len(value)) for other in "09A_" if value[i] != other}
    assert [one for one in changed if await known.find(one, now=NOON)] == []


def test_a_form_key_belongs_to_one_session(value):
    known = sessions((ALICE, BOB), KEY)
    assert known.form_key(value) == sessions((ALICE,), KEY).form_key(value)
    assert known.form_key(known.begin(ALICE, now=NOON)) != known.form_key(value)
    assert sessions((ALICE,), b"j" * 32).form_key(value) != known.form_key(value)


async def test_it_ends_alone_and_with_every_copy_when_its_holder_signs_out(value):
    ended = Ended()
    known, elsewhere = sessions((ALICE, BOB), KEY, ended=ended), sessions((ALICE, BOB), KEY, ended=ended)
    other = known.begin(ALICE, now=NOON)
    await known.end(value, ALICE)
    assert await known.find(value, now=NOON) is None
    assert await elsewhere.find(value, now=NOON) is None
    assert await elsewhere.find(other, now=NOON) is ALICE
    assert list(ended.until.values()) == [NOON + LIFE]
    await known.end("nonsense", ALICE)
    await known.end(other, BOB)
    assert await known.find(other, now=NOON) is ALICE
