"""Secrets that are rotated while the service runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver import logs
from receiver.app.configs import learn_secrets
from receiver.errors import SettingsError
from receiver.settings import read_again

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from receiver.settings import Settings

_log = logs.get("app")


class Secrets:
    """The settings, with what comes from `files` (by setting) as they have it now.

    They are looked at whenever a secret is used, so a rotation needs no restart. A file that is gone, empty or
    malformed is reported once and leaves the value before it in use.
    """

    def __init__(self, settings: Settings, files: Mapping[str, Path]) -> None:
        self._settings = settings
        self._files = files
        self._stamps: dict[str, tuple[int, ...]] = {}

    def now(self) -> Settings:
        """Return the settings with the secrets that are valid now."""
        for name, path in self._files.items():
            stamp = _stamp(path)  # before the file is read: what is written meanwhile changes it again
            if self._stamps.get(name) != stamp:
                self._stamps[name] = stamp
                self._read(name, path)
        return self._settings

    def _read(self, name: str, path: Path) -> None:
        try:
            value = read_again(name, path)
        except SettingsError as e:
            _log.error("secret_not_rotated", error=str(e))
            return
        if value == getattr(self._settings, name):
            return
        rotated = self._settings.model_copy(update={name: value})
        learn_secrets(rotated)  # before any line can hold them
        self._settings = rotated
        _log.info("secret_rotated", setting=name)


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes whenever the file's content does; empty where there is none to look at."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size
