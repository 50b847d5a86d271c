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
        ("64:ff9b::5db8:d822", True),  # 93.184.216.34 behind a network's own NAT64
        ("2002:5db8:d822::1", True),  # and by 6to4
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::", False),
        ("2001:0:5db8:d822::1", False),  # Teredo
        ("64:ff9b:1::5db8:d822", False),  # a NAT64 of somebody's own: list it
        ("::93.184.216.34", False),
        ("::ffff:0:5db8:d822", False),
        ("100::1", False),
        ("4000::1", False),
        ("fec0::1", False),
        ("5f00::1", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("2001:20::1", False),
        ("3fff:fff::1", False),
        ("3fff:1000::1", True),
        ("2a00:1450:4001::1", True),
        ("198.18.0.1", False),
        ("198.19.255.255", False),
        ("198.20.0.1", True),
        ("192.0.0.9", False),
        ("192.0.0.192", False),
        ("192.0.2.1", False),
        ("198.51.100.1", False),
        ("203.0.113.1", False),
        ("192.88.99.1", False),
        ("239.1.1.1", False),
        ("240.0.0.1", False),
        ("100.127.255.255", False),
        ("100.128.0.1", True),
        ("168.63.129.16", False),  # Azure
        ("168.63.129.17", True),
        ("::ffff:168.63.129.16", False),
        ("100.100.100.200", False),  # Alibaba
        ("169.254.170.2", False),  # credentials of an ECS task
        ("fd00:ec2::254", False),
        ("fd20:ce::254", False),  # Google
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


@pytest.mark.parametrize(
    "address", ["168.63.129.16", "100.100.100.200", "198.18.0.1", "64:ff9b:1::5db8:d822", "3fff::1"]
)
def test_an_address_that_is_listed_is_allowed_whatever_it_is(address):
    policy = DownloadPolicy(origins=(), networks=(ip_network(address),))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    policy.open_socket((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 443))).close()


def test_without_a_list_a_good_url_waits_for_one_and_a_bad_one_is_refused():
    policy = DownloadPolicy(origins=None)
    with pytest.raises(DownloadHostsUnsetError, match=r"https://x\.s3\.amazonaws\.com:443") as caught:
        policy.check_url("https://x.s3.amazonaws.com/v?Signature=canary")
    assert (caught.value.refused, caught.value.setting) == ("https://x.s3.amazonaws.com:443", "RECEIVER_DOWNLOAD_HOSTS")
    assert "canary" not in str(caught.value)
    with pytest.raises(SourceUrlForbiddenError):
        policy.check_url("https://user:pass@x.s3.amazonaws.com/v")
