"""The team's bucket: the only part that speaks S3."""

from receiver.objectstore.bucket import Bucket
from receiver.objectstore.client import BucketConfig, open_bucket
from receiver.objectstore.erasing import erase_files
from receiver.objectstore.locks import LOCK_TRIAL, LockingBucket
from receiver.objectstore.manifests import fetch_manifest, mend_manifest, rewrite_manifest, store_manifest
from receiver.objectstore.person_tombstones import PersonTombstones
from receiver.objectstore.probe import (
    Keeping,
    ProbedBucket,
    StoreSight,
    credentials_source,
    fetched,
    open_probe,
    sight_of,
)
from receiver.objectstore.tombstones import Tombstones
from receiver.objectstore.trial import TRIAL, clear_trials, learn

__all__ = [
    "LOCK_TRIAL",
    "TRIAL",
    "Bucket",
    "BucketConfig",
    "Keeping",
    "LockingBucket",
    "PersonTombstones",
    "ProbedBucket",
    "StoreSight",
    "Tombstones",
    "clear_trials",
    "credentials_source",
    "erase_files",
    "fetch_manifest",
    "fetched",
    "learn",
    "mend_manifest",
    "open_bucket",
    "open_probe",
    "rewrite_manifest",
    "sight_of",
    "store_manifest",
]
