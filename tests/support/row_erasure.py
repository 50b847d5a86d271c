"""A small erasure for tests of what must keep it from erasing: the row is all that it erases."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from receiver.catalogue.holds import held_among
from receiver.catalogue.states import change_state
from receiver.records import State
from receiver.tables import recordings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from receiver.records import Actor, RecordingId
    from receiver.tables import Database


def erase_in(tx: sa.Connection, ids: Sequence[RecordingId]) -> list[RecordingId]:
    """Erase those of the archived recordings that nothing holds, and return them: asked and done in one transaction."""
    held = held_among(tx, ids)
    free = [one for one in ids if one not in held]
    erase = change_state(State.ERASED, leaving={State.ARCHIVED}).where(recordings.c.id.in_(free))
    return list(tx.execute(erase.returning(recordings.c.id)).scalars())


@dataclass
class RowErasure:
    """`receiver.retention.Erases`."""

    database: Database
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def erase(self, ids: Sequence[RecordingId], *, by: Actor, reason: str) -> object:
        self.asked.append((by.name, reason))
        return await self.database.write(partial(erase_in, ids=ids))
