"""Try a bucket of yours: `python -m tests.stores https://endpoint/bucket [--region NAME]`; see the README.

Credentials come from the AWS chain. Some 70 MB are written under a prefix of their own, `receiver-suite-…/`, and
removed. Exits 1 if something is wrong with the store or the service.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import botocore.session

from tests.stores.suite import examined
from tests.support.stores.served import Store


async def main() -> int:
    """Run the suite, then print what was wrong and the row of the README's table."""
    parser = ArgumentParser(prog="python -m tests.stores", description="Tries a bucket as recordings would use it.")
    parser.add_argument("url", help="endpoint and bucket, as https://s3.example.org/my-bucket")
    parser.add_argument("--region", default=None, help="what requests are signed for; the AWS chain's, or us-east-1")
    parser.add_argument("--name", default=None, help="the store's name in the row")
    asked = parser.parse_args()
    parts = urlsplit(asked.url)
    session = botocore.session.get_session()
    found = session.get_credentials()
    bucket = parts.path.strip("/")
    if found is None or not bucket:
        parser.error("the URL must name a bucket, and the AWS chain credentials")
    keys = found.get_frozen_credentials()
    store = Store(
        name=asked.name or parts.netloc,
        endpoint_url=f"{parts.scheme}://{parts.netloc}",
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        token=keys.token,
        region=asked.region or session.get_config_variable("region") or "us-east-1",
    )
    with tempfile.TemporaryDirectory() as folder:
        seen = await examined(store, bucket, f"receiver-suite-{secrets.token_hex(4)}/", Path(folder))
    for case, proof in seen.proofs.items():
        print(f"{case}: {proof}")
    for fault in seen.faults:
        print(f"WRONG: {fault}")
    print(seen.row(store.name, "seen", f"{datetime.now(UTC):%Y-%m-%d}"))
    return 1 if seen.faults else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
