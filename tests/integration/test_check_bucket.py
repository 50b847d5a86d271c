"""`receiver check` names what is wrong with the bucket, and leaves nothing there."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import botocore.session
import pytest
from botocore.config import Config

from receiver.app.check import Health
from receiver.app.check.bucket import bucket_findings
from receiver.app.check.findings import collected
from tests.support.checking import bad, expect, found_by, settings_of
from tests.support.store_proxy import Rule, StoreProxy, s3_error

PUT = r"^PUT /[^?]*/[0-9a-f]{12}(\?| )"
BEGIN = r"^POST /[^?]*-multipart\?uploads"
TRIAL_PUT = r"^PUT /[^?]*-trial(\?| )"
TRIAL_COMPLETE = r"^POST /[^?]*-trial\?.*uploadId="
TRIAL_COMPLETE_LARGE = r"^POST /[^?]*-trial-large\?.*uploadId="
STORED = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n'
_RESULT = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
COMPLETED = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(_RESULT) + _RESULT
NAME = "check-bucket"


def settings(seaweed, **changes):
    own = {"S3_BUCKET": NAME, "S3_ENDPOINT_URL": seaweed.endpoint_url, "S3_REGION": "us-east-1"}
    return settings_of(**own | changes)


@pytest.fixture(scope="module")
def admin(seaweed):
    """Make one bucket for all tests here: a client that needs no event loop outlives each of them."""
    client = botocore.session.get_session().create_client(
        "s3",
        region_name=seaweed.region,
        endpoint_url=seaweed.endpoint_url,
        aws_access_key_id=seaweed.access_key,
        aws_secret_access_key=seaweed.secret_key,
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=NAME)
    yield client
    client.delete_bucket(Bucket=NAME)
    client.close()


@pytest.fixture
def store(admin, aws_env):
    """Give the bucket to a test, without policy and empty, and empty it again."""
    yield admin
    keys, uploads = left_in(admin)
    for key, upload_id in uploads:
        admin.abort_multipart_upload(Bucket=NAME, Key=key, UploadId=upload_id)
    for key in keys:
        admin.delete_object(Bucket=NAME, Key=key)


@pytest.fixture
def look(seaweed, store):
    """Check the bucket with these settings changed."""

    async def found(**changes):
        return await found_by(bucket_findings(settings(seaweed, **changes)))

    return found


@pytest.fixture
def proxied(seaweed, store):
    """Check the bucket through a proxy with these rules."""

    async def found(*rules):
        async with StoreProxy(seaweed.endpoint_url) as proxy:
            proxy.rules[:] = rules
            return await found_by(bucket_findings(settings(seaweed, S3_ENDPOINT_URL=proxy.endpoint_url)))

    return found


def allow(store, effect, *actions):
    """Give the bucket a policy of one statement, for everybody."""
    resources = [f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"]
    statement = {"Effect": effect, "Principal": "*", "Action": list(actions), "Resource": resources}
    store.put_bucket_policy(Bucket=NAME, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def left_in(store):
    """Return keys and open uploads, after the test's policy gave way to one that denies nothing here."""
    allow(store, "Deny", "s3:GetBucketLocation")
    keys = [entry["Key"] for entry in store.list_objects_v2(Bucket=NAME).get("Contents", [])]
    uploads = store.list_multipart_uploads(Bucket=NAME).get("Uploads", [])
    return keys, [(upload["Key"], upload["UploadId"]) for upload in uploads]


async def test_a_good_bucket_is_ok_line_by_line_and_nothing_is_left(look, store):
    found = await look()
    assert bad(found) == set()
    assert len(found) == 14
    assert left_in(store) == ([], [])


async def test_a_versioned_bucket_keeps_no_version_of_the_check(seaweed, bucket):
    await bucket._client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    found = await found_by(bucket_findings(settings(seaweed, S3_BUCKET=bucket.name)))
    assert bad(found) == set()
    expect(found, "bucket versions", Health.OK, "versioning: Enabled")
    expect(found, "bucket object lock", Health.OK, "off")
    listed = await bucket._client.list_object_versions(Bucket=bucket.name)
    assert (listed.get("Versions", []), listed.get("DeleteMarkers", [])) == ([], [])


async def test_without_a_right_to_delete_what_stays_is_named_and_under_the_root_of_all_keys(look, store):
    allow(store, "Deny", "s3:DeleteObject", "s3:DeleteObjectVersion")
    found = await look(S3_PREFIX="team/")
    keys, uploads = left_in(store)
    assert uploads == []
    assert len(keys) == 4
    assert all(key.startswith("team/recordings/.receiver-check/") for key in keys)
    expect(found, "bucket delete", Health.OK, "may not delete", "left behind", *keys)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AWS_ACCESS_KEY_ID", "AKIAWRONGWRONGWRONG0", ["InvalidAccessKeyId", "correct AWS_ACCESS_KEY_ID"]),
        ("AWS_SECRET_ACCESS_KEY", "wrong", ["SignatureDoesNotMatch", "correct AWS_SECRET_ACCESS_KEY"]),
    ],
    ids=["wrong key id", "wrong secret"],
)
async def test_wrong_keys(look, monkeypatch, variable, value, words):
    monkeypatch.setenv(variable, value)
    found = await look()
    expect(found, "bucket", Health.WRONG, *words)
    expect(found, "bucket rights", Health.SKIPPED)


async def test_no_credentials(look, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    expect(await look(), "bucket credentials", Health.WRONG, "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "role")


async def test_half_of_the_credentials(look, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    expect(await look(), "bucket credentials", Health.WRONG, "AWS_SECRET_ACCESS_KEY")


async def test_no_such_bucket(look):
    found = await look(S3_BUCKET="not-there-at-all")
    expect(found, "bucket", Health.WRONG, "NoSuchBucket", "create the bucket, or correct RECEIVER_S3_BUCKET")


async def test_a_bucket_of_somebody_else(look, store):
    allow(store, "Deny", "s3:ListBucket", "s3:PutObject", "s3:GetObject")
    expect(
        await look(),
        "bucket",
        Health.WRONG,
        "403 AccessDenied",
        "RECEIVER_S3_BUCKET",
        "someone else's",
        "s3:ListBucket",
    )


async def test_nobody_at_the_endpoint(look):
    found = await look(S3_ENDPOINT_URL="http://127.0.0.1:1")
    expect(found, "bucket", Health.WRONG, "EndpointConnectionError of 127.0.0.1:1", "RECEIVER_S3_ENDPOINT_URL", "reach")


async def test_something_else_at_the_endpoint(look, sandbox):
    found = await look(S3_ENDPOINT_URL=sandbox.url)
    expect(found, "bucket", Health.WRONG, "no S3 store answered", "RECEIVER_S3_ENDPOINT_URL")


async def test_a_store_that_is_silent_is_given_up_on(seaweed, store):
    async with StoreProxy(seaweed.endpoint_url) as proxy:
        proxy.rules.append(Rule("PUT", stall_after=0))
        findings = bucket_findings(settings(seaweed, S3_ENDPOINT_URL=proxy.endpoint_url))
        found = await asyncio.wait_for(collected("bucket", findings, deadline_s=1), 15)
    expect(found[-1:], "bucket", Health.WRONG, "no answer within 1 s after `bucket ")
    assert left_in(store) == ([], [])


@pytest.mark.parametrize(
    ("actions", "name", "state", "words"),
    [
        (["s3:PutObject"], "bucket put", Health.WRONG, ["403 AccessDenied", "s3:PutObject"]),
        (["s3:GetObject"], "bucket put", Health.WRONG, ["HeadObject", "s3:GetObject"]),
        (["s3:GetObject"], "bucket download", Health.WRONG, ["403", "s3:GetObject"]),
        (["s3:CreateMultipartUpload"], "bucket multipart", Health.WRONG, ["CreateMultipartUpload", "s3:PutObject"]),
        (["s3:UploadPart"], "bucket multipart", Health.WRONG, ["UploadPart", "s3:PutObject"]),
        (["s3:ListMultipartUploadParts"], "bucket multipart", Health.WRONG, ["s3:ListMultipartUploadParts"]),
        (["s3:ListBucketMultipartUploads"], "bucket open uploads", Health.WARNING, ["s3:ListBucketMultipartUploads"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
async def test_a_right_that_is_missing(look, store, actions, name, state, words):
    allow(store, "Deny", *actions)
    expect(await look(), name, state, *words)
    assert left_in(store) == ([], [])


async def test_no_right_to_abort_names_the_upload_that_stays_open(look, store):
    allow(store, "Deny", "s3:AbortMultipartUpload")
    found = await look()
    expect(found, "bucket abort", Health.WRONG, "s3:AbortMultipartUpload")
    ((key, _),) = left_in(store)[1]
    expect(found, "bucket delete", Health.WARNING, key, "s3:AbortMultipartUpload")


async def test_a_bucket_that_anybody_may_read(look, store):
    allow(store, "Allow", "s3:GetObject")
    expect(await look(), "bucket download", Health.WRONG, "anybody may read", "block public access")


@pytest.mark.parametrize(
    "rules",
    [
        [
            Rule(
                r"^HEAD /[^/?]* ",
                answer=b"HTTP/1.1 200 OK\r\nx-amz-bucket-region: eu-west-3\r\nContent-Length: 0\r\n\r\n",
            )
        ],
        [Rule(r".", times=99, answer=s3_error(301, "PermanentRedirect", "x-amz-bucket-region: eu-west-3\r\n"))],
        [
            Rule(
                r".",
                times=99,
                answer=s3_error(400, "AuthorizationHeaderMalformed", "x-amz-bucket-region: eu-west-3\r\n"),
            )
        ],
    ],
    ids=["told", "redirected", "malformed"],
)
async def test_another_region(proxied, rules):
    found = await proxied(*rules)
    name = "bucket region" if len(found) > 5 else "bucket"
    expect(found, name, Health.WRONG, "set RECEIVER_S3_REGION=eu-west-3")


async def test_a_clock_that_the_store_refuses(proxied):
    date = (datetime.now(UTC) - timedelta(hours=2)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    found = await proxied(Rule(".", times=99, answer=s3_error(403, "RequestTimeTooSkewed", f"Date: {date}\r\n")))
    expect(found, "bucket clock", Health.WRONG, "120 minutes ahead of", "set the clock", "NTP")
    expect(found, "bucket", Health.WRONG, "RequestTimeTooSkewed", "clock")


@pytest.mark.parametrize("answer", [STORED, s3_error(501, "NotImplemented")], ids=["ignored", "not known"])
async def test_a_store_without_conditional_puts(proxied, answer):
    found = await proxied(Rule(TRIAL_PUT, times=3), Rule(TRIAL_PUT, answer=answer))
    guard = "bucket overwrite guard"
    expect(
        found, guard, Health.WARNING, "overwriting is not excluded by this store", "PutObject heeds no If-None-Match"
    )
    assert bad(found) == {guard}


async def test_a_store_that_completes_onto_an_object(proxied):
    found = await proxied(Rule(TRIAL_COMPLETE, answer=COMPLETED))
    expect(found, "bucket overwrite guard", Health.WARNING, "overwriting is not excluded", "CompleteMultipartUpload")


async def test_a_store_that_ignores_the_checksum_of_a_put(proxied):
    found = await proxied(Rule(TRIAL_PUT, times=2), Rule(TRIAL_PUT, times=99, answer=STORED))
    expect(found, "bucket proof", Health.WARNING, "up to 2 MiB is proven by reading it back", "read once, whole")


async def test_a_store_that_ignores_the_checksum_of_an_upload(proxied):
    found = await proxied(Rule(TRIAL_COMPLETE_LARGE, times=99, answer=COMPLETED))
    expect(found, "bucket proof", Health.OK, "CRC64NVME over the whole object", "a larger one by the store's SHA-256")


async def test_a_proof_that_is_asked_for_and_not_given(seaweed, store):
    async with StoreProxy(seaweed.endpoint_url) as proxy:
        proxy.rules[:] = [Rule(TRIAL_PUT, times=2), Rule(TRIAL_PUT, times=99, answer=STORED)]
        changed = settings(seaweed, S3_ENDPOINT_URL=proxy.endpoint_url, S3_MIN_PROOF="crc32")
        found = await found_by(bucket_findings(changed))
    expect(found, "bucket proof", Health.WRONG, "RECEIVER_S3_MIN_PROOF=crc32", "set RECEIVER_S3_MIN_PROOF=read-back")


async def test_a_proxy_that_bounds_bodies(proxied):
    found = await proxied(Rule(r"^PUT .*partNumber", times=9, answer=s3_error(413, "413")))
    expect(found, "bucket multipart", Health.WRONG, "413", "client_max_body_size", "RECEIVER_PART_SIZE_MB")


async def test_a_storage_class_that_the_store_does_not_know(proxied):
    found = await proxied(Rule(PUT, answer=s3_error(400, "InvalidStorageClass")))
    expect(found, "bucket put", Health.WRONG, "InvalidStorageClass", "RECEIVER_S3_STORAGE_CLASS")


async def test_an_upload_whose_beginning_was_not_confirmed_is_ended(proxied, store):
    found = await proxied(Rule(BEGIN, lose_answer=True))
    expect(found, "bucket multipart", Health.WRONG, "CreateMultipartUpload")
    assert left_in(store) == ([], [])


async def test_a_store_that_does_not_keep_what_it_confirmed(proxied):
    found = await proxied(Rule(PUT, answer=STORED))
    expect(found, "bucket put", Health.WRONG, "then did not find it")
