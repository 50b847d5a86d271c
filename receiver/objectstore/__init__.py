"""The team's bucket: the only part that speaks S3."""

from receiver.objectstore.bucket import Bucket
from receiver.objectstore.client import BucketConfig, open_bucket

__all__ = ["Bucket", "BucketConfig", "open_bucket"]
