"""When the service cleans up at the platform by itself: never, unless it is told to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from receiver.app.cleanup import schedules
from receiver.settings import Settings

if TYPE_CHECKING:
    from receiver.cleanup import Cleanup

SOMEBODY = cast("Cleanup", object())


def test_it_is_daily_where_an_age_is_set():
    (schedule,) = schedules(Settings(source_cleanup_after_days=30), SOMEBODY)
    assert (schedule.name, schedule.every) == ("clean-up", timedelta(days=1))


def test_there_is_none_unless_it_is_set():
    assert schedules(Settings(), SOMEBODY) == ()
    assert schedules(Settings(source_cleanup_after_days=30), None) == ()
