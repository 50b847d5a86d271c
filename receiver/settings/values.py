"""The values a setting may have: how each is read from its text, and what a wrong one is told."""

from __future__ import annotations

import base64
import re
import string
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from receiver.errors import ReceiverError
from receiver.records import Origin

MIN_SECRET_CHARS = 16
_NOT_IN_A_PATH = re.compile(r"[^A-Za-z0-9._~!$&'()*+;=:@-]")
_IN_A_PATH = "A-Z, a-z, 0-9 and any of . _ ~ ! $ & ' ( ) * + ; = : @ -"
"""RFC 3986's `pchar` without escapes; a comma stands between two secrets."""
KEY_FIELDS = frozenset({"recording_id", "meeting_id", "created_at", "host_id", "meeting_name"})


class Role(StrEnum):
    """What an ops token may do: read; also retry, cancel, hold; also erase."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class LogLevel(StrEnum):
    """What the log holds: lines of this weight and heavier ones."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How the log is written: an object a line for machines, or text for eyes."""

    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class OpsToken:
    """A named token of the operators' surface; the name is what the audit log records."""

    name: str
    role: Role
    token: SecretStr


class WrongValueError(ReceiverError, ValueError):
    """A setting cannot have this value, and what it could have is known. Pydantic reports every `ValueError`."""


def _split(value: Any) -> Any:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if len(text) < MIN_SECRET_CHARS:
        raise ValueError(f"each secret needs at least {MIN_SECRET_CHARS} characters")
    if (found := _NOT_IN_A_PATH.search(text)) is not None:
        where = f"character {found.start() + 1} of one of them cannot stand in a URL's path"
        raise WrongValueError(f"each secret is the end of a URL, and {where}", f"use {_IN_A_PATH}")
    return value


def _header_value(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isprintable():
        raise ValueError("must be one line without control characters")
    return value


def _ops_token(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    name, _, rest = value.partition(":")
    role, _, token = rest.partition(":")
    if not name or not token or role not in list(Role):
        raise ValueError("each token is written name:role:token with a role of viewer, operator or admin")
    if len(token) < MIN_SECRET_CHARS:
        raise WrongValueError(
            f"the token of {name!r} is too short",
            f"give it {MIN_SECRET_CHARS} or more random characters, as of `openssl rand -hex 16`",
        )
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


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


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
        raise WrongValueError(f"unknown field {min(unknown)!r}", f"known are {', '.join(sorted(KEY_FIELDS))}")
    if "recording_id" not in {name for _, name, _, _ in string.Formatter().parse(value)}:
        raise ValueError("must contain {recording_id}, or two recordings could share a key")
    if value.startswith("/") or ".." in value.split("/"):
        raise ValueError("must be a relative key without '..'")
    return value


def sets_ids_apart(template: str) -> bool:
    """Tell whether {recording_id} stands by itself between characters that no id has, wherever other texts are.

    In `{meeting_id}-{recording_id}` it does not: `a-b` and `c` make the key that `a` and `b-c` make.
    """
    texts = {"meeting_id", "host_id", "meeting_name"}
    tokens: list[set[str]] = [set()]
    for literal, name, _, _ in string.Formatter().parse(template):
        if re.search(r"[^A-Za-z0-9_-]", literal):
            tokens.append(set())
        tokens[-1].add((name or "").partition(".")[0])
    return any("recording_id" in token and not token & texts for token in tokens)


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


def _events_url(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s#]*)?", value.get_secret_value()):
        raise ValueError("must be an http(s) URL without user or fragment")
    return value


def _events_secret(value: SecretStr) -> SecretStr:
    prefix, _, text = value.get_secret_value().partition("_")
    try:
        known = len(base64.b64decode(text, validate=True))
    except ValueError:
        known = 0
    if prefix != "whsec" or not 24 <= known <= 64:
        raise WrongValueError(
            "each secret is whsec_ and 24 to 64 random bytes in base64 (Standard Webhooks)",
            'make one with echo "whsec_$(openssl rand -base64 32)"',
        )
    return value


def _split_urls(value: Any) -> Any:
    """Split at commas and spaces that another URL follows: within one a comma stands between recipients."""
    return re.split(r"[,\s]+(?=[A-Za-z][A-Za-z0-9+.-]*://)", value.strip(" ,")) if isinstance(value, str) else value


def _notify_url(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(value.get_secret_value())
        is_mail, port = parts.scheme in {"smtp", "smtps"}, parts.port
    except ValueError:
        raise ValueError("one of the URLs cannot be parsed") from None
    if not parts.scheme or "://" not in value.get_secret_value():
        raise ValueError("each is a URL: smtps://… for e-mail, or one of Apprise's")
    given = parse_qs(parts.query)
    if is_mail and not (parts.hostname and port != 0 and given.get("from") and given.get("to")):
        raise WrongValueError(
            f"an {parts.scheme}:// URL lacks its host, ?from= or &to=",
            "write smtps://user:password@host:465/?from=archive@example.com&to=ops@example.com",
        )
    return value


Secret = Annotated[SecretStr, AfterValidator(_secret)]
HeaderValue = Annotated[SecretStr, AfterValidator(_header_value)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Level = Annotated[LogLevel, BeforeValidator(_lower)]
Bucket = Annotated[str, AfterValidator(_bucket)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Template = Annotated[str, AfterValidator(_key_template)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
OriginText = Annotated[Origin, BeforeValidator(_origin)]
OpsTokenText = Annotated[OpsToken, BeforeValidator(_ops_token)]
EventsUrl = Annotated[SecretStr, AfterValidator(_events_url)]
EventsSecret = Annotated[SecretStr, AfterValidator(_events_secret)]
NotifyUrl = Annotated[SecretStr, AfterValidator(_notify_url)]
Split = BeforeValidator(_split)
SplitUrls = BeforeValidator(_split_urls)
