"""What processes logged, read from their files while they write on."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def events(logs: Iterable[Path], kind: str) -> list[dict[str, Any]]:
    """Return the events of one kind, `at` in seconds of the epoch and `process` after the file's name.

    A last line that is not whole, of a process that writes it now or was killed, is left out.
    """
    found = []
    for log in logs:
        for line in log.read_text().splitlines():
            if f'"event": "{kind}"' in line and line.endswith("}"):
                event = json.loads(line)
                found.append(event | {"at": datetime.fromisoformat(event["at"]).timestamp(), "process": log.stem})
    return found
