"""When the service reads again by itself, and what `check` says of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from receiver.app.check.findings import Health
from receiver.app.check.fixity import judged
from receiver.app.fixity import schedules
from receiver.settings import Settings

if TYPE_CHECKING:
    from receiver.objectstore import Bucket
    from receiver.tables import Database

DATABASE, BUCKET = cast("Database", object()), cast("Bucket", object())
TB = 10**12


@pytest.mark.parametrize(("every", "tick_s"), [("90d", 600), ("1h", 72)])
def test_what_is_due_is_looked_for_often_enough(every, tick_s):
    (schedule,) = schedules(Settings(audit_every=every), DATABASE, BUCKET)
    assert (schedule.name, schedule.every) == ("audit", timedelta(seconds=tick_s))


def test_there_is_none():
    assert schedules(Settings(audit_every="0s"), DATABASE, BUCKET) == ()


def test_check_says_how_many_bytes_a_day_that_is():
    finding = judged(9 * TB, Settings())
    assert (finding.state, finding.seen[:56]) == (Health.OK, "9.0 TB are read again within 90 days, 100.0 GB a day; so")
    slow = judged(900 * TB, Settings())
    assert slow.state is Health.WARNING
    assert "10.0 TB a day, which takes 1042 days at RECEIVER_AUDIT_MB_S=10" in slow.seen
    assert slow.remedy == "set RECEIVER_AUDIT_MB_S=116 or more, or a longer RECEIVER_AUDIT_EVERY"
    never = judged(TB, Settings(audit_every="0s"))
    assert (never.state, "by itself" in never.seen) == (Health.WARNING, True)
