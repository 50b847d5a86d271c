"""A bucket seen with a client of the suite's own: what it refuses, what lies in it, and that nothing of ours stays."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.stores.served import Store


class SeenBucket:
    """Blocking, for threads. All that it makes lies under `prefix`."""

    def __init__(self, store: Store, name: str, prefix: str) -> None:
        self._client = store.client()
        self.store = store
        self.name = name
        self.prefix = prefix

    def made(self, *, keeps_versions: bool = False) -> None:
        """Create the bucket, and have it keep versions if it is to."""
        self._client.create_bucket(Bucket=self.name)
        if keeps_versions:
            status: Any = {"Status": "Enabled"}
            self._client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration=status)

    def guard(self) -> str:
        """Tell which conditional writes the store refuses where the key is taken."""
        key = f"{self.prefix}suite-guard"

        def put() -> None:
            self._client.put_object(Bucket=self.name, Key=key, Body=b"x", IfNoneMatch="*")

        def complete() -> None:
            upload: Any = self._client.create_multipart_upload(Bucket=self.name, Key=key)
            named = {"Bucket": self.name, "Key": key, "UploadId": upload["UploadId"]}
            try:
                part: Any = self._client.upload_part(**named, PartNumber=1, Body=b"y")
                parts: Any = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
                self._client.complete_multipart_upload(**named, MultipartUpload=parts, IfNoneMatch="*")
            except ClientError:
                with contextlib.suppress(ClientError):
                    self._client.abort_multipart_upload(**named)
                raise

        self._client.put_object(Bucket=self.name, Key=key, Body=b"x")
        refused = [word for word, write in (("put", put), ("complete", complete)) if _answer(write) == 412]
        self._removed(key)
        return f"If-None-Match on {' and '.join(refused)}" if refused else "none"

    def versions(self) -> str:
        """Tell whether the store lists an object's versions, of which there is one at least."""
        key = f"{self.prefix}suite-versions"
        self._client.put_object(Bucket=self.name, Key=key, Body=b"x")
        try:
            listed = [version["Key"] for version in self._listed_versions()]
        except ClientError:
            listed = []
        self._removed(key)
        return "listed" if key in listed else "not listed"

    def keys(self) -> set[str]:
        """Return the keys under the prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self.prefix)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}

    def spare_versions(self) -> list[str]:
        """Return the keys of versions and delete markers beside the present objects, where the store lists them."""
        try:
            listed = list(self._listed_versions())
        except ClientError:
            return []
        return [entry["Key"] for entry in listed if not entry["IsLatest"] or "ETag" not in entry]

    def open_uploads(self) -> list[str]:
        """Return the keys of open uploads under the prefix, where the store lists them."""
        try:
            listed = self._client.list_multipart_uploads(Bucket=self.name, Prefix=self.prefix)
        except ClientError:
            return []
        return [upload["Key"] for upload in listed.get("Uploads", []) if upload["Key"].startswith(self.prefix)]

    def sha256(self, key: str) -> str:
        """Read a whole object and hash it."""
        digest = hashlib.sha256()
        for chunk in self._client.get_object(Bucket=self.name, Key=key)["Body"].iter_chunks(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()

    def emptied(self) -> None:
        """Remove all that lies under the prefix."""
        marked = set()
        with contextlib.suppress(ClientError):
            marked = {entry["Key"] for entry in self._listed_versions()}
        for key in marked | self.keys():
            self._removed(key)

    def dropped(self) -> None:
        """Remove the bucket and all that lies in it."""
        self.prefix = ""
        self.emptied()
        for upload in self._client.list_multipart_uploads(Bucket=self.name).get("Uploads", []):
            self._client.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])
        self._client.delete_bucket(Bucket=self.name)

    def _listed_versions(self) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=self.prefix)
        for page in pages:
            yield from (*page.get("Versions", []), *page.get("DeleteMarkers", []))

    def _removed(self, key: str) -> None:
        """Remove an object and its versions; where they are listed, a plain delete would leave a marker."""
        versions = []
        with contextlib.suppress(ClientError):
            versions = [entry["VersionId"] for entry in self._listed_versions() if entry["Key"] == key]
        for version in versions:
            self._client.delete_object(Bucket=self.name, Key=key, VersionId=version)
        if not versions:
            self._client.delete_object(Bucket=self.name, Key=key)


def _answer(write: Callable[[], None]) -> int:
    try:
        write()
    except ClientError as e:
        return int(e.response["ResponseMetadata"]["HTTPStatusCode"])
    return 200
