"""Would DOWNLOAD_HOSTS let the files of the hosts that were seen pass?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from receiver.app.check.findings import ok, warning, wrong
from receiver.app.check.known import known

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from receiver.app.check.findings import Finding
    from receiver.app.check.known import Known
    from receiver.records import Origin
    from receiver.settings import Settings

_PORTS = {"https": 443, "http": 80}
_REFUSED = re.compile(r"(https?://\S+) is not in RECEIVER_DOWNLOAD_HOSTS")
_NOT_PUBLIC = re.compile(r"(https?://\S+) leads to .*RECEIVER_DOWNLOAD_NETWORKS")


async def download_findings(settings: Settings) -> AsyncGenerator[Finding, None]:
    """Compare the allow-lists with the hosts of the index."""
    for finding in judged(settings.download_hosts, await known(settings)):
        yield finding


def judged(allowed: Sequence[Origin], seen: Known) -> list[Finding]:
    """Return the findings; an origin that an earlier list refused and this one has is no longer one."""
    name = "download hosts"
    failed = {origin for origin in _named(_REFUSED, seen) if not _passes(allowed, origin)}
    others = {f"https://{host}" for host in seen.hosts if not _host_passes(allowed, host)} - failed
    hosts = f"all {len(seen.hosts)} that were seen are" if seen.hosts else "none was seen yet"
    found = [ok(name, f"allowed: {_listed(allowed)}; {hosts}")]
    if failed or others:
        line = ",".join([_listed(allowed), *sorted(failed | others)])
        remedy = f"where that is the platform's storage: RECEIVER_DOWNLOAD_HOSTS={line}, then retry"
        judge, said = (wrong, "recordings failed") if failed else (warning, "recordings were announced")
        found = [judge(name, f"{said} whose host is not on the list: {', '.join(sorted(failed or others))}", remedy)]
    if private := _named(_NOT_PUBLIC, seen):
        found.append(
            warning(
                "download networks",
                f"not public, so not connected to: {', '.join(sorted(private))}",
                "where that is meant, list its network in RECEIVER_DOWNLOAD_NETWORKS, then retry",
            )
        )
    return found


def _named(pattern: re.Pattern[str], seen: Known) -> set[str]:
    """Return the origins that messages of this kind name."""
    return {_short(match[1]) for text in seen.refusals if (match := pattern.match(text))}


def _listed(allowed: Sequence[Origin]) -> str:
    return ",".join(_short(f"{origin.scheme}://{_bracketed(origin.host)}:{origin.port}") for origin in allowed)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _short(origin: str) -> str:
    """Leave out the port that goes without saying."""
    scheme = origin.partition(":")[0]
    return origin.removesuffix(f":{_PORTS[scheme]}")


def _passes(allowed: Sequence[Origin], origin: str) -> bool:
    scheme, _, place = origin.partition("://")
    host, port = _split(place)
    return any(one.matches(scheme, host, port or _PORTS[scheme]) for one in allowed)


def _host_passes(allowed: Sequence[Origin], place: str) -> bool:
    """Tell whether a host whose scheme is not known could pass."""
    return any(_passes(allowed, f"{scheme}://{place}") for scheme in _PORTS)


def _split(place: str) -> tuple[str, int | None]:
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdecimal():
        return place.strip("[]"), None
    return host.strip("[]"), int(port)
