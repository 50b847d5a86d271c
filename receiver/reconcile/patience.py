"""How long an API that does not answer is asked again."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from receiver.lifecycle import RetryPolicy, backoff_s

if TYPE_CHECKING:
    from receiver.errors import JobError

_SILENCE_S = 60.0
_FIRST_SILENCE_S = 5.0
"""Before the first answer: a wrong address or a missing network is told soon."""
_STUCK_S = 600.0
"""While others are answered, a request that fails for so long is not merely unlucky at a tight rate limit."""
_BACKOFF = RetryPolicy(max_attempts=1, base_s=1, cap_s=30)  # its attempts are not counted here


class Patience:
    """Shared by all requests of a reconciliation: it ends when none of them is answered any more."""

    def __init__(self) -> None:
        self.silence_s = _FIRST_SILENCE_S
        self.heard = time.monotonic()

    def answered(self) -> None:
        """Note that the API is there."""
        self.silence_s = _SILENCE_S
        self.heard = time.monotonic()


class RepeatedRequest:
    """One request, asked until it is answered."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._began = time.monotonic()
        self._tries = 0

    async def again(self, error: JobError) -> bool:
        """Wait as the API asked and ever longer; False where this request is to be given up.

        Raises the error where the API has answered no request for too long.
        """
        now, asked_s = time.monotonic(), error.retry_after_s or 0.0
        if now - self._patience.heard > self._patience.silence_s + asked_s:
            raise error
        if now - self._began > _STUCK_S + asked_s:
            return False
        self._tries += 1
        # beyond what was asked for by a chance, or requests that were refused together come again together
        await asyncio.sleep(asked_s + backoff_s(self._tries, _BACKOFF, random.random()))  # noqa: S311
        return True
