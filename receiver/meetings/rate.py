"""How fast one process asks."""

from __future__ import annotations

_REST_S = 1.0


class Rate:
    """Slots for requests: `per_s` a second in the long run, a second's worth at once after a rest. Pure: no clock."""

    def __init__(self, per_s: float | None) -> None:
        self._step_s = 0.0 if per_s is None else 1 / per_s
        self._free_at = float("-inf")

    def slot_in_s(self, now: float) -> float:
        """Take the next slot and return how many seconds after `now` it is; slots go out in the order of the calls."""
        saved_s = max(0.0, _REST_S - self._step_s)
        slot = max(self._free_at, now - saved_s)
        self._free_at = slot + self._step_s
        return max(0.0, slot - now)
