"""How the bucket is reached: configuration, and the clients made from it once."""

from __future__ import annotations

import functools
import gzip
import json
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.handlers import add_expect_header
from botocore.loaders import JSONFileLoader, Loader

from receiver.absent import absent
from receiver.objectstore.body import announce_trailer
from receiver.objectstore.bucket import Bucket
from receiver.objectstore.faults import translated
from receiver.objectstore.relay import RelaySession

with absent("httpx", "httpx2"):  # another way to speak HTTP than the one that is used here: 4 MB
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONNECT_TIMEOUT_S = 10
POOL_CONNECTIONS = 64
B = TypeVar("B", bound=Bucket)
OPERATIONS = frozenset(
    {
        *("CreateBucket", "HeadBucket", "GetBucketVersioning", "GetObjectLockConfiguration"),
        "CreateSession",  # the library's own, of directory buckets
        *("ListObjectsV2", "ListObjectVersions", "ListMultipartUploads", "ListParts"),
        *("HeadObject", "GetObject", "PutObject", "DeleteObject", "GetObjectLegalHold", "PutObjectLegalHold"),
        *("GetObjectRetention", "PutObjectRetention"),
        *("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload"),
    }
)
"""What is asked of a store; a client has no other operation."""
_SERVICES = frozenset({"s3", "sts", "portal.sso", "oidc", "signin"})
"""Whose endpoints are asked for: the store's, and those from which credentials come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketConfig:
    """Where the bucket is and how objects are written; credentials come from the standard AWS chain.

    `progress_timeout_s`: a store that neither takes nor sends a byte for so long is given up on.
    `attempts`: how often a request that may be repeated is sent, with the library's backoff between.
    """

    bucket: str
    endpoint_url: str | None = None
    region: str | None = None
    storage_class: str | None = None
    sse: str | None = None
    kms_key_id: str | None = None
    progress_timeout_s: float = 60
    attempts: int = 4


@asynccontextmanager
async def open_bucket(config: BucketConfig) -> AsyncIterator[Bucket]:
    """Yield the bucket; nothing is sent before the first use."""
    async with opened_as(Bucket, config) as bucket:
        yield bucket


@asynccontextmanager
async def opened_as(kind: type[B], config: BucketConfig) -> AsyncIterator[B]:
    """Yield a bucket of this kind."""
    session = get_session()
    session.register_component("data_loader", _loader())
    async with AsyncExitStack() as stack:
        with translated("open", config.bucket):
            plain, once = [
                await stack.enter_async_context(
                    session.create_client(
                        "s3",
                        region_name=config.region,
                        endpoint_url=config.endpoint_url,
                        config=_client_config(config, **options),
                    )
                )
                # a relayed body can be read once: botocore would send a spent one again; and a second
                # CreateMultipartUpload after a lost answer would leave the first upload open
                for options in ({"attempts": config.attempts}, {"attempts": 1, "http_session_cls": RelaySession})
            ]
        # each part would wait a round trip for the store's `100 Continue`
        once.meta.events.unregister("before-call.s3", add_expect_header)
        once.meta.events.register("before-sign.s3.UploadPart", announce_trailer)
        yield kind(
            name=config.bucket,
            client=plain,
            once=once,
            write_options=_write_options(config),
            progress_timeout_s=config.progress_timeout_s,
        )


class _LeanFiles(JSONFileLoader):
    """botocore's reader of its own files, without the manual that stands in them: 4 MB."""

    def load_file(self, file_path: str) -> Any:
        """Return what the file of that name, without its ending, has; None where there is none."""
        for ending, opened in ((".json", open), (".json.gz", gzip.open)):
            with suppress(FileNotFoundError), opened(file_path + ending, "rt", encoding="utf-8") as file:
                return json.load(file, object_hook=_undocumented)
        return None


def _undocumented(item: dict[str, Any]) -> dict[str, Any]:
    if "documentation" in item:  # of some items the library reads it
        item["documentation"] = ""
    return item


def _reduced(model: dict[str, Any]) -> None:
    """Leave of a service's model the `OPERATIONS`, and the shapes that they reach."""
    model["operations"] = {name: one for name, one in model["operations"].items() if name in OPERATIONS}
    reached: dict[str, Any] = {}
    left: list[Any] = list(model["operations"].values())
    while left:
        match left.pop():
            case {"shape": str(name), **more}:
                left.extend(more.values())
                if name not in reached:
                    reached[name] = model["shapes"][name]
                    left.append(reached[name])
            case dict(item):
                left.extend(item.values())
            case list(items):
                left.extend(items)
    model["shapes"] = reached


class _LeanLoader(Loader):
    """botocore's finder of its own data, without the endpoints of 400 other services: 7 MB for as long as it runs.

    Without what nobody asks of S3 it is 2 MB less again.
    """

    FILE_LOADER_CLASS = _LeanFiles

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """Return a service's model; repeated calls return the same."""
        model = super().load_service_model(service_name, type_name, api_version)
        if (service_name, type_name) == ("s3", "service-2"):
            _reduced(model)
        return model

    def load_data_with_path(self, name: str) -> Any:
        """Return the data and where it was found; repeated calls return the same."""
        data, path = super().load_data_with_path(name)
        if name == "endpoints":
            for partition in data["partitions"]:
                services = partition["services"]
                partition["services"] = {known: services[known] for known in services.keys() & _SERVICES}
        return data, path


@functools.cache
def _loader() -> Loader:
    return _LeanLoader()


def _client_config(config: BucketConfig, *, attempts: int, **options: Any) -> AioConfig:
    return AioConfig(
        signature_version="s3v4",
        # TLS and a CRC64NVME guard the body; SigV4's own SHA-256 costs more than all the rest of the copy.
        s3={"payload_signing_enabled": False, "addressing_style": "path" if config.endpoint_url else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=config.progress_timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=POOL_CONNECTIONS,
        proxies={},  # those of the environment are not for this service: neither API nor sources heed them
        **options,
    )


def _write_options(config: BucketConfig) -> dict[str, Any]:
    options = {
        "StorageClass": config.storage_class,
        "ServerSideEncryption": config.sse,
        "SSEKMSKeyId": config.kms_key_id,
    }
    return {name: value for name, value in options.items() if value}
