"""One GET of a download URL: to checked addresses only, over connections that are kept while they may be of use again.

Redirects are followed by hand, so that the policy sees every hop.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from io import RawIOBase
from typing import TYPE_CHECKING

from multidict import CIMultiDict
from yarl import URL

from receiver.backoff import retry_after_s
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
    from http.client import HTTPResponse
    from io import BufferedReader

    from receiver.transfer.limits import Limits
    from receiver.transfer.stop import Stop

CONNECT_TIMEOUT_S = 10
KEPT_S = 15.0
"""Storage hosts hang up on idle connections after some 20 s."""
KEPT_PER_ORIGIN = 16
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "recording-archive"}


class Answer:
    """A response whose body is read into a buffer of the caller's."""

    def __init__(self, url: URL, connection: HTTPConnection, response: HTTPResponse, home: Connections) -> None:
        self.url = url
        self.status = response.status
        self.headers: Mapping[str, str] = CIMultiDict(response.headers.items())
        self._connection = connection
        self._response = response
        self._home = home

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer, or what is left of the body into it; 0 at the end, and where the host hung up early."""
        return self._response.readinto(buffer)

    def close(self) -> None:
        """Drop the connection, or keep it for another request where the whole body has been read."""
        whole = self._response.isclosed() and not self._response.length
        reusable = whole and not self._response.will_close
        self._response.close()
        if reusable:
            self._home.keep(self.url, self._connection)
        else:
            self._connection.close()


class _Body(RawIOBase):
    """What an `HTTPResponse` of known length reads its body from, once its header has been read: the socket itself.

    With TLS a socket gives 16 KiB at a time, and each would pass four calls of `socket` and `io` on its way.
    """

    def __init__(self, file: BufferedReader, connected: socket.socket) -> None:
        self._file = file
        self._socket = connected
        self._buffered_bytes: int | None = None

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer; less than that only at the end."""
        if self._buffered_bytes is None:
            self._buffered_bytes = len(self._file.peek())
        filled = self._file.readinto(buffer[: self._buffered_bytes]) if self._buffered_bytes else 0
        self._buffered_bytes -= filled
        while (left := len(buffer) - filled) and (count := self._socket.recv_into(buffer[filled:], left)):
            filled += count
        return filled

    def close(self) -> None:
        super().close()
        self._file.close()


class Connections:
    """Opens, pools and closes connections; safe to use from many threads."""

    def __init__(self, policy: DownloadPolicy, *, timeout_s: float) -> None:
        self._policy = policy
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str, int], list[tuple[float, HTTPConnection]]] = defaultdict(list)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """All certificates of the world; they take 38 ms to read, which a start need not wait for."""
        return ssl.create_default_context()

    def get(self, url: URL, headers: Mapping[str, str], stop: Stop) -> Answer:
        """Send a GET and return its answer; raises `OSError` and `http.client.HTTPException`."""
        while (kept := self._take(url)) is not None:
            try:
                return self._ask(kept, url, headers, stop)
            except (ConnectionError, HTTPException):
                continue  # the host hung up on an idle connection; asking again is safe
        connection = HTTPConnection(url.raw_host or "", url.port)
        connection.sock = self._connect(url)
        return self._ask(connection, url, headers, stop)

    def _ask(self, connection: HTTPConnection, url: URL, headers: Mapping[str, str], stop: Stop) -> Answer:
        try:
            stop.watch(connection.sock)
            connection.putrequest("GET", url.raw_path_qs, skip_host=True, skip_accept_encoding=True)
            for name, value in ({"Host": url.host_port_subcomponent or ""} | _HEADERS | dict(headers)).items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            if response.length and not response.chunked:
                response.fp = _Body(response.fp, connection.sock)  # type: ignore[assignment]
            return Answer(url, connection, response, self)
        except BaseException:
            connection.close()
            raise

    def _connect(self, url: URL) -> socket.socket:
        """Connect to the first address of the host that may be connected to and answers."""
        failure: OSError | None = None
        forbidden: OSError | None = None
        for info in socket.getaddrinfo(url.raw_host, url.port, type=socket.SOCK_STREAM):
            connected = None
            try:
                connected = self._policy.open_socket(info)
                connected.settimeout(CONNECT_TIMEOUT_S)
                connected.connect(info[4])
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if url.scheme == "https":
                    connected = self._tls.wrap_socket(connected, server_hostname=url.raw_host)
                connected.settimeout(self._timeout_s)
            except ForbiddenAddressError as e:
                forbidden = e
            except OSError as e:
                if connected is not None:
                    connected.close()
                failure = e
            else:
                return connected
        raise failure or forbidden or OSError("the name has no address")

    def _take(self, url: URL) -> HTTPConnection | None:
        """Return an idle connection that seems alive: a host that hung up has made it readable."""
        while True:
            with self._lock:
                kept = self._kept[_place(url)]
                if not kept:
                    return None
                since, connection = kept.pop()
            if time.monotonic() - since < KEPT_S and connection.sock is not None and not _readable(connection.sock):
                return connection
            connection.close()

    def keep(self, url: URL, connection: HTTPConnection) -> None:
        """Keep an idle connection for the next request to its origin."""
        with self._lock:
            kept = self._kept[_place(url)]
            kept.append((time.monotonic(), connection))
            surplus = kept.pop(0)[1] if len(kept) > KEPT_PER_ORIGIN else None
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle = [connection for kept in self._kept.values() for _, connection in kept]
            self._kept.clear()
        for connection in idle:
            connection.close()


def _place(url: URL) -> tuple[str, str, int]:
    return url.scheme, url.raw_host or "", url.port or 0


def _readable(connected: socket.socket) -> bool:
    watch = select.poll()
    with contextlib.suppress(OSError, ValueError):
        watch.register(connected, select.POLLIN)
        return bool(watch.poll(0))
    return True


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
                f"{origin_of(url)} leads to {e}",
                f"if that is meant, list its network in RECEIVER_DOWNLOAD_NETWORKS; {SourceUrlForbiddenError.remedy}",
                refused=origin_of(url),
                setting="RECEIVER_DOWNLOAD_NETWORKS",
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
    after_s = retry_after_s(answer.headers.get("Retry-After"), datetime.now(UTC))
    return SourceUnavailableError(f"{where} answered {status}", retry_after_s=after_s)
