"""How long an API that does not answer is asked again."""

from __future__ import annotations

import time

import pytest

from receiver.errors import ApiUnavailableError
from receiver.reconcile import patience as patience_module
from receiver.reconcile.patience import Patience, RepeatedRequest

BUSY = ApiUnavailableError("429", retry_after_s=0.001)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(patience_module, "_BACKOFF", patience_module.RetryPolicy(max_attempts=1, base_s=0, cap_s=0))


async def test_a_request_is_asked_again_however_often_while_others_are_answered():
    patience = Patience()
    request = RepeatedRequest(patience)
    for _ in range(200):
        assert await request.again(BUSY)
        patience.answered()


async def test_one_that_fails_for_long_is_given_up_alone():
    patience = Patience()
    request = RepeatedRequest(patience)
    request._began = time.monotonic() - 601
    assert not await request.again(BUSY)
    assert await RepeatedRequest(patience).again(BUSY)


@pytest.mark.parametrize(("answered", "silent_s"), [(False, 6), (True, 61)])
async def test_an_api_that_answers_nobody_ends_it(answered, silent_s):
    patience = Patience()
    if answered:
        patience.answered()
        patience.heard -= 6
        assert await RepeatedRequest(patience).again(BUSY)
    patience.heard = time.monotonic() - silent_s
    with pytest.raises(ApiUnavailableError):
        await RepeatedRequest(patience).again(BUSY)


async def test_a_pause_that_the_api_asked_for_is_no_silence():
    patience = Patience()
    patience.heard = time.monotonic() - 6
    request = RepeatedRequest(patience)
    with pytest.raises(ApiUnavailableError):
        await request.again(ApiUnavailableError("503", retry_after_s=0.5))
    patience.heard = time.monotonic() - 5.2
    assert await request.again(ApiUnavailableError("503", retry_after_s=0.5))
