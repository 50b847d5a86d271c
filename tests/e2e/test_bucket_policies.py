"""The bucket policies of `deploy/`, applied by the commands in `deploy/README.md`, in a store that enforces them.

moto names one action otherwise than AWS does: HeadBucket, which AWS allows by s3:ListBucket.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import botocore.session
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from receiver.objectstore import BucketConfig, open_bucket
from receiver.objectstore.client import OPERATIONS
from tests.support.databases import ON_SQLITE
from tests.support.service import make_meeting
from tests.support.stores.small import moto

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.service import Service
    from tests.support.stores.served import Store

DEPLOY = Path(__file__).parents[2] / "deploy"
BUCKET, KEY, ELSEWHERE = "team-recordings", "recordings/a", "payroll/a"
WHO = ("writer", "reader", "eraser", "lock")

OBJECT = {"Bucket": BUCKET, "Key": KEY}
PUT = ("put_object", {**OBJECT, "Body": b"x"})
GET = ("get_object", OBJECT)
LIST = ("list_objects_v2", {"Bucket": BUCKET})
VERSIONS = ("list_object_versions", {"Bucket": BUCKET})
DELETE = ("delete_object", OBJECT)
DELETE_VERSION = ("delete_object", {**OBJECT, "VersionId": "0"})
BEGIN = ("create_multipart_upload", OBJECT)
UPLOADS = ("list_multipart_uploads", {"Bucket": BUCKET})
NOBODY_MAY = [
    ("put_object", {**OBJECT, "Key": ELSEWHERE, "Body": b"x"}),
    ("get_object", {**OBJECT, "Key": ELSEWHERE}),
    ("delete_object", {**OBJECT, "Key": ELSEWHERE}),
    ("create_multipart_upload", {**OBJECT, "Key": ELSEWHERE}),
    ("list_objects_v2", {"Bucket": "other-bucket"}),
    ("put_object_acl", {**OBJECT, "ACL": "public-read"}),
    ("put_object_tagging", {**OBJECT, "Tagging": {"TagSet": []}}),
    ("put_bucket_versioning", {"Bucket": BUCKET, "VersioningConfiguration": {"Status": "Suspended"}}),
    ("get_bucket_policy", {"Bucket": BUCKET}),
    ("put_bucket_policy", {"Bucket": BUCKET, "Policy": "{}"}),
    ("delete_bucket_lifecycle", {"Bucket": BUCKET}),
    ("delete_public_access_block", {"Bucket": BUCKET}),
    ("delete_bucket", {"Bucket": BUCKET}),
    ("create_bucket", {"Bucket": "another"}),
    ("list_buckets", {}),
]
MAY_NOT = {
    "writer": NOBODY_MAY,
    "reader": [*NOBODY_MAY, PUT, DELETE, DELETE_VERSION, BEGIN, UPLOADS],
    "eraser": [*NOBODY_MAY, PUT, BEGIN, UPLOADS],
    "lock": [*NOBODY_MAY, PUT, GET, LIST, VERSIONS, DELETE, DELETE_VERSION, BEGIN, UPLOADS],
}
MAY = {
    "writer": [PUT, GET, LIST, VERSIONS, UPLOADS, DELETE],
    "reader": [GET, LIST, VERSIONS],
    "eraser": [GET, LIST, VERSIONS, DELETE],
    "lock": [],
}


def commands() -> list[list[str]]:
    """Return the `aws …` commands of the chapter, as words."""
    (block,) = re.findall(r"```sh\n(aws .*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL)
    return [shlex.split(line) for line in block.splitlines()]


def value_of(text: str) -> Any:
    """Read an option's value as the AWS command line does: a file's content, `A=b,C=d`, or the text."""
    if text.startswith("file://"):
        content = (DEPLOY.parent / text.removeprefix("file://")).read_text()
        return content if "policies" in text else json.loads(content)
    if "=" not in text:
        return text
    pairs = (pair.partition("=") for pair in text.split(","))
    return {name: {"true": True}.get(value, value) for name, _, value in pairs}


class Account:
    """An AWS account at moto, set up by the chapter's commands."""

    def __init__(self, store: Store) -> None:
        self.url = store.endpoint_url
        self.keys: dict[str, dict[str, str]] = {}
        root = {service: self.client(service, "AKIAROOT", "x") for service in ("s3api", "iam")}
        self._run(root, [word.replace(BUCKET, "other-bucket") for word in commands()[0]])
        for who in WHO:
            for words in commands():
                if who == WHO[0] or words[1] == "iam":
                    self._run(root, [word.replace("writer", who) for word in words])
        root["s3api"].put_object(Bucket=BUCKET, Key=ELSEWHERE, Body=b"x")

    def _run(self, clients: dict[str, Any], words: list[str]) -> None:
        _, service, operation, *rest = words
        client = clients[service]
        names = {xform_name(name, "-"): name for name in client.meta.service_model.operation_names}
        members = client.meta.service_model.operation_model(names[operation]).input_shape.members
        options = {xform_name(member, "-"): member for member in members}
        values = {options[name.removeprefix("--")]: value_of(text) for name, text in zip(rest[::2], rest[1::2])}  # noqa: B905
        if "PolicyDocument" in values:
            values["PolicyDocument"] = values["PolicyDocument"].replace(
                '"s3:ListBucket"', '"s3:ListBucket", "s3:HeadBucket"'
            )
        answer = getattr(client, operation.replace("-", "_"))(**values)
        if "AccessKey" in answer:
            self.keys[answer["AccessKey"]["UserName"].removeprefix("receiver-")] = answer["AccessKey"]

    def client(self, service: str, key_id: str, secret: str) -> Any:
        return botocore.session.get_session().create_client(
            "s3" if service == "s3api" else service,
            region_name="eu-central-1",
            endpoint_url=self.url,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def of(self, who: str) -> dict[str, str]:
        key = self.keys[who]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def refused(self, who: str, operation: str, parameters: dict[str, Any]) -> bool:
        key = self.keys[who]
        try:
            getattr(self.client("s3", key["AccessKeyId"], key["SecretAccessKey"]), operation)(**parameters)
        except ClientError as e:
            return bool(e.response["ResponseMetadata"]["HTTPStatusCode"] == 403)
        return False


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[Account]:
    async with moto(tmp_path) as store:
        made = await asyncio.to_thread(Account, store)
        asked = f"{store.endpoint_url}/moto-api/reset-auth"
        async with aiohttp.ClientSession() as http, http.post(asked, data=b"0") as answer:
            assert answer.status == 200, "from here on moto asks the policies"
        yield made


def test_the_policy_of_locks_grants_what_is_asked_of_them_and_no_other_does() -> None:
    """Looked at as text: moto lets who may PutObject set a hold and a retention too."""
    granted = {
        who: {action for one in json.loads(path.read_text())["Statement"] for action in one["Action"]}
        for who, path in ((who, DEPLOY / "policies" / f"{who}.json") for who in WHO)
    }
    asked = {f"s3:{name}" for name in OPERATIONS if name.endswith(("LegalHold", "Retention"))}
    bypass = "s3:BypassGovernanceRetention"
    assert granted["lock"] == {*asked, bypass}
    assert {who: granted[who] & granted["lock"] for who in WHO[:3]} == {
        "writer": set(),
        "reader": set(),
        "eraser": {bypass},
    }


async def test_each_may_do_what_its_policy_says_and_nothing_else(account: Account) -> None:
    for who in WHO:
        assert [may[0] for may in MAY[who] if await asyncio.to_thread(account.refused, who, *may)] == []
        assert [no for no in MAY_NOT[who] if not await asyncio.to_thread(account.refused, who, *no)] == []
        assert not await asyncio.to_thread(account.refused, "writer", *PUT)  # for the next to find


@ON_SQLITE  # the database is not what is asked here
async def test_the_service_checks_archives_and_takes_back_with_the_writers_policy(
    account: Account, service: Service, sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.environ |= account.of("writer") | {
        "RECEIVER_S3_ENDPOINT_URL": account.url,
        "RECEIVER_S3_BUCKET": BUCKET,
        "RECEIVER_S3_REGION": "eu-central-1",
        "RECEIVER_PART_SIZE_MB": "5",
    }
    made = await make_meeting(sandbox, {"kind": "mp4"}, {"kind": "generated", "size_bytes": 12_000_000})
    async with service:
        await service.post(json.dumps(made["payload"]).encode())
        first, second = await service.until_archived(2, timeout_s=120)
        code, said, wrong = await service.ran("check", "--json")
        rows = [row for row in json.loads(said)["checks"] if row["name"].startswith("bucket")]
        # moto fails on any signed URL once it asks policies: it wants the header
        assert [row for row in rows if row["state"] == "wrong" and row["name"] != "bucket download"] == [], (
            code,
            wrong,
        )
        assert len(rows) > 8
    for name, value in account.of("eraser").items():
        monkeypatch.setenv(name, value)
    config = BucketConfig(bucket=BUCKET, endpoint_url=account.url, region="eu-central-1")
    async with open_bucket(config) as eraser:
        await eraser.delete(first["archive"]["key"])
        assert await eraser.head(first["archive"]["key"]) is None
    service.environ |= account.of("reader")
    code, _, wrong = await service.ran("recordings", "download", second["id"], "--output", str(service.folder / "got"))
    assert code == 0, wrong
