"""How long an API that does not answer is asked again."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from receiver.lifecycle import RetryPolicy, backoff_s

if TYPE_CHECKING:
    from receiver.errors import ApiUnavailableError

MOST_TRIES = 12
"""Of one request, while others are answered; at a tight rate limit a request may be unlucky a few times."""
_SILENCE_S = 60.0
_FIRST_SILENCE_S = 5.0
"""Before the first answer: a wrong address or a missing network is told soon."""
_BACKOFF = RetryPolicy(max_attempts=MOST_TRIES, base_s=1, cap_s=30)


class Patience:
    """Shared by all requests of a reconciliation: it ends when none of them is answered any more."""

    def __init__(self) -> None:
        self._silence_s = _FIRST_SILENCE_S
        self._heard = time.monotonic()

    def answered(self) -> None:
        """Note that the API is there."""
        self._silence_s = _SILENCE_S
        self._heard = time.monotonic()

    async def bear(self, error: ApiUnavailableError, *, tries: int) -> None:
        """Wait as the API asked, or ever longer, or raise the error where it has been silent for too long."""
        asked_s = error.retry_after_s or 0.0
        if time.monotonic() - self._heard > self._silence_s + asked_s:
            raise error
        spread = random.random()  # noqa: S311
        await asyncio.sleep(asked_s * (1 + spread) if asked_s else backoff_s(tries, _BACKOFF, spread))
