"""What the bucket can end a job with: its code, and the remedy that operators read."""

from __future__ import annotations

from receiver.errors.base import JobError, Kind, Side


class StoreError(JobError):
    """Something is wrong with the bucket; `operation` is S3's name of what was asked, where it answered."""

    def __init__(
        self,
        happened: str,
        remedy: str | None = None,
        *,
        operation: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(happened, remedy, retry_after_s=retry_after_s)
        self.operation = operation


class StoreUnavailableError(StoreError):
    """Connection refused, time-out, 5xx or SlowDown from the bucket's endpoint."""

    code = "store_unavailable"
    side: Side | None = Side.STORE
    remedy = "where it lasts, look at RECEIVER_S3_ENDPOINT_URL, the network and the store"


class ObjectGoneError(StoreUnavailableError):
    """The store answered 404 for an object or version that was to be read: where a run meets it, it tries anew."""


class StoreRefusedError(StoreError):
    """A 4xx that no other class names, or 501: the store would not take the same request another time."""

    code = "store_refused"
    remedy = (
        "mend what the store's code names, or use a store that has the operation (see `receiver check`), then retry"
    )
    kind = Kind.PERMANENT


class StoreDeniedError(StoreError):
    """403 from the bucket: wrong keys or missing rights."""

    code = "store_denied"
    side: Side | None = Side.STORE
    needs_hand = True
    remedy = (
        "mend the credentials or their rights in the bucket (TooSkewed: this host's clock); if they are in the "
        "service's environment, start it again"
    )


class BucketMissingError(StoreError):
    """The bucket does not exist at this endpoint."""

    code = "bucket_missing"
    side: Side | None = Side.STORE
    needs_hand = True
    remedy = "correct RECEIVER_S3_BUCKET, RECEIVER_S3_REGION or RECEIVER_S3_ENDPOINT_URL and start the service again"


class StoreChecksumError(StoreError):
    """The store's checksum of what it received differs from ours; nothing was archived."""

    code = "store_checksum_mismatch"
    remedy = (
        "the next run starts anew; where it lasts, a proxy changes bodies, or the store is damaged: ask its operator"
    )


class ProofTooWeakError(StoreError):
    """The bucket proves less than `S3_MIN_PROOF` asks for; nothing was stored."""

    code = "proof_too_weak"
    side: Side | None = Side.STORE
    needs_hand = True
    remedy = (
        "use a store that verifies more, or lower RECEIVER_S3_MIN_PROOF (`receiver check` says what this store does) "
        "and start the service again"
    )

    def __init__(self, happened: str, remedy: str | None = None) -> None:
        super().__init__(happened, remedy)
        self.setting = "RECEIVER_S3_MIN_PROOF"


class ObjectConflictError(StoreError):
    """Other bytes came to lie under the key while the file was on its way; they were left untouched."""

    code = "object_conflict"
    remedy = "the next run stores the file beside it; where it lasts, see what else writes there"


class ManifestConflictError(StoreError):
    """Under the manifest's key lies what names another recording, or is no manifest; it was left untouched."""

    code = "manifest_conflict"
    remedy = (
        "see whose it is, and who posted the delivery that named this one; then retry with another "
        "RECEIVER_KEY_TEMPLATE or RECEIVER_S3_PREFIX, or cancel the recording"
    )
    kind = Kind.PERMANENT
