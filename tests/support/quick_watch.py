"""Run the service as it is, but that its watch looks and tells at a test's pace: `quick_watch.py PYTHON -m receiver …`.

The real pace is of minutes, and no setting: whoever is woken at night wants none to choose.
"""

from __future__ import annotations

import sys
from datetime import timedelta

from receiver import cli
from receiver.notices import WatchPace, watch

PACE = WatchPace(
    look_every=timedelta(seconds=0.1),
    held_for=timedelta(seconds=0.5),
    gone_for=timedelta(seconds=1),
    gathered_for=timedelta(seconds=0.5),
    flood_within=timedelta(seconds=5),
)

if __name__ == "__main__":
    watch.WatchPace = lambda: PACE  # type: ignore[assignment,misc]
    sys.argv = ["receiver", *sys.argv[4:]]
    cli.main()
