"""Signs and verifies download URLs as S3 does, in both query forms."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from receiver.sandbox.s3_errors import S3Error, access_denied
from receiver.sandbox.wire import stamp_s

BUCKET = "cb-recordings"
REGION = "us-east-1"
CACHE_CONTROL = "max-age=604800"
ALGORITHM = "AWS4-HMAC-SHA256"
AMZ_DATE = "%Y%m%dT%H%M%SZ"
LONGEST_V4_S = 604800
EARLIEST = timedelta(minutes=15)  # how far ahead of the store's clock a signature's date may be


@dataclass(frozen=True)
class SignedRequest:
    """What a signature speaks for, beside its own parameters."""

    method: str
    host: str
    path: str


def _encoded(text: str, safe: str = "-_.~") -> str:
    return quote(text, safe=safe)


class Signer:
    def __init__(self, access_key: str, secret_key: str) -> None:
        self._access_key = access_key
        self._secret = secret_key.encode()

    def sign_v2(self, origin: str, path: str, lifetime_s: int, now: datetime) -> str:
        expires = int(now.timestamp()) + lifetime_s
        signature = self._v2("GET", path, str(expires), CACHE_CONTROL)
        return (
            f"{origin}{_encoded(path, '/-_.~')}?AWSAccessKeyId={self._access_key}&Expires={expires}"
            f"&Signature={_encoded(signature)}&response-cache-control={_encoded(CACHE_CONTROL)}"
        )

    def sign_v4(self, origin: str, path: str, lifetime_s: int, now: datetime) -> str:
        date = now.astimezone(UTC).strftime(AMZ_DATE)
        query = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD",
            "X-Amz-Credential": f"{self._access_key}/{date[:8]}/{REGION}/s3/aws4_request",
            "X-Amz-Date": date,
            "X-Amz-Expires": str(lifetime_s),
            "X-Amz-SignedHeaders": "host",
            "response-cache-control": CACHE_CONTROL,
            "x-id": "GetObject",
        }
        host = origin.partition("://")[2]
        query["X-Amz-Signature"] = self._v4(SignedRequest("GET", host, path), query)
        ordered = "&".join(f"{name}={_encoded(query[name])}" for name in sorted(query))
        return f"{origin}{_encoded(path, '/-_.~')}?{ordered}"

    def verify(self, target: SignedRequest, query: Mapping[str, str], now: datetime) -> str:
        """Returns the signature, which is the URL's identity; raises `S3Error` where S3 would refuse."""
        if "X-Amz-Algorithm" in query:
            return self._verify_v4(target, query, now)
        if "Signature" in query:
            return self._verify_v2(target, query, now)
        raise access_denied("Access Denied")

    def _verify_v2(self, target: SignedRequest, query: Mapping[str, str], now: datetime) -> str:
        expires = query.get("Expires", "")
        if query.get("AWSAccessKeyId") != self._access_key:
            raise S3Error(
                403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
            )
        if not expires.isdecimal() or len(expires) > 11:
            raise access_denied("Invalid date (should be seconds since epoch): " + expires)
        deadline = datetime.fromtimestamp(int(expires), UTC)
        if now >= deadline:
            raise expired(deadline, now)
        expected = self._v2(target.method, target.path, expires, query.get("response-cache-control"))
        return self._equal(expected, query["Signature"])

    def _verify_v4(self, target: SignedRequest, query: Mapping[str, str], now: datetime) -> str:
        date, lifetime = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        try:
            signed = datetime.strptime(date, AMZ_DATE).replace(tzinfo=UTC)
            lifetime_s = int(lifetime)
        except ValueError as error:
            raise _malformed("X-Amz-Date and X-Amz-Expires must be a date and a number of seconds") from error
        if query["X-Amz-Algorithm"] != ALGORITHM or not 0 <= lifetime_s <= LONGEST_V4_S:
            raise _malformed("X-Amz-Expires must be less than a week (in seconds); X-Amz-Algorithm only supports HMAC")
        if query.get("X-Amz-Credential") != f"{self._access_key}/{date[:8]}/{REGION}/s3/aws4_request":
            raise S3Error(
                403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
            )
        if now < signed - EARLIEST:
            raise access_denied("Request is not valid yet")
        deadline = signed + timedelta(seconds=lifetime_s)
        if now >= deadline:
            raise expired(deadline, now, lifetime_s)
        rest = {name: value for name, value in query.items() if name != "X-Amz-Signature"}
        return self._equal(self._v4(target, rest), query.get("X-Amz-Signature", ""))

    @staticmethod
    def _equal(expected: str, given: str) -> str:
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise S3Error(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. "
                "Check your key and signing method.",
                {"SignatureProvided": given},
            )
        return given

    def _v2(self, method: str, path: str, expires: str, cache_control: str | None) -> str:
        override = "" if cache_control is None else f"?response-cache-control={cache_control}"
        line = f"{method}\n\n\n{expires}\n/{BUCKET}{_encoded(path, '/-_.~')}{override}"
        return base64.b64encode(hmac.new(self._secret, line.encode(), hashlib.sha1).digest()).decode()

    def _v4(self, target: SignedRequest, query: Mapping[str, str]) -> str:
        date = query["X-Amz-Date"]
        scope = f"{date[:8]}/{REGION}/s3/aws4_request"
        canonical_query = "&".join(f"{_encoded(name)}={_encoded(query[name])}" for name in sorted(query))
        request = "\n".join(
            [
                target.method,
                _encoded(target.path, "/-_.~"),
                canonical_query,
                f"host:{target.host}",
                "",
                "host",
                "UNSIGNED-PAYLOAD",
            ]
        )
        key = b"AWS4" + self._secret
        for part in (date[:8], REGION, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        line = f"{ALGORITHM}\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        return hmac.new(key, line.encode(), hashlib.sha256).hexdigest()


def expired(deadline: datetime, now: datetime, lifetime_s: int | None = None) -> S3Error:
    asked = {} if lifetime_s is None else {"X-Amz-Expires": str(lifetime_s)}
    details = {**asked, "Expires": stamp_s(deadline), "ServerTime": stamp_s(now)}
    return S3Error(403, "AccessDenied", "Request has expired", details)


def _malformed(message: str) -> S3Error:
    return S3Error(400, "AuthorizationQueryParametersError", message)
