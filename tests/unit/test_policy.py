from __future__ import annotations

import socket
from ipaddress import ip_network

import pytest

from receiver.errors import DownloadHostsUnsetError, SourceUrlForbiddenError
from receiver.records import Origin
from receiver.transfer.policy import DownloadPolicy, ForbiddenAddressError

POLICY = DownloadPolicy(
    origins=(Origin("https", "*.amazonaws.com", 443), Origin("http", "127.0.0.1", 9000)),
    networks=(ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")),
)


@pytest.mark.parametrize(
    "url",
    [
        "https://cb-recordings.s3.amazonaws.com/videos/1?Signature=a%2Bb",
        "https://CB.S3.amazonaws.COM:443/videos/1",
        "https://x.s3.amazonaws.com/videos/1?Signature=%ZZ%2&Expires=1",
        "http://127.0.0.1:9000/v",
    ],
)
def test_listed_origins_pass_byte_for_byte(url):
    assert POLICY.check_url(url).raw_path_qs == "/" + url.split("/", 3)[3]


@pytest.mark.parametrize(
    "url",
    [
        "http://x.s3.amazonaws.com/v",  # listed for https only
        "https://x.s3.amazonaws.com:8443/v",
        "https://amazonaws.com/v",
        "https://evilamazonaws.com/v",
        "https://x.amazonaws.com.evil.example/v",
        "https://x.amazonaws.com./v",
        "https://evil.example/?x=.amazonaws.com",
        "https://evil.example#.amazonaws.com",
        "https://user:pass@x.amazonaws.com/v",
        "https://x.amazonaws.com@evil.example/v",
        "https://@x.amazonaws.com/v",
        "https://evil.example\\.amazonaws.com/v",
        "https://x.amazonaws.com/v\r\nHost: evil.example",
        "https://x.amazonaws.com/v v",
        "https://é.amazonaws.com/v",
        "https://[::1/v",
        "https://x.amazonaws.com:99999/v",
        "https://127.0.0.1/v",
        "http://127.0.0.1:9001/v",
        "file:///etc/passwd",
        "ftp://x.amazonaws.com/v",
        "//x.amazonaws.com/v",
        "/v",
        "",
    ],
)
def test_everything_else_is_refused_without_its_query(url):
    with pytest.raises(SourceUrlForbiddenError) as caught:
        POLICY.check_url(url + "?Signature=s3cr3t")
    assert "s3cr3t" not in str(caught.value)


def test_the_refusal_names_origin_and_setting():
    with pytest.raises(
        SourceUrlForbiddenError, match=r"https://files\.example:443 is not in RECEIVER_DOWNLOAD_HOSTS"
    ) as caught:
        POLICY.check_url("https://files.example/v")
    assert (caught.value.refused, caught.value.setting) == ("https://files.example:443", "RECEIVER_DOWNLOAD_HOSTS")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.1.2.3", True),
        ("fd00:1::5", True),
        ("::ffff:10.1.2.3", True),
        ("::ffff:93.184.216.34", True),
        ("10.2.0.1", False),
        ("127.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00:2::1", False),
        ("ff0e::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_only_public_and_listed_addresses_get_a_socket(address, allowed):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    info = (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 443))
    if allowed:
        POLICY.open_socket(info).close()
    else:
        with pytest.raises(ForbiddenAddressError):
            POLICY.open_socket(info)


def test_without_a_list_a_good_url_waits_for_one_and_a_bad_one_is_refused():
    policy = DownloadPolicy(origins=None)
    with pytest.raises(DownloadHostsUnsetError, match=r"https://x\.s3\.amazonaws\.com:443") as caught:
        policy.check_url("https://x.s3.amazonaws.com/v?Signature=canary")
    assert (caught.value.refused, caught.value.setting) == ("https://x.s3.amazonaws.com:443", "RECEIVER_DOWNLOAD_HOSTS")
    assert "canary" not in str(caught.value)
    with pytest.raises(SourceUrlForbiddenError):
        policy.check_url("https://user:pass@x.s3.amazonaws.com/v")
