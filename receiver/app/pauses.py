"""Ending the pause that the Meetings API asked for, by an operator's word."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from receiver.app.opening import engine, index_beside, utc_now
from receiver.app.shared_pause import DatabasePause
from receiver.catalogue import Interventions
from receiver.operators import actor_of

if TYPE_CHECKING:
    from receiver.operators import OsUser
    from receiver.settings import Settings


class LiftedPause(NamedTuple):
    """How long the pause would have lasted, and how many recordings waited for its end."""

    left_s: float
    recordings: int


async def lift_pause(settings: Settings, by: OsUser) -> LiftedPause:
    """End the API's pause for every process, and have what waits for its end tried now; on record, and safe to repeat.

    Raises `SchemaOutdatedError`.
    """
    async with index_beside(settings) as database:
        left_s = await DatabasePause(database, settings.api_url).left_s()
        woken = await Interventions(database).end_api_pause(
            settings.api_url, by=actor_of(by), left_s=left_s, now=utc_now()
        )
        engine(settings, database).wake()
        return LiftedPause(left_s, woken)
