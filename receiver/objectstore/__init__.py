"""The team's bucket: the only part that speaks S3."""

from receiver.objectstore.bucket import Bucket
from receiver.objectstore.client import BucketConfig, open_bucket
from receiver.objectstore.probe import (
    Keeping,
    ProbedBucket,
    StoreSight,
    credentials_source,
    fetched,
    open_probe,
    sight_of,
)

__all__ = [
    "Bucket",
    "BucketConfig",
    "Keeping",
    "ProbedBucket",
    "StoreSight",
    "credentials_source",
    "fetched",
    "open_bucket",
    "open_probe",
    "sight_of",
]
