"""Everything that this service raises on purpose: what happened, and what to do about it.

Each end of a job has a stable code that rows, metrics and operators see. `api`, `sources` and `stores` have what the
outside can end one with, `base` the roots and the rest.
"""

from receiver.errors.api import *  # noqa: F403  (each class is named once, where it is defined)
from receiver.errors.base import *  # noqa: F403
from receiver.errors.codes import *  # noqa: F403
from receiver.errors.sources import *  # noqa: F403
from receiver.errors.stores import *  # noqa: F403
