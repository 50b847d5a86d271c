"""Bounded memory of failed sign-ins by address."""

from __future__ import annotations

from collections import OrderedDict, deque
from ipaddress import ip_address, ip_network

MAX_FAILURES = 20
WINDOW_S = 60.0
MAX_ADDRESSES = 1024


class FailureThrottle:
    """Counts failures in a sliding window; the address that failed longest ago is forgotten first."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def failed(self, address: str, now_s: float) -> float | None:
        """Note a failure; return the seconds to wait if the address has had its share, else None.

        Refused failures are not noted, so that the window drains however often the address asks.
        """
        source = _source(address)
        times = self._failures.setdefault(source, deque(maxlen=MAX_FAILURES))
        self._failures.move_to_end(source)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)
        while times and times[0] <= now_s - WINDOW_S:
            times.popleft()
        if len(times) == MAX_FAILURES:
            return times[0] + WINDOW_S - now_s
        times.append(now_s)
        return None


def _source(address: str) -> str:
    """Return who stands behind an address: with IPv6 one subscriber commands a whole /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    if parsed.version == 4 or mapped is not None:
        return str(mapped or parsed)
    return str(ip_network((int(parsed) >> 64 << 64, 64)))
