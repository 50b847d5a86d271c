"""Checks of the settings alone: their problems, weak tokens, unencrypted ways, too few open files."""

from __future__ import annotations

import resource
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from receiver.app.check.findings import ok, warning, wrong
from receiver.app.configs import other_descriptors, unlisted_meetings
from receiver.app.http_server import MOST_CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from receiver.app.check.findings import Finding
    from receiver.settings import Problem, Settings


async def given_findings(settings: Settings, problems: Sequence[Problem]) -> AsyncGenerator[Finding, None]:
    """Look at the settings; nothing is sent."""
    for problem in problems:
        example = f"for example {problem.example}" if problem.example else "correct it"
        yield wrong("settings", problem.happened, problem.remedy or example)
    if not problems:
        yield ok("settings", "all that are set can be read")
    for finding in (*_ways(settings), *_unlisted(settings), _tokens(settings), open_files(settings, _hard_limit())):
        yield finding


def _ways(settings: Settings) -> Iterator[Finding]:
    for part, name, url in (
        ("bucket", "RECEIVER_S3_ENDPOINT_URL", settings.s3_endpoint_url),
        ("api", "RECEIVER_API_URL", settings.api_url),
    ):
        if url is not None and url.startswith("http:") and not _is_loopback(url):
            yield warning(
                f"{part} transport", f"{url} is not encrypted: what is sent may be read", f"use https in {name}"
            )
    plain = [origin.host for origin in settings.download_hosts if origin.scheme == "http" and not _local(origin.host)]
    if plain:
        yield warning(
            "download transport",
            f"recordings may come unencrypted from {', '.join(plain)}",
            "list https:// origins in RECEIVER_DOWNLOAD_HOSTS",
        )


def _unlisted(settings: Settings) -> Iterator[Finding]:
    if (told := unlisted_meetings(settings)) is not None:
        yield warning("missed webhooks", *told)


def _is_loopback(url: str) -> bool:
    return _local(urlsplit(url).hostname or "")


def _local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tokens(settings: Settings) -> Finding:
    name, tokens = "ops tokens", settings.ops_tokens
    if not tokens:
        return warning(
            name,
            "none is set, so the operators' API answers 403 to everybody",
            "set RECEIVER_OPS_TOKENS=name:role:token, each token of 16 or more random characters",
        )
    return ok(name, ", ".join(f"{token.name} ({token.role})" for token in tokens))


def _hard_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def open_files(settings: Settings, allowed: int) -> Finding:
    """Judge the hard limit, as far as which the service raises its own; with less it holds fewer clients."""
    name = "open files"
    needed = 2 * MOST_CONNECTIONS + other_descriptors(settings)
    seen = f"this shell allows {allowed}, the settings may need {needed}"
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        return warning(name, seen, f"raise the limit for the service: ulimit -n {needed}, or LimitNOFILE={needed}")
    return ok(name, seen)
