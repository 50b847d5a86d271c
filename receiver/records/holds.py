"""What keeps a recording from every path that deletes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold on a recording, a meeting, a host or a person (`scope`), named by `value`; `actor` has put it on."""

    id: str
    scope: str
    value: str
    reason: str
    actor: str
    at: datetime
