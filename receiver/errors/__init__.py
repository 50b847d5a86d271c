"""Everything that this service raises on purpose: what happened, and what to do about it.

Each end of a job has a stable code that rows, metrics and operators see. `jobs` has what the outside can end one with,
`base` the roots and the rest.
"""

from receiver.errors.base import *  # noqa: F403  (each class is named once, where it is defined)
from receiver.errors.jobs import *  # noqa: F403
