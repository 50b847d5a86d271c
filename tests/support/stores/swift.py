"""OpenStack Swift with its S3 API: proxy, account, container and object server, one device, on loopback."""

from __future__ import annotations

import asyncio
import getpass
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from receiver.sandbox.ports import held_port
from tests.support.stores.installed import python_programs
from tests.support.stores.served import Store, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KINDS = ("account", "container", "object")
_HASHES = """[swift-hash]
swift_hash_path_prefix = a
swift_hash_path_suffix = b
[storage-policy:0]
name = Policy-0
default = yes
"""
_COMMON = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {folder}
workers = 0
log_address = {folder}/no-syslog
devices = {folder}/data
mount_check = false
fallocate_reserve = 0
disable_fallocate = yes
"""
_SERVER = """[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
recon_cache_path = {folder}
"""
_FILTERS = (
    *("catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk", "s3api", "tempauth", "copy", "slo"),
    *("dlo", "versioned_writes", "symlink"),
)
_PROXY = """[pipeline:main]
pipeline = {pipeline} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""
_OPTIONS = {
    "s3api": "location = us-east-1",
    "tempauth": "user_test_tester = testing .admin",
    "versioned_writes": "allow_versioned_writes = true\nallow_object_versioning = true",
}
_RINGS = """
import sys
from swift.common.ring import RingBuilder
for kind, port in zip(sys.argv[1::2], sys.argv[2::2]):
    ring = RingBuilder(4, 1, 1)
    ring.add_dev(dict(id=0, region=1, zone=1, ip="127.0.0.1", port=int(port), device="d1", weight=1))
    ring.rebalance()
    ring.get_ring().save(kind + ".ring.gz")
"""


@asynccontextmanager
async def swift(folder: Path) -> AsyncIterator[Store]:
    """Yield it once all four servers answer. The key is `account:user` of its own test authentication."""
    programs = await python_programs()
    async with AsyncExitStack() as stack:
        ports = {kind: stack.enter_context(held_port()) for kind in (*KINDS, "proxy")}
        (folder / "data" / "d1").mkdir(parents=True)
        _configure(folder, ports)
        named = [word for kind in KINDS for word in (kind, str(ports[kind]))]
        rings = await asyncio.create_subprocess_exec(programs / "python", "-c", _RINGS, *named, cwd=folder)
        assert await rings.wait() == 0
        started = [stack.enter_async_context(_served(programs, kind, port, folder)) for kind, port in ports.items()]
        for starting in started:
            await starting
        url = f"http://127.0.0.1:{ports['proxy']}"
        yield Store(name="OpenStack Swift 2.38.3", endpoint_url=url, access_key="test:tester", secret_key="testing")


def _served(programs: Path, kind: str, port: int, folder: Path):
    program = programs / f"swift-{kind}-server"
    return served(program, folder / f"{kind}.conf", "-v", url=f"http://127.0.0.1:{port}/healthcheck", folder=folder)


def _configure(folder: Path, ports: dict[str, int]) -> None:
    (folder / "swift.conf").write_text(_HASHES)
    for kind, port in ports.items():
        own = _SERVER.format(kind=kind, folder=folder)
        if kind == "proxy":
            own = _PROXY.format(pipeline=" ".join(_FILTERS))
            own += "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n{_OPTIONS.get(name, '')}\n" for name in _FILTERS)
        common = _COMMON.format(port=port, user=getpass.getuser(), folder=folder)
        (folder / f"{kind}.conf").write_text(common + own)
