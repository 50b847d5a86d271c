"""Where a download may go: the origins that are listed, and there only to addresses that are public or listed."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from yarl import URL

from receiver.errors import DownloadHostsUnsetError, SourceUrlForbiddenError

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from receiver.records import Origin

    Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
    AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, Address]


_UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out of IPv6 for addresses of hosts."""
_NEVER_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's platform and metadata service; those of other clouds are link-local or private
        "192.0.0.0/24",  # IETF protocol assignments; Oracle's metadata service is 192.0.0.192
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "198.18.0.0/15",  # benchmarks
        "240.0.0.0/4",  # reserved
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)
"""Addresses that look public, or did to some release of Python, and where no recording is stored."""


class ForbiddenAddressError(OSError):
    """A name or literal led to an address that may not be connected to."""

    def __init__(self) -> None:
        super().__init__("an address that is not public")


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadPolicy:
    """`origins` is DOWNLOAD_HOSTS; `networks`, DOWNLOAD_NETWORKS, are the other addresses that are allowed too.

    Without `origins` nobody has said where the platform keeps its files: a cloud's name alone is anybody's bucket.
    Unless it `allows_public`, only addresses of `networks` are allowed.
    """

    origins: tuple[Origin, ...] | None
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    allows_public: bool = True

    def check_url(self, text: str) -> URL:
        """Return the URL as it will be requested, byte for byte.

        Raises `SourceUrlForbiddenError`, or `DownloadHostsUnsetError` for a URL that might be good.
        """
        if not all("!" <= char <= "~" for char in text) or "\\" in text:
            raise SourceUrlForbiddenError("the download URL has characters that no URL may have")
        try:
            url = URL(text, encoded=True)
            parts = (url.scheme.lower(), (url.host or "").lower(), url.port or 0)
        except ValueError as e:
            raise SourceUrlForbiddenError("the download URL cannot be parsed") from e
        if url.user is not None or url.password is not None or "@" in url.raw_authority:
            raise SourceUrlForbiddenError("the download URL carries a user name; such URLs are never fetched")
        if self.origins is None:
            raise DownloadHostsUnsetError(
                f"a delivery named {origin_of(url)}, and neither API credentials nor RECEIVER_DOWNLOAD_HOSTS are set",
                refused=origin_of(url),
            )
        if not any(origin.matches(*parts) for origin in self.origins):
            raise SourceUrlForbiddenError(
                f"{origin_of(url)} is not in RECEIVER_DOWNLOAD_HOSTS",
                f"add it there if it is the platform's storage; {SourceUrlForbiddenError.remedy}",
                refused=origin_of(url),
                setting="RECEIVER_DOWNLOAD_HOSTS",
            )
        return url

    def open_socket(self, info: AddressInfo) -> socket.socket:
        """Make the socket for an address that `getaddrinfo` returned, which is then connected to; or refuse it."""
        family, kind, protocol, _, address = info
        if not self._allows(_unwrapped(str(address[0]))):
            raise ForbiddenAddressError
        return socket.socket(family, kind, protocol)

    def _allows(self, address: IPv4Address | IPv6Address) -> bool:
        if any(address in network for network in self.networks):
            return True
        if not self.allows_public or any(address in network for network in _NEVER_PUBLIC):
            return False
        if isinstance(address, IPv6Address) and address not in _UNICAST:
            return False
        # the tables of Python differ by its patch release: what they have grown by is in `_NEVER_PUBLIC`
        return address.is_global and not address.is_multicast and not address.is_reserved


def origin_of(url: URL) -> str:
    """Name a URL in messages and logs: its path and query are not for them."""
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host
    return f"{url.scheme}://{host}:{url.port}"


def origin_in(text: str) -> str | None:
    """Name a URL that was not checked yet; None for one that cannot be parsed."""
    try:
        return origin_of(URL(text, encoded=True))
    except ValueError:
        return None


def _unwrapped(text: str) -> IPv4Address | IPv6Address:
    """Read an address; the IPv4 address inside a mapped, 6to4 or NAT64 one is what would be reached."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in IPv6Network("64:ff9b::/96"):
            inner = ip_address(int(address) & 0xFFFFFFFF)  # type: ignore[assignment]
        return inner or address
    return address
