"""Settings from the environment (prefix `RECEIVER_`), a `.env` file, and `*_FILE` variants for secrets.

`load` reports every problem at once: the variable, what is wrong with its value, and an example of a right one. Only
`app` and the entry read settings; the parts get what they need from `app`.
"""

from __future__ import annotations

import os
import re
import string
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from receiver.errors import SettingsError
from receiver.records import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "RECEIVER_"
MIN_SECRET_CHARS = 16
KEY_FIELDS = frozenset({"recording_id", "meeting_id", "created_at", "host_id", "meeting_name"})


class Role(StrEnum):
    """What an ops token may do: read; also retry, cancel, hold; also erase."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class OpsToken:
    """A named token of the operators' surface; the name is what the audit log records."""

    name: str
    role: Role
    token: SecretStr


def _split(value: Any) -> Any:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < MIN_SECRET_CHARS:
        raise ValueError(f"each secret needs at least {MIN_SECRET_CHARS} characters")
    return value


def _ops_token(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    name, _, rest = value.partition(":")
    role, _, token = rest.partition(":")
    if not name or not token or role not in list(Role):
        raise ValueError("each token is written name:role:token with a role of viewer, operator or admin")
    return OpsToken(name, Role(role), SecretStr(token))


_ORIGIN = re.compile(r"(https?)://((?:\*\.)?[a-z0-9_.-]+|\[[0-9a-f:]+\])(?::(\d{1,5}))?/?")


def _origin(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = _ORIGIN.fullmatch(value.lower())
    if found is None:
        raise ValueError(f"{value!r} is not an origin (scheme://host[:port], no path; * only as the first label)")
    scheme, host, port = found.groups()
    return Origin(scheme, host.strip("[]"), int(port) if port else {"http": 80, "https": 443}[scheme])


def _network(value: Any) -> Any:
    return ip_network(value, strict=False) if isinstance(value, str) else value


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+)\s*([smhdwy])", value.strip())
    if found is None:
        raise ValueError("a duration is a whole number and a unit: s, m, h, d, w or y")
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31_536_000}[found[2]]
    return timedelta(seconds=int(found[1]) * seconds)


def _key_template(value: str) -> str:
    try:
        fields = {name.partition(".")[0] for _, name, _, _ in string.Formatter().parse(value) if name is not None}
    except ValueError as e:
        raise ValueError(f"not a template: {e}") from e
    if unknown := fields - KEY_FIELDS:
        raise ValueError(f"unknown field {min(unknown)!r}; known are {', '.join(sorted(KEY_FIELDS))}")
    if "recording_id" not in fields:
        raise ValueError("must contain {recording_id}, or two recordings could share a key")
    if value.startswith("/") or ".." in value.split("/"):
        raise ValueError("must be a relative key without '..'")
    return value


def _bucket(value: str) -> str:
    # old buckets have capitals and underscores; an access point's ARN stands where a name may
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{2,62}|arn:[A-Za-z0-9:/._-]{1,250}", value):
        raise ValueError("must be a bucket's name (3 to 63 letters, digits, '.' and '-') or an access point's ARN")
    return value


def _prefix(value: str) -> str:
    if value.startswith("/") or re.search(r"\s", value) or ".." in value.split("/"):
        raise ValueError("must be the beginning of a key: no leading '/', no spaces, no '..'")
    return value


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", value):
        raise ValueError("must be an http(s) URL without user, query or fragment")
    return value.rstrip("/")


def _database_url(value: str) -> str:
    if not re.match(r"(sqlite:///.+|postgres(ql)?://[^/]*/.+)", value):
        raise ValueError("must be sqlite:///path or postgresql://user:pass@host/db")
    return value


Secret = Annotated[SecretStr, AfterValidator(_secret)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]


class Settings(BaseModel):
    """One field per variable, named as the variable without its prefix. Sizes in bytes unless named `_mb`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

    database_url: Annotated[str, AfterValidator(_database_url)] = "sqlite:///./receiver.db"
    s3_bucket: Annotated[str, AfterValidator(_bucket)] | None = None
    s3_endpoint_url: HttpUrl | None = None
    s3_region: str | None = None
    s3_prefix: Annotated[str, AfterValidator(_prefix)] = ""
    s3_storage_class: str | None = None
    s3_sse: str | None = None
    s3_kms_key_id: str | None = None
    key_template: Annotated[str, AfterValidator(_key_template)] = (
        "recordings/{created_at:%Y/%m/%d}/{meeting_id}/{recording_id}"
    )
    api_url: HttpUrl = "https://api.connectycube.com"
    api_admin_key: SecretStr | None = None
    api_token: SecretStr | None = None
    api_app_id: int | None = None
    api_auth_key: SecretStr | None = None
    api_auth_secret: SecretStr | None = None
    api_user_login: str | None = None
    api_user_email: str | None = None
    api_user_password: SecretStr | None = None
    api_user_id: int | None = None
    api_timeout_s: float = Field(default=20.0, gt=0, le=300)
    webhook_secrets: Annotated[tuple[Secret, ...], BeforeValidator(_split)] = ()
    webhook_allowed_ips: Annotated[tuple[Network, ...], BeforeValidator(_split)] = ()
    forwarded_allow_ips: str = "127.0.0.1"
    download_hosts: Annotated[
        tuple[Annotated[Origin, BeforeValidator(_origin)], ...], BeforeValidator(_split), Field(validate_default=True)
    ] = "https://*.amazonaws.com"  # type: ignore[assignment]  # parsed as a variable's text would be
    download_networks: Annotated[tuple[Network, ...], BeforeValidator(_split)] = ()
    ops_tokens: Annotated[tuple[Annotated[OpsToken, BeforeValidator(_ops_token)], ...], BeforeValidator(_split)] = ()
    concurrency: int = Field(default=8, ge=1, le=256)
    host_concurrency: int | None = Field(default=None, ge=1, le=256)
    global_concurrency: int | None = Field(default=None, ge=1, le=100_000)
    part_size_mb: int = Field(default=16, ge=5, le=5120)
    part_concurrency: int = Field(default=4, ge=1, le=64)
    bandwidth_mb_s: float | None = Field(default=None, gt=0)
    max_attempts: int = Field(default=8, ge=1, le=1000)
    backoff_base_s: float = Field(default=5, gt=0, le=3600)
    backoff_max_s: float = Field(default=3600, gt=0, le=604_800)
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=104_857_600)
    max_file_bytes: int = Field(default=53_687_091_200, ge=1, le=48_800_000_000_000)
    reconcile_every: Duration = timedelta(hours=6)
    reconcile_window: Duration = timedelta(days=14)
    retention_days: int | None = Field(default=None, ge=1)
    url_margin_s: int = Field(default=300, ge=0, le=86_400)
    shutdown_grace_s: float = Field(default=25, ge=0, le=3600)
    listing_grace_s: int = Field(default=86_400, ge=0)
    """How long a recording may be absent from the API's listing before it counts as missing."""
    progress_timeout_s: float = Field(default=60, gt=0, le=3600)
    """How long a source or the bucket may move no byte of a transfer before the run gives up."""


_EXAMPLES = {
    "s3_bucket": "team-recordings",
    "s3_endpoint_url": "https://s3.eu-central-1.amazonaws.com",
    "s3_prefix": "meetings/",
    "api_app_id": "4567",
    "api_auth_key": "the authorization key of the application's overview page",
    "api_user_login": "archive-bot",
    "api_user_password": "the user's password",
    "api_user_id": "6892473",
    "webhook_secrets": "3f9c0a6b7d21485e9b54c6f0",
    "webhook_allowed_ips": "203.0.113.0/24,2001:db8::/32",
    "download_hosts": "https://*.amazonaws.com,https://storage.example.com:8443",
    "download_networks": "10.20.0.0/16",
    "ops_tokens": "alice:operator:f3b1c09de54a4d0b8a7c,ci:viewer:5e1d20c77a9b4f10b3d2",
    "reconcile_every": "6h",
    "reconcile_window": "14d",
}


class Needs(StrEnum):
    """Which command is about to run; decides what is required beyond the defaults."""

    DATABASE = "database"
    BUCKET = "bucket"
    SERVE = "serve"


_REQUIRED = {Needs.DATABASE: (), Needs.BUCKET: ("s3_bucket",), Needs.SERVE: ("s3_bucket", "webhook_secrets")}


def load(needs: Needs, environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> Settings:
    """Read, check and return the settings; the environment wins over `.env`, and `X` over `X_FILE`.

    Raises `SettingsError` whose message lists every problem found.
    """
    given: dict[str, str] = {}
    if dotenv is not None and dotenv.is_file():
        given.update({k: v for k, v in dotenv_values(dotenv).items() if v is not None})
    given.update(os.environ if environ is None else environ)
    values, problems = _read(given)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as e:
        problems += [_field_problem(error) for error in e.errors(include_url=False)]
    problems += [_problem(name, "is not set") for name in _REQUIRED[needs] if name not in values]
    problems += _credential_problems(values.keys())
    if settings is None or problems:
        raise SettingsError("\n".join(dict.fromkeys(problems)))
    return settings


def unknown_names(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the `RECEIVER_…` variables that name no setting: probably misspelt."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known}
    given = os.environ if environ is None else environ
    return sorted(name for name in given if name.startswith(PREFIX) and name not in known)


def _read(given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    problems: list[str] = []
    for name in Settings.model_fields:
        variable = PREFIX + name.upper()
        if value := given.get(variable):
            values[name] = value
        elif path := given.get(f"{variable}_FILE"):
            try:
                values[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as e:
                problems.append(f"{variable}_FILE names {path!r}, which cannot be read: {e}")
    return values, problems


def _field_problem(error: Any) -> str:
    name = str(error["loc"][0])
    message = str(error["msg"]).removeprefix("Value error, ")
    return _problem(name, f"is wrong: {message[:1].lower()}{message[1:]}")


def _problem(name: str, what: str) -> str:
    default = Settings.model_fields[name].default
    example = _EXAMPLES.get(name) or (str(default) if default not in (None, "", ()) else None)
    variable = PREFIX + name.upper()
    return f"{variable} {what}" + (f" (example: {variable}={example})" if example else "")


def _credential_problems(names: Any) -> list[str]:
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
        return [f"{listed} are both set; choose one way to the API and unset the other"]
    return []
