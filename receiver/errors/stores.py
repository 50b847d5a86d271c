"""What the bucket can end a job with."""

from __future__ import annotations

from receiver.errors.jobs import JobError, Kind


class StoreUnavailableError(JobError):
    """Connection refused, time-out, 5xx or SlowDown from the bucket's endpoint."""

    code = "store_unavailable"
    remedy = (
        "recordings are tried again by themselves; where it lasts, see RECEIVER_S3_ENDPOINT_URL, the network, the store"
    )


class StoreRefusedError(JobError):
    """A 4xx that no other class names, or 501: the store would not take the same request another time."""

    code = "store_refused"
    remedy = "correct what the store's code names, often RECEIVER_S3_STORAGE_CLASS, _SSE or _KMS_KEY_ID, then retry"
    kind = Kind.PERMANENT


class StoreDeniedError(JobError):
    """403 from the bucket: wrong keys or missing rights. Not this recording's fault, so the try is not counted."""

    code = "store_denied"
    remedy = (
        "mend the credentials or their rights in the bucket (TooSkewed: this host's clock), and all goes on by itself"
    )
    burns_attempt = False


class BucketMissingError(JobError):
    """The bucket does not exist at this endpoint. Not this recording's fault, so the try is not counted."""

    code = "bucket_missing"
    remedy = "correct RECEIVER_S3_BUCKET, RECEIVER_S3_REGION or RECEIVER_S3_ENDPOINT_URL and start the service again"
    burns_attempt = False


class StoreChecksumError(JobError):
    """The store's checksum of what it received differs from ours; nothing was archived."""

    code = "store_checksum_mismatch"
    remedy = "the next run starts anew; where it lasts, the store lacks CRC64NVME or a proxy changes bodies"


class ObjectConflictError(JobError):
    """Other bytes came to lie under the key while the file was on its way; they were left untouched."""

    code = "object_conflict"
    remedy = "the next run stores the file beside it; where it lasts, see what else writes there"
