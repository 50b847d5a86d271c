"""Settings from the environment (prefix `RECEIVER_`), a `.env` file, and `*_FILE` variants for secrets.

`load` reports every problem at once: the variable, what is wrong with its value, and an example of a right one. Only
`app` and the entry read settings; the parts get what they need from `app`.
"""

from receiver.settings.loading import PREFIX, Needs, Problem, load, read_again, rotated_files, survey, unknown_names
from receiver.settings.model import Settings
from receiver.settings.values import LogFormat, LogLevel, OpsToken, Role

__all__ = [
    "PREFIX",
    "LogFormat",
    "LogLevel",
    "Needs",
    "OpsToken",
    "Problem",
    "Role",
    "Settings",
    "load",
    "read_again",
    "rotated_files",
    "survey",
    "unknown_names",
]
