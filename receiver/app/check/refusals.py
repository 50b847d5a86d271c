"""For `receiver check`: what an operator does about a refusal of the store, by the code that it answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.errors import BucketMissingError, StoreDeniedError
from receiver.objectstore import sight_of

if TYPE_CHECKING:
    from receiver.errors import JobError
    from receiver.objectstore import StoreSight

NO_CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with AWS_PROFILE, or give this machine a role"
)
_CLOCK = "set this machine's clock, and keep it with NTP"
_REGION = "set RECEIVER_S3_REGION to the bucket's region"
_BY_CODE = {
    "InvalidAccessKeyId": "correct AWS_ACCESS_KEY_ID: the store does not know this key's id",
    "SignatureDoesNotMatch": "correct AWS_SECRET_ACCESS_KEY: it is not the secret of this key's id",
    "ExpiredToken": "renew the temporary credentials (AWS_SESSION_TOKEN)",
    "InvalidToken": "correct AWS_SESSION_TOKEN, or unset it where the key is a lasting one",
    "RequestTimeTooSkewed": _CLOCK,
    "NoSuchBucket": "create the bucket, or correct RECEIVER_S3_BUCKET",
    "InvalidBucketName": "correct RECEIVER_S3_BUCKET",
    "PermanentRedirect": _REGION,
    "301": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "InvalidStorageClass": "correct RECEIVER_S3_STORAGE_CLASS: this store has no such class",
    "InvalidEncryptionAlgorithmError": "correct RECEIVER_S3_SSE: this store does not encrypt so",
}
_RIGHTS = {
    "PutObject": "s3:PutObject under the prefix (and the use of the KMS key, where one is set)",
    "HeadObject": "s3:GetObject under the prefix",
    "CreateMultipartUpload": "s3:PutObject under the prefix",
    "UploadPart": "s3:PutObject under the prefix",
    "CompleteMultipartUpload": "s3:PutObject under the prefix",
    "ListParts": "s3:ListMultipartUploadParts under the prefix",
    "AbortMultipartUpload": "s3:AbortMultipartUpload under the prefix",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads on the bucket",
}


def bucket_remedy(error: JobError) -> str:
    """Return what to do where the bucket itself could not be used."""
    sight = sight_of(error)
    if sight is None:
        if isinstance(error, StoreDeniedError):
            return NO_CREDENTIALS
        if isinstance(error, BucketMissingError):
            return "correct RECEIVER_S3_BUCKET"
        return "correct RECEIVER_S3_ENDPOINT_URL, or let this machine reach it (name, port, TLS, firewall)"
    return region_remedy(sight) or _BY_CODE.get(
        sight.code,
        "correct RECEIVER_S3_BUCKET where it is someone else's, or allow this identity s3:ListBucket on it"
        if sight.status == 403
        else "correct RECEIVER_S3_ENDPOINT_URL: what answers there is no S3 store, or is not well",
    )


def right_remedy(error: JobError, write_settings: str = "") -> str:
    """Return what to do where one operation failed on a bucket that answers others; `write_settings` asked for more."""
    sight = sight_of(error)
    if sight is not None and (known := _BY_CODE.get(sight.code)):
        return known
    if isinstance(error, StoreDeniedError):
        return f"allow this identity {_RIGHTS.get(error.operation or '', 'the operation')}"
    asked = f"unset {write_settings}, which this store may lack, or " if write_settings else ""
    if sight is not None and sight.status == 413:
        return error.remedy
    if sight is not None and sight.status in {400, 405, 501}:
        return f"{asked}use a store that has what its answer names as lacking"
    return f"{asked}look at the store: it could not do this now"


def region_remedy(sight: StoreSight) -> str:
    """Name the region that the store told, where it answered that requests belong elsewhere."""
    known = _BY_CODE.get(sight.code) == _REGION
    return f"set RECEIVER_S3_REGION={sight.region}" if known and sight.region else ""
