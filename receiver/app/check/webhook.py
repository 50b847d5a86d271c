"""The URL to paste into Meetings settings, and whether a POST to it arrives here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp

from receiver.app.check.findings import ok, skipped, warning, wrong
from receiver.webhook import PATH

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from receiver.app.check.findings import Finding
    from receiver.settings import Settings

_TIMEOUT_S = 15.0
_READ_BYTES = 64 * 1024
_NAME = "webhook"
_NOT_ADMITTED = "a POST arrives, but the service there knows another secret"


async def webhook_findings(
    settings: Settings, *, public_url: str | None, show_secret: bool
) -> AsyncGenerator[Finding, None]:
    """Tell the webhook's URL; with a `public_url`, send an empty POST of an encoding that the service never takes."""
    if not settings.webhook_secrets:
        yield skipped("webhook url", "needs RECEIVER_WEBHOOK_SECRETS")
        return
    secret = settings.webhook_secrets[0].get_secret_value()
    base = (public_url or "https://your.host").rstrip("/")
    shown = f"{base}{PATH}/{secret if show_secret else '****'}"
    how = "" if show_secret else " (--show-secret shows it whole)"
    yield ok("webhook url", f"paste into Meetings settings: {shown}{how}")
    if public_url is None:
        yield skipped(
            _NAME, "not tried: name this service's outside address with --public-url https://archive.example.com"
        )
        return
    if public_url.startswith("http:"):
        yield warning(
            "webhook transport", f"{base} is not encrypted, and the URL is a secret", "speak TLS at the proxy"
        )
    finding = await _tried(f"{base}{PATH}/{secret}", base)
    if finding.seen == _NOT_ADMITTED and settings.webhook_allowed_ips:
        finding = warning(
            _NAME,
            "a POST arrives; that it is refused may be for this machine's address, not on RECEIVER_WEBHOOK_ALLOWED_IPS",
            "run the check from an address on the list, or look for a delivery after the next recording",
        )
    yield finding


async def _tried(url: str, base: str) -> Finding:
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as http,
            # refused by its encoding alone: nothing is read, stored or logged as a delivery
            http.post(url, data=b"", headers={"Content-Encoding": "none-of-yours"}, allow_redirects=False) as answer,
        ):
            body = await answer.content.read(_READ_BYTES)
            return answered(answer.status, answer.content_type, body, base)
    except aiohttp.ClientConnectorCertificateError as e:
        return wrong(_NAME, f"{base}: its certificate is not valid: {e.certificate_error}", "renew it at the proxy")
    except aiohttp.ClientConnectorDNSError:
        return wrong(_NAME, f"{base}: the name is not known", "correct --public-url, or make the DNS entry")
    except TimeoutError:
        return wrong(_NAME, f"{base}: no answer within {_TIMEOUT_S:g} s", "look at the proxy and at firewalls")
    except (aiohttp.ClientError, OSError) as e:
        return wrong(_NAME, f"{base}: no connection ({type(e).__name__})", "start the proxy, and open its port")


def answered(status: int, content_type: str, body: bytes, base: str) -> Finding:
    """Judge the answer to an empty POST of an unknown encoding: this service says 415, in the form of RFC 9457."""
    is_ours = content_type == "application/problem+json" and _title(body) is not None
    if is_ours and status == 415:
        return ok(_NAME, f"a POST to {base} arrives at this service, with its secret")
    if is_ours and status == 401:
        return wrong(
            _NAME,
            _NOT_ADMITTED,
            "start it again with these RECEIVER_WEBHOOK_SECRETS",
        )
    seen = f"something else answered at {base}: {status} {content_type or 'without a type'}"
    if 300 <= status < 400:
        return wrong(_NAME, f"{base} redirects ({status})", "give Meetings settings the final address: POSTs are lost")
    if status in {502, 503, 504}:
        return wrong(
            _NAME, f"the proxy at {base} answers {status}", "start `receiver serve`, and see the proxy's upstream"
        )
    if status in {401, 403}:
        return wrong(_NAME, seen, f"let the proxy pass POSTs below {PATH} without a login of its own")
    return wrong(_NAME, seen, f"let the proxy pass POSTs below {PATH} on to this service as they are")


def _title(body: bytes) -> str | None:
    try:
        problem: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    title = problem.get("title") if isinstance(problem, dict) else None
    return title if isinstance(title, str) else None
