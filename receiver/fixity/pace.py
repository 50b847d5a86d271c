"""How fast an audit reads: all its readers together keep one rate, and a quarter of it while recordings are copied."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_LOOK_EVERY_S = 5.0
_SHARE_BESIDE_COPIES = 0.25
_MOST_SAVED_S = 0.25
"""What a reader may be ahead after it waited for a store: a rate is no rate where an idle minute can be made good."""


@dataclass(slots=True)
class ReadingRate:
    """`copies_run` says whether any process of the deployment copies a recording now."""

    bytes_s: float
    copies_run: Callable[[], Awaitable[bool]]
    _free_at_s: float = field(default=0.0, init=False)
    _looked_at_s: float = field(default=float("-inf"), init=False)
    _is_slow: bool = field(default=False, init=False)

    async def took(self, count: int) -> None:
        """Wait until `count` bytes, which have just come, are paid for."""
        now_s = time.monotonic()
        if now_s - self._looked_at_s > _LOOK_EVERY_S:
            self._looked_at_s = now_s
            self._is_slow = await self.copies_run()
        rate = self.bytes_s * (_SHARE_BESIDE_COPIES if self._is_slow else 1)
        self._free_at_s = max(self._free_at_s, now_s - _MOST_SAVED_S) + count / rate
        if self._free_at_s > now_s:
            await asyncio.sleep(self._free_at_s - now_s)
