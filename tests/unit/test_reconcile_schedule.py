"""When the service reconciles by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from receiver.app.reconcile import schedules
from receiver.settings import Settings

if TYPE_CHECKING:
    from receiver.reconcile import Reconciler

SOMEBODY = cast("Reconciler", object())


def test_it_is_every_six_hours_and_soon_after_the_first_start():
    (schedule,) = schedules(Settings(), SOMEBODY)
    assert (schedule.name, schedule.every) == ("reconcile", timedelta(hours=6))
    assert schedule.first_after == timedelta(minutes=5)


def test_a_short_period_begins_as_soon():
    (schedule,) = schedules(Settings(reconcile_every="20s"), SOMEBODY)
    assert (schedule.every, schedule.first_after) == (timedelta(seconds=20), timedelta(seconds=20))


@pytest.mark.parametrize(("every", "found"), [("0s", SOMEBODY), ("6h", None)], ids=["switched off", "no credentials"])
def test_there_is_none(every, found):
    assert schedules(Settings(reconcile_every=every), found) == ()
