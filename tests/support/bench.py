"""What benches prepare: a bucket for a service that a test fixture did not set up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from receiver.objectstore import BucketConfig, open_bucket

if TYPE_CHECKING:
    from tests.support.service import Service


async def make_bucket(service: Service) -> None:
    """Make the service's bucket, with the credentials that the service has; this process keeps those."""
    os.environ |= {name: value for name, value in service.environment().items() if name.startswith("AWS_")}
    config = BucketConfig(bucket=service.bucket, endpoint_url=service.seaweed.endpoint_url, region="us-east-1")
    async with open_bucket(config) as bucket:
        await bucket.ensure_bucket()
