from __future__ import annotations

import pytest
from botocore.exceptions import EndpointConnectionError, HTTPClientError

from receiver.errors import StoreUnavailableError
from receiver.objectstore.faults import translated


def message_of(error: Exception) -> str:
    with pytest.raises(StoreUnavailableError) as raised, translated("UploadPart", "a/key part 1"):
        raise error
    said, _, remedy = str(raised.value).partition("; ")
    assert "RECEIVER_S3_ENDPOINT_URL" in remedy
    return said


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:9000/bucket/key", "127.0.0.1:9000"),
        ("https://name:canary@s3.example/bucket/key?X-Amz-Signature=canary", "s3.example"),
    ],
)
def test_a_store_that_is_away_is_named_and_the_rest_of_its_url_is_not(url: str, host: str) -> None:
    away = EndpointConnectionError(endpoint_url=url, error=OSError())
    assert message_of(away) == f"UploadPart a/key part 1: EndpointConnectionError of {host}"


def test_a_failure_that_names_no_host_is_told_without() -> None:
    assert message_of(HTTPClientError(error=OSError())) == "UploadPart a/key part 1: HTTPClientError"
