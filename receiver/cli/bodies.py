"""The HTTP API's own wire models as plain values, so that `--json` and the API never differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from receiver.api.bodies import Body


def plain(body: Body) -> dict[str, Any]:
    """Return the body as the API would send it."""
    value: dict[str, Any] = json.loads(body.model_dump_json())
    return value
