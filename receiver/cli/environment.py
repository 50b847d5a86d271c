"""How a command gets its settings: checked, with a warning for every variable that looks misspelt."""

from __future__ import annotations

import logging
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

import click
from dotenv import dotenv_values

from receiver import logs
from receiver.operators import OsUser
from receiver.settings import PREFIX, LogFormat, Needs, Settings, load, unknown_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOTENV = Path(".env")


def settings_for(needs: Needs, *, is_service: bool = False) -> Settings:
    """Send logs to stderr, warn of unknown variables and return the settings; raises `SettingsError`.

    A command that is not the service logs no more than warnings: what it found it prints.
    """
    for happened, remedy in misspelt(given()):
        click.echo(f"Warning: {'; '.join(filter(None, (happened, remedy)))}", err=True)
    settings = load(needs, dotenv=DOTENV)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    pretty = None if settings.log_format is None else settings.log_format is LogFormat.TEXT
    logs.configure(level=level if is_service else max(level, logging.WARNING), pretty=pretty)
    return settings


def given() -> dict[str, str]:
    """Return the variables of the environment and of the `.env` file."""
    from_file = dotenv_values(DOTENV) if DOTENV.is_file() else {}
    return {**{name: value or "" for name, value in from_file.items()}, **os.environ}


def misspelt(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Tell of each RECEIVER_ variable that is no setting, and which was probably meant ("" where none is near)."""
    known = [name.upper() for name in Settings.model_fields]
    known += [f"{name}_FILE" for name in known]
    for name in unknown_names(environ):
        import difflib  # noqa: PLC0415  (no process with the right settings has a use for it)

        nearest = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1)
        yield f"{name} is not a setting and is ignored", f"did you mean {PREFIX}{nearest[0]}?" if nearest else ""


def os_user() -> OsUser:
    """Return who runs the command, by the process's own user: environment variables can be set to any name."""
    uid = os.getuid()
    try:
        return OsUser(pwd.getpwuid(uid).pw_name)
    except KeyError:  # as in a container that runs under a bare number
        return OsUser(f"uid {uid}")
