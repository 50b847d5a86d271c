"""What all copies of a process share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from receiver.transfer.cores import Cores
    from receiver.transfer.fetch import Fetcher
    from receiver.transfer.limits import Limits
    from receiver.transfer.pace import Pace, Throttle
    from receiver.transfer.stop import Threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The ways out, and the bounds of one copy (`limits`) and of all together (`pace`, `throttle`, `cores`)."""

    fetcher: Fetcher
    threads: Threads
    cores: Cores
    limits: Limits
    pace: Pace
    throttle: Throttle | None
