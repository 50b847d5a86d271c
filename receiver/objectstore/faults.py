"""What went wrong at the store, said in this service's own errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from receiver.errors import (
    BucketMissingError,
    KeyTakenError,
    ReceiverError,
    StoreChecksumError,
    StoreDeniedError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATOR_WAIT_S = 10.0
"""Wrong keys and missing buckets are mended by people: asking more often than this helps nobody."""

_CHECKSUM_CODES = frozenset(
    {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "ChecksumMismatch"}
)
_WRONG_PLACE_CODES = frozenset({"NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "301"})


@contextmanager
def translated(operation: str, where: str) -> Iterator[None]:
    """Turn a library's exception into the error class that names what happened, keeping it as the cause."""
    try:
        yield
    except ReceiverError:
        raise
    except ClientError as e:
        raise _from_answer(e, operation, where) from e
    except (NoCredentialsError, PartialCredentialsError) as e:
        raise StoreDeniedError(f"{operation}: no complete AWS credentials were found", retry_after_s=10) from e
    except ParamValidationError as e:
        raise BucketMissingError(f"{operation} {where}: not a valid S3 name", retry_after_s=OPERATOR_WAIT_S) from e
    except (BotoCoreError, aiohttp.ClientError, OSError) as e:
        raise StoreUnavailableError(f"{operation} {where}: {type(e).__name__}") from e


def _from_answer(error: ClientError, operation: str, where: str) -> ReceiverError:
    """Choose by the answer's code, then by its status. The store's message stays out: it may quote a request."""
    status, code = status_and_code(error)
    said = f"{operation} {where}: the store answered {status} {code}"
    if status == 412:
        return KeyTakenError(said)
    if code in _WRONG_PLACE_CODES:
        hint = (
            "set RECEIVER_S3_REGION to the bucket's region"
            if code in {"PermanentRedirect", "301"}
            else "check RECEIVER_S3_BUCKET"
        )
        return BucketMissingError(f"{said}; {hint}", retry_after_s=OPERATOR_WAIT_S)
    if code in _CHECKSUM_CODES:
        return StoreChecksumError(said)
    if status in {401, 403} or code in {"ExpiredToken", "InvalidToken"}:
        return StoreDeniedError(f"{said}; check the credentials and their rights", retry_after_s=OPERATOR_WAIT_S)
    return StoreUnavailableError(said, retry_after_s=_retry_after_s(error))


def status_and_code(error: ClientError) -> tuple[int, str]:
    """Return the HTTP status and S3's error code of an answer."""
    answer: Any = error.response
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status, str(answer.get("Error", {}).get("Code", ""))


def _retry_after_s(error: ClientError) -> float | None:
    answer: Any = error.response
    value = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")
    return float(value) if value.isdecimal() else None
