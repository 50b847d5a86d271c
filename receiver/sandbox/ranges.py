"""Conditional and partial requests as S3 answers them: one range at most, other forms get the whole file."""

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.datastructures import Headers

from receiver.sandbox.files import SandboxFile
from receiver.sandbox.s3_errors import S3Error

RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


@dataclass(frozen=True)
class ByteRange:
    """The bytes of an answer: from start up to stop."""

    start: int
    stop: int
    partial: bool

    @property
    def length(self) -> int:
        return self.stop - self.start


def check_conditions(headers: Headers, file: SandboxFile) -> bool:
    """True where the client's copy is current and 304 is the answer."""
    wanted = headers.get("if-match")
    if wanted is not None and not _names(wanted, file.etag):
        raise _failed("If-Match")
    since = _moment(headers.get("if-unmodified-since"))
    if wanted is None and since is not None and file.last_modified.replace(microsecond=0) > since:
        raise _failed("If-Unmodified-Since")
    known = headers.get("if-none-match")
    if known is not None:
        return _names(known, file.etag)
    seen = _moment(headers.get("if-modified-since"))
    return seen is not None and file.last_modified.replace(microsecond=0) <= seen


def choose_span(headers: Headers, file: SandboxFile) -> ByteRange:
    whole = ByteRange(0, file.size_bytes, partial=False)
    asked = headers.get("range")
    match = RANGE.match(asked) if asked else None
    if asked is None or match is None or not _if_range_holds(headers.get("if-range"), file):
        return whole
    first, last = match.groups()
    if not first and not last:
        return whole
    if first:
        start, stop = int(first), min(int(last) + 1, file.size_bytes) if last else file.size_bytes
        if last and int(last) < start:
            return whole
    else:
        start, stop = max(file.size_bytes - int(last), 0), file.size_bytes
    if start >= file.size_bytes:
        raise S3Error(
            416,
            "InvalidRange",
            "The requested range is not satisfiable",
            {"RangeRequested": asked, "ActualObjectSize": str(file.size_bytes)},
            {"Content-Range": f"bytes */{file.size_bytes}"},
        )
    return ByteRange(start, stop, partial=True)


def _if_range_holds(condition: str | None, file: SandboxFile) -> bool:
    if condition is None:
        return True
    if condition.startswith('"'):
        return condition == f'"{file.etag}"'
    return condition == format_datetime(file.last_modified, usegmt=True)


def _names(condition: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in condition.split(",")]
    return "*" in tags or etag in tags


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


def _failed(condition: str) -> S3Error:
    message = "At least one of the pre-conditions you specified did not hold"
    return S3Error(412, "PreconditionFailed", message, {"Condition": condition})
