"""One request and one answer of S3, as the rules of a store see them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from multidict import CIMultiDict

UNSIGNED = "UNSIGNED-PAYLOAD"
_OBJECT_OPERATIONS = {
    "PUT": (("partNumber", "UploadPart"), ("retention", "Retention"), ("legal-hold", "Hold"), ("tagging", "Tagging")),
    "POST": (("uploads", "CreateMultipartUpload"), ("uploadId", "CompleteMultipartUpload")),
    "GET": (("uploadId", "ListParts"), ("attributes", "GetObjectAttributes")),
    "DELETE": (("uploadId", "AbortMultipartUpload"),),
}
_BUCKET_OPERATIONS = {
    "GET": (
        ("versions", "ListObjectVersions"),
        ("uploads", "ListMultipartUploads"),
        ("versioning", "GetBucketVersioning"),
        ("object-lock", "GetObjectLockConfiguration"),
    ),
    "POST": (("delete", "DeleteObjects"),),
}
_PLAIN = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_PLAIN_OF_BUCKET = {"GET": "ListObjectsV2", "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}


@dataclass
class Upload:
    """What the proxy knows of a multipart upload: its parts' sizes by number; `ended` once completed or aborted."""

    key: str
    algorithm: str = ""
    parts: dict[int, int] = field(default_factory=dict)
    ended: bool = False


@dataclass
class Asked:
    """One request, which rules may change before it is signed and sent on. `body` is there unless it is an object's."""

    method: str
    target: str
    headers: CIMultiDict[str]
    body: bytes | None = None
    upload: Upload | None = None
    path: str = field(init=False)
    query: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.path = unquote(parts.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))

    @property
    def key(self) -> str:
        """The object's key; empty where the request is the bucket's."""
        return self.path.lstrip("/").partition("/")[2]

    @property
    def operation(self) -> str:
        """The operation's name in S3's model."""
        named, plain = (_OBJECT_OPERATIONS, _PLAIN) if self.key else (_BUCKET_OPERATIONS, _PLAIN_OF_BUCKET)
        for parameter, operation in named.get(self.method, ()):
            if parameter in self.query:
                return operation
        return plain.get(self.method, self.method)

    @property
    def part(self) -> int:
        """The part's number; 0 where there is none."""
        return int(self.query.get("partNumber", 0))

    @property
    def size_bytes(self) -> int:
        """The size of the object's or part's bytes, without the framing of an aws-chunked body."""
        return int(self.headers.get("x-amz-decoded-content-length") or self.headers.get("Content-Length") or 0)

    def take(self, *names: str) -> None:
        """Take headers out of the request."""
        for name in names:
            self.headers.popall(name, None)

    def rewrite(self, pattern: bytes, by: bytes = b"") -> None:
        """Change the body."""
        if self.body:
            self.body = re.sub(pattern, by, self.body)
            self.headers["Content-Length"] = str(len(self.body))
            self.headers["x-amz-content-sha256"] = UNSIGNED
            self.take("Content-MD5")


@dataclass
class Answer:
    """An answer whose body is held; that of an object is not held, and None."""

    status: int
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: bytes | None = b""


def refusal(status: int, code: str, message: str) -> Answer:
    """Build an S3 error."""
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, CIMultiDict({"Content-Type": "application/xml"}), body.encode())
