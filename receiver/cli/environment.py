"""How a command gets its settings: checked, with a warning for every variable that looks misspelt."""

from __future__ import annotations

import difflib
import logging
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

import click
from dotenv import dotenv_values

from receiver import logs
from receiver.operators import OsUser
from receiver.settings import PREFIX, Needs, Settings, load, unknown_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOTENV = Path(".env")


def settings_for(needs: Needs, *, log_level: int = logging.WARNING) -> Settings:
    """Send logs to stderr, warn of unknown variables and return the settings; raises `SettingsError`."""
    logs.configure(level=log_level)
    for happened, remedy in misspelt(given()):
        click.echo(f"Warning: {'; '.join(filter(None, (happened, remedy)))}", err=True)
    return load(needs, dotenv=DOTENV)


def given() -> dict[str, str]:
    """Return the variables of the environment and of the `.env` file."""
    from_file = dotenv_values(DOTENV) if DOTENV.is_file() else {}
    return {**{name: value or "" for name, value in from_file.items()}, **os.environ}


def misspelt(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Tell of each RECEIVER_ variable that is no setting, and which was probably meant ("" where none is near)."""
    known = [name.upper() for name in Settings.model_fields]
    known += [f"{name}_FILE" for name in known]
    for name in unknown_names(environ):
        nearest = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1)
        yield f"{name} is not a setting and is ignored", f"did you mean {PREFIX}{nearest[0]}?" if nearest else ""


def os_user() -> OsUser:
    """Return who runs the command, by the process's own user: environment variables can be set to any name."""
    uid = os.getuid()
    try:
        return OsUser(pwd.getpwuid(uid).pw_name)
    except KeyError:  # as in a container that runs under a bare number
        return OsUser(f"uid {uid}")
