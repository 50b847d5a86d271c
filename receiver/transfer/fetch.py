"""One GET of a download URL, redirects followed by hand so that the policy sees every hop."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import TYPE_CHECKING

from yarl import URL

from receiver.errors import (
    JobError,
    SourceChangedError,
    SourceEmptyError,
    SourceNotFoundError,
    SourceStalledError,
    SourceUnavailableError,
    SourceUrlForbiddenError,
)
from receiver.transfer.policy import DownloadPolicy, ForbiddenAddressError, origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from receiver.transfer.connection import Answer, Connections
    from receiver.transfer.limits import Limits
    from receiver.transfer.stop import Stop

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Fetcher:
    """The one way out to sources: no cookies, no proxies, no vendor headers, nothing decoded."""

    def __init__(self, connections: Connections, policy: DownloadPolicy, limits: Limits) -> None:
        self._connections = connections
        self._policy = policy
        self._limits = limits

    def get(self, url: str, headers: Mapping[str, str], stop: Stop) -> Answer:
        """Return the first answer that is not a redirect, whatever its status; the caller closes it."""
        target = self._policy.check_url(url)
        for _ in range(self._limits.max_redirects + 1):
            answer = self._get_once(target, headers, stop)
            if answer.status not in _REDIRECTS:
                return answer
            answer.close()
            location = answer.headers.get("Location", "")
            target = self._policy.check_url(_joined(target, location))
        raise SourceUrlForbiddenError(f"more than {self._limits.max_redirects} redirects from {origin_of(target)}")

    def _get_once(self, url: URL, headers: Mapping[str, str], stop: Stop) -> Answer:
        try:
            return self._connections.get(url, headers, stop)
        except ForbiddenAddressError as e:
            raise SourceUrlForbiddenError(
                f"{origin_of(url)} leads to {e}; if that is meant, list its network in RECEIVER_DOWNLOAD_NETWORKS"
            ) from e
        except UnicodeError as e:
            raise SourceUrlForbiddenError(f"{origin_of(url)} is not a host that can be connected to") from e
        except TimeoutError as e:
            raise SourceStalledError(f"{origin_of(url)} did not answer in time") from e
        except ssl.SSLCertVerificationError as e:
            raise SourceUnavailableError(f"{origin_of(url)} has no valid certificate: {e.verify_message}") from e
        except (HTTPException, OSError) as e:
            raise SourceUnavailableError(f"{origin_of(url)} gave no answer: {type(e).__name__}") from e


def _joined(base: URL, location: str) -> str:
    """Resolve a Location against the URL that answered with it, keeping its escapes as they are."""
    try:
        return str(base.join(URL(location, encoded=True)))
    except ValueError as e:
        raise SourceUrlForbiddenError(f"{origin_of(base)} redirects to a URL that cannot be parsed") from e


def bad_status(answer: Answer) -> JobError:
    """Name what an answer that is neither 200 nor 206 nor a refusal of the URL means."""
    where, status = origin_of(answer.url), answer.status
    if status in {404, 410}:
        return SourceNotFoundError(f"{where} has no such file ({status})")
    if status == 412:
        return SourceChangedError(f"the file at {where} is no longer the one that was begun (412)")
    if status == 416 and answer.headers.get("Content-Range", "").strip() == "bytes */0":
        return SourceEmptyError("the file has no bytes")
    return SourceUnavailableError(f"{where} answered {status}", retry_after_s=_retry_after_s(answer.headers))


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, which is either seconds or a date."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
