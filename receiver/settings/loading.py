"""Reading the settings, and telling every problem with them at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotenv import dotenv_values
from pydantic import ValidationError

from receiver.errors import SettingsError
from receiver.settings.model import EXAMPLES, Settings
from receiver.settings.values import WrongValueError, sets_ids_apart

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "RECEIVER_"


class Needs(StrEnum):
    """Which command is about to run; decides what is required beyond the defaults."""

    DATABASE = "database"
    BUCKET = "bucket"
    SERVE = "serve"


ROTATED = (
    "api_admin_key",
    "api_token",
    "api_app_id",
    "api_auth_key",
    "api_auth_secret",
    "api_user_login",
    "api_user_email",
    "api_user_password",
    "api_user_id",
    "webhook_secrets",
    "events_secret",
    "ops_tokens",
)
"""Settings whose `_FILE` may change while the service runs."""

_REQUIRED = {Needs.DATABASE: (), Needs.BUCKET: ("s3_bucket",), Needs.SERVE: ("s3_bucket", "webhook_secrets")}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one setting and what to do; `example` is a line that would be right, where there is one."""

    name: str
    happened: str
    remedy: str = ""
    example: str | None = None

    def __str__(self) -> str:
        told = "; ".join(filter(None, (self.happened, self.remedy)))
        return told + (f" (example: {self.example})" if self.example else "")


def load(needs: Needs, environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> Settings:
    """Read, check and return the settings; the environment wins over `.env`, and `X` over `X_FILE`.

    Raises `SettingsError` whose message lists every problem found.
    """
    settings, problems = survey(needs, environ, dotenv)
    if problems:
        raise SettingsError("\n".join(dict.fromkeys(map(str, problems))))
    return settings


def survey(
    needs: Needs, environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")
) -> tuple[Settings, tuple[Problem, ...]]:
    """Read the settings as `load` does; return every problem beside them. A setting that is wrong has its default."""
    values, problems = _read(_given(environ, dotenv))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as e:
        problems += [_field_problem(error) for error in e.errors(include_url=False)]
        wrong = {problem.name for problem in problems}
        settings = Settings.model_validate({name: value for name, value in values.items() if name not in wrong})
    problems += [_problem(name, "is not set") for name in _REQUIRED[needs] if name not in values]
    problems += _credential_problems(values.keys())
    if needs is not Needs.DATABASE and not has_credentials(settings) and not sets_ids_apart(settings.key_template):
        what = "cannot hold other ids or names beside {recording_id} without API credentials: two keys could be one"
        remedy = "set {recording_id} apart with '/' or '.', or set API credentials, by which ids are confirmed"
        problems.append(_problem("key_template", what, remedy))
    problems += _event_problems(settings) + _lock_problems(settings)
    if "source_cleanup_after_days" in values and "api_admin_key" not in values:
        what = "needs RECEIVER_API_ADMIN_KEY: only an administration key may delete recordings at the platform"
        problems.append(Problem("source_cleanup_after_days", f"RECEIVER_SOURCE_CLEANUP_AFTER_DAYS {what}"))
    return settings, tuple(problems)


def has_credentials(settings: Settings) -> bool:
    """Tell whether a way to the Meetings API is set."""
    return not {"api_admin_key", "api_token", "api_app_id"}.isdisjoint(settings.model_fields_set)


def rotated_files(environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> dict[str, Path]:
    """Return the files that settings are read from which may change while the service runs, by setting."""
    given = _given(environ, dotenv)
    variables = {name: PREFIX + name.upper() for name in ROTATED}
    return {
        name: Path(given[f"{variable}_FILE"])
        for name, variable in variables.items()
        if not given.get(variable) and given.get(f"{variable}_FILE")
    }


def read_again(name: str, path: Path) -> Any:
    """Return a setting's value as its file has it now; raises `SettingsError` for one that must not be used."""
    variable = f"{PREFIX}{name.upper()}_FILE"
    try:
        value = getattr(Settings.model_validate({name: _text(path)}), name)
    except (OSError, UnicodeDecodeError) as e:
        raise SettingsError(f"{variable} names '{path}', which cannot be read: {e}") from e
    except ValidationError as e:
        problems = (str(_field_problem(error)) for error in e.errors(include_url=False))
        raise SettingsError(f"{variable} names '{path}': {'; '.join(problems)}") from None
    if not value:
        raise SettingsError(f"{variable} names '{path}', which is empty")
    return value


def unknown_names(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the `RECEIVER_…` variables that name no setting: probably misspelt."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known}
    given = os.environ if environ is None else environ
    return sorted(name for name in given if name.startswith(PREFIX) and name not in known)


def _given(environ: Mapping[str, str] | None, dotenv: Path | None) -> dict[str, str]:
    given: dict[str, str] = {}
    if dotenv is not None and dotenv.is_file():
        given.update({k: v for k, v in dotenv_values(dotenv).items() if v is not None})
    return given | dict(os.environ if environ is None else environ)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _read(given: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for name in Settings.model_fields:
        variable = PREFIX + name.upper()
        if value := given.get(variable):
            values[name] = value
        elif path := given.get(f"{variable}_FILE"):
            try:
                values[name] = _text(Path(path))
            except (OSError, UnicodeDecodeError) as e:
                problems.append(Problem(name, f"{variable}_FILE names {path!r}, which cannot be read: {e}"))
    return values, problems


def _field_problem(error: Any) -> Problem:
    name = str(error["loc"][0])
    cause = error.get("ctx", {}).get("error")
    message = str(error["msg"]).removeprefix("Value error, ")
    happened, remedy = (cause.happened, cause.remedy) if isinstance(cause, WrongValueError) else (message, "")
    return _problem(name, f"is wrong: {happened[:1].lower()}{happened[1:]}", remedy)


def _problem(name: str, what: str, remedy: str = "") -> Problem:
    default = Settings.model_fields[name].default
    example = EXAMPLES.get(name) or (str(default) if default not in (None, "", ()) else None)
    variable = PREFIX + name.upper()
    return Problem(name, f"{variable} {what}", remedy, f"{variable}={example}" if example else None)


def _event_problems(settings: Settings) -> list[Problem]:
    """Tell where events could not be signed, or could be read on their way."""
    if settings.events_url is None:
        return []
    problems = []
    if "events_secret" not in settings.model_fields_set:
        problems.append(_problem("events_secret", "is not set, and events are signed with it"))
    if settings.events_url.get_secret_value().startswith("http:") and not settings.events_networks:
        what = "is not encrypted: only addresses of RECEIVER_EVENTS_NETWORKS may be sent events so"
        problems.append(_problem("events_url", what, "use https, or list the receiver's own network there"))
    return problems


def _lock_problems(settings: Settings) -> list[Problem]:
    """Tell where objects were to be retained for no time."""
    if settings.s3_object_lock != "retention" or settings.retention_days is not None:
        return []
    what = "is 'retention', and RECEIVER_RETENTION_DAYS does not say until when"
    return [_problem("s3_object_lock", what, "set RECEIVER_RETENTION_DAYS too, or use legal-hold")]


def _credential_problems(names: Any) -> list[Problem]:
    """Tell which variables of a half-set way to the API are missing, or that two ways are set at once."""
    session = {"api_app_id", "api_auth_key", "api_auth_secret", "api_user_login", "api_user_email", "api_user_password"}
    ways = [way for way in ("api_admin_key", "api_token") if way in names]
    if session & set(names):
        ways.append("api_app_id")
        if missing := [n for n in ("api_app_id", "api_auth_key", "api_user_password") if n not in names]:
            return [_problem(name, "is not set, but other parts of the user session are") for name in missing]
        if ("api_user_login" in names) == ("api_user_email" in names):
            return [_problem("api_user_login", "or RECEIVER_API_USER_EMAIL must be set, and not both")]
    if len(ways) > 1:
        listed = " and ".join(PREFIX + way.upper() for way in ways)
        return [Problem(ways[0], f"{listed} are both set", "choose one way to the API and unset the other")]
    return []
