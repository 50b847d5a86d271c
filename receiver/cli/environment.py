"""How a command gets its settings: checked, with a warning for every variable that looks misspelt."""

from __future__ import annotations

import difflib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from dotenv import dotenv_values

from receiver import logs
from receiver.settings import PREFIX, Needs, Settings, load, unknown_names

if TYPE_CHECKING:
    from collections.abc import Mapping

DOTENV = Path(".env")


def settings_for(needs: Needs, *, log_level: int = logging.WARNING) -> Settings:
    """Send logs to stderr, warn of unknown variables and return the settings; raises `SettingsError`."""
    logs.configure(level=log_level)
    from_file = dotenv_values(DOTENV) if DOTENV.is_file() else {}
    warn_unknown({**{name: value or "" for name, value in from_file.items()}, **os.environ})
    return load(needs, dotenv=DOTENV)


def warn_unknown(environ: Mapping[str, str]) -> None:
    """Name each RECEIVER_ variable that is no setting, and the setting that was probably meant."""
    known = [name.upper() for name in Settings.model_fields]
    known += [f"{name}_FILE" for name in known]
    for name in unknown_names(environ):
        nearest = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1)
        hint = f"; did you mean {PREFIX}{nearest[0]}?" if nearest else ""
        click.echo(f"Warning: {name} is not a setting and is ignored{hint}", err=True)
