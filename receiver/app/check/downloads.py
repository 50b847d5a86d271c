"""Would DOWNLOAD_HOSTS let the files of the hosts that were seen pass?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.app.check.findings import ok, warning, wrong
from receiver.app.check.index import look_at_index
from receiver.app.configs import download_hosts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from receiver.app.check.findings import Finding
    from receiver.app.check.index import IndexSight
    from receiver.records import Origin, RefusedSource
    from receiver.settings import Settings

_NAME = "download hosts"
_PORTS = {"https": 443, "http": 80}


async def download_findings(settings: Settings) -> AsyncGenerator[Finding, None]:
    """Compare the allow-lists with the hosts of the index."""
    for finding in judged(download_hosts(settings), await look_at_index(settings)):
        yield finding


def judged(hosts: Sequence[Origin] | None, seen: IndexSight) -> list[Finding]:
    """Return the findings; an origin that an earlier list refused and this one has is no longer one.

    Without `hosts` nothing is downloaded, and what was seen is what could be set.
    """
    name, allowed = _NAME, hosts or ()
    failed = {origin for origin in _refused(seen, "RECEIVER_DOWNLOAD_HOSTS") if not _passes(allowed, origin)}
    failed |= {f"https://{one.host}" for one in seen.refused if _is_unexplained(one, allowed)}
    places = {origin.partition("://")[2] for origin in failed}
    others = {f"https://{host}" for host in seen.hosts if not _host_passes(allowed, host) and host not in places}
    told = f"all {len(seen.hosts)} that were seen are" if seen.hosts else "none was seen yet"
    found = [ok(name, f"allowed: {_listed(allowed)}; {told}")]
    if hosts is None:
        found = [_unset(sorted(failed | others))]
    elif failed or others:
        line = ",".join([_listed(allowed), *sorted(failed | others)])
        remedy = f"where that is the platform's storage: RECEIVER_DOWNLOAD_HOSTS={line}, then retry"
        judge, said = (wrong, "recordings failed") if failed else (warning, "recordings were announced")
        found = [judge(name, f"{said} whose host is not on the list: {', '.join(sorted(failed or others))}", remedy)]
    if private := _refused(seen, "RECEIVER_DOWNLOAD_NETWORKS"):
        found.append(
            warning(
                "download networks",
                f"not public, so not connected to: {', '.join(sorted(private))}",
                "where that is meant, list its network in RECEIVER_DOWNLOAD_NETWORKS, then retry",
            )
        )
    return found


def _unset(seen: Sequence[str]) -> Finding:
    """Say what to set where neither credentials nor the list tell the platform's storage from anybody's."""
    what = "not set, and no API credentials are, so nothing is downloaded"
    if not seen:
        return warning(
            _NAME, f"{what}; no host was seen yet", "set API credentials, or RECEIVER_DOWNLOAD_HOSTS=https://…"
        )
    line = f"RECEIVER_DOWNLOAD_HOSTS={','.join(seen)}"
    return wrong(
        _NAME,
        f"{what}; recordings were announced from {', '.join(seen)}",
        f"set API credentials, or where that is the platform's storage: {line}; then start the service again",
    )


def _refused(seen: IndexSight, setting: str) -> set[str]:
    """Return the origins that this setting kept from being connected to."""
    return {_short(one.origin) for one in seen.refused if one.origin is not None and one.setting == setting}


def _is_unexplained(one: RefusedSource, allowed: Sequence[Origin]) -> bool:
    """Tell whether a refusal whose row names no origin must be its host's, which is not on the list."""
    return one.origin is None and one.host is not None and not _host_passes(allowed, one.host)


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
