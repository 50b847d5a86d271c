"""What went wrong at the store, said in this service's own errors."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from receiver import metrics
from receiver.backoff import retry_after_s
from receiver.errors import (
    BucketMissingError,
    KeyTakenError,
    ObjectGoneError,
    ReceiverError,
    StoreChecksumError,
    StoreDeniedError,
    StoreError,
    StoreRefusedError,
    StoreUnavailableError,
    codes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATOR_WAIT_S = 10.0
"""Wrong keys and missing buckets are mended by people: asking more often than this changes nothing."""

_CHECKSUM_CODES = frozenset(
    {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "ChecksumMismatch"}
)
_PASSING_STATUSES = frozenset({408, 409, 425, 429})
_PASSING_CODES = frozenset(
    {
        "NoSuchUpload",
        "NoSuchKey",
        "NoSuchVersion",
        "InvalidPart",
        "IncompleteBody",
        "MalformedTrailerError",
        "RequestTimeout",
        "SlowDown",
    }
)
"""Answers of 4xx that a later run need not meet: an upload or part that is gone, a body that was cut on its way."""
_GONE_CODES = frozenset({"NoSuchKey", "NoSuchVersion"})
_TOO_LARGE = (
    "most likely a proxy before the bucket bounds the body of a request: raise that (nginx: client_max_body_size) "
    "above the size of a part, which is RECEIVER_PART_SIZE_MB, and up to 128 MiB of a file over 512 MiB; then retry"
)
metrics.foresee(metrics.store_errors, "code", codes(StoreError))
_WRONG_PLACE_CODES = frozenset({"NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "301"})


@contextmanager
def translated(operation: str, where: str, *, counts: bool = True) -> Iterator[None]:
    """Turn a library's exception into the error class that names what happened, its cause kept.

    It is counted, unless it is an answer like another where it is met.
    """
    try:
        with _translated(operation, where):
            yield
    except StoreError as e:
        if counts:
            metrics.store_errors.labels(code=e.code).inc()
        raise


@contextmanager
def _translated(operation: str, where: str) -> Iterator[None]:
    try:
        yield
    except ReceiverError:
        raise
    except ClientError as e:
        raise _from_answer(e, operation, where) from e
    except (NoCredentialsError, PartialCredentialsError) as e:
        raise StoreDeniedError(
            f"{operation}: no complete AWS credentials were found",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in AWS_PROFILE, or give the host a role; "
            f"{StoreDeniedError.remedy}",
            retry_after_s=OPERATOR_WAIT_S,
        ) from e
    except ParamValidationError as e:
        raise BucketMissingError(
            f"{operation} {where}: not a valid S3 name or key", retry_after_s=OPERATOR_WAIT_S
        ) from e
    except (BotoCoreError, aiohttp.ClientError, HTTPException, OSError) as e:
        raise StoreUnavailableError(f"{operation} {where}: {type(e).__name__}{_of_host(e)}") from e


def _of_host(error: Exception) -> str:
    """Name the host that was asked, where the library tells; the rest of the URL may be a secret."""
    asked = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url", "")))
    if asked.hostname is None:
        return ""
    return f" of {asked.hostname}{f':{asked.port}' if asked.port else ''}"


def _from_answer(error: ClientError, operation: str, where: str) -> ReceiverError:
    """Choose by the answer's code, then by its status. The store's message stays out: it may quote a request."""
    status, code = status_and_code(error)
    said = f"{operation} {where}: the store answered {status} {code}"
    if status == 412:
        return KeyTakenError(said)
    if code in _WRONG_PLACE_CODES or (operation == "HeadBucket" and status == 404):  # a HEAD's answer has no body
        elsewhere = "the bucket is in another region; " if code in {"PermanentRedirect", "301"} else ""
        return BucketMissingError(said, f"{elsewhere}{BucketMissingError.remedy}", retry_after_s=OPERATOR_WAIT_S)
    if code in _CHECKSUM_CODES:
        return StoreChecksumError(said)
    if status in {401, 403} or code in {"ExpiredToken", "InvalidToken"}:
        return StoreDeniedError(said, operation=operation, retry_after_s=OPERATOR_WAIT_S)
    if (400 <= status < 500 and status not in _PASSING_STATUSES and code not in _PASSING_CODES) or status == 501:
        return StoreRefusedError(said, _TOO_LARGE if status == 413 else None)
    kind = ObjectGoneError if operation == "GetObject" and code in _GONE_CODES else StoreUnavailableError
    return kind(said, retry_after_s=_retry_after_s(error))


def status_and_code(error: ClientError) -> tuple[int, str]:
    """Return the HTTP status and S3's error code of an answer."""
    answer: Any = error.response
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status, str(answer.get("Error", {}).get("Code", ""))


def _retry_after_s(error: ClientError) -> float | None:
    answer: Any = error.response
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return retry_after_s(headers.get("retry-after"), datetime.now(UTC))
