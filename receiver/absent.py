"""Libraries that other libraries take along where they happen to be installed, and that this service never uses."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_TO_BE_FOUND: Any = None  # what the import system has in such a module's place


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Let imports in this block not find these modules, unless somebody has imported them already."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden, _NOT_TO_BE_FOUND))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
