"""Makes each part's configuration out of the settings."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from receiver import logs
from receiver.meetings import AdminKey, ApiConfig, Credentials, StaticToken, UserLogin
from receiver.objectstore import BucketConfig
from receiver.records import RetentionPeriod
from receiver.transfer import MIN_RATE_BYTES_S, DownloadPolicy, Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.records import Origin
    from receiver.settings import Settings

_TOKEN_CHARS = 16
"""A shorter part of a URL is more likely a word."""


def retention_period(settings: Settings) -> RetentionPeriod | None:
    """Return how long recordings are kept; None: until somebody erases them."""
    if settings.retention_days is None:
        return None
    return RetentionPeriod(
        days=timedelta(days=settings.retention_days), grace=timedelta(days=settings.retention_grace_days)
    )


def credentials(settings: Settings) -> Credentials | None:
    if settings.api_admin_key is not None:
        return AdminKey(key=settings.api_admin_key.get_secret_value())
    if settings.api_token is not None:
        return StaticToken(token=settings.api_token.get_secret_value())
    if settings.api_app_id is None or settings.api_auth_key is None or settings.api_user_password is None:
        return None  # the settings were checked: all parts of a user session are set, or none
    return UserLogin(
        app_id=settings.api_app_id,
        auth_key=settings.api_auth_key.get_secret_value(),
        auth_secret=settings.api_auth_secret.get_secret_value() if settings.api_auth_secret else None,
        login=settings.api_user_login,
        email=settings.api_user_email,
        password=settings.api_user_password.get_secret_value(),
        expected_user_id=settings.api_user_id,
    )


def api_config(now: Callable[[], Settings]) -> ApiConfig | None:
    """Return how the API is asked, with the credentials that `now` has each time; None where no way to it is set."""
    settings = now()
    access = credentials(settings)
    if access is None:
        return None
    return ApiConfig(
        url=settings.api_url,
        credentials=lambda: credentials(now()) or access,
        timeout_s=settings.api_timeout_s,
        url_margin_s=settings.url_margin_s,
        rate_per_s=settings.api_rate_per_s,
    )


def unlisted_meetings(settings: Settings) -> tuple[str, str] | None:
    """Say what reconciliation cannot find with these credentials, and what to set; None where it finds all."""
    if not isinstance(credentials(settings), AdminKey):
        return None
    seen = (
        "the Meetings API lists no meetings for RECEIVER_API_ADMIN_KEY: a webhook that was missed is not found for a "
        "meeting that the index does not know and nobody names"
    )
    remedy = (
        "set a user's login in the key's place (RECEIVER_API_APP_ID, _AUTH_KEY, _USER_LOGIN or _EMAIL, "
        "_USER_PASSWORD), or name the meetings' ids to `receiver backfill`"
    )
    return seen, remedy


def sqlite_path(settings: Settings) -> Path | None:
    """Return the file of an embedded database, or None for a server's."""
    path = settings.database_url.removeprefix("sqlite:///")
    return Path(path) if path != settings.database_url else None


def bucket_config(settings: Settings) -> BucketConfig:
    return BucketConfig(
        bucket=settings.s3_bucket or "",
        endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region,
        storage_class=settings.s3_storage_class,
        sse=settings.s3_sse,
        kms_key_id=settings.s3_kms_key_id,
        progress_timeout_s=settings.progress_timeout_s,
    )


def limits(settings: Settings) -> Limits:
    bandwidth_bytes_s = None if settings.bandwidth_mb_s is None else int(settings.bandwidth_mb_s * 1_000_000)
    slowest = MIN_RATE_BYTES_S
    if bandwidth_bytes_s is not None:  # a copy that got half its share is not a stalled one
        slowest = min(slowest, bandwidth_bytes_s // (2 * settings.concurrency))
    return Limits(
        part_size_bytes=settings.part_size_mb * 1024 * 1024,
        part_concurrency=settings.part_concurrency,
        max_file_bytes=settings.max_file_bytes,
        progress_timeout_s=settings.progress_timeout_s,
        requests_at_once=settings.concurrency * settings.part_concurrency,
        bandwidth_bytes_s=bandwidth_bytes_s,
        min_rate_bytes_s=max(1, slowest),
        min_proof=settings.s3_min_proof,
    )


def download_hosts(settings: Settings) -> tuple[Origin, ...] | None:
    """Return where files may come from; None where URLs are only a POST's, and nobody has said whose to believe."""
    if credentials(settings) is None and "download_hosts" not in settings.model_fields_set:
        return None
    return settings.download_hosts


def download_policy(settings: Settings) -> DownloadPolicy:
    return DownloadPolicy(origins=download_hosts(settings), networks=settings.download_networks)


def webhook_secrets(settings: Settings) -> tuple[str, ...]:
    return tuple(secret.get_secret_value() for secret in settings.webhook_secrets)


def cursor_keys(settings: Settings) -> tuple[bytes, ...]:
    """Return the keys of listing cursors."""
    return _derived(settings, b"cursor")


def session_keys(settings: Settings) -> tuple[bytes, ...]:
    """Return the keys of the page's sessions."""
    return _derived(settings, b"session")


def _derived(settings: Settings, purpose: bytes) -> tuple[bytes, ...]:
    """Derive keys from the webhook secrets, so that every process agrees on them.

    The first one signs; while a secret is rotated, what was signed with the other one goes on.
    """
    return tuple(
        hashlib.sha256(purpose + b"\0" + secret.encode()).digest() for secret in webhook_secrets(settings) or ("",)
    )


def learn_secrets(settings: Settings) -> None:
    named = [
        settings.api_admin_key,
        settings.api_token,
        settings.api_auth_key,
        settings.api_auth_secret,
        settings.api_user_password,
        *settings.webhook_secrets,
        settings.events_url,
        *settings.events_secret,
        *settings.notify_urls,
        *(token.token for token in settings.ops_tokens),
    ]
    logs.redact.remember(secret.get_secret_value() for secret in named if secret is not None)
    for url in settings.notify_urls:
        logs.redact.remember(_secrets_in(url.get_secret_value()))
    logs.redact.remember(os.environ.get(name, "") for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))


def _secrets_in(url: str) -> list[str]:
    """Return the password, and whatever else may be a token: in such URLs it stands in any place."""
    pieces = [unquote(piece) for piece in re.split(r"[/:@?&=,]+", url) if len(piece) >= _TOKEN_CHARS]
    return [unquote(urlsplit(url).password or ""), *(piece for piece in pieces if "." not in piece)]


def other_descriptors(settings: Settings) -> int:
    """Return how many open files all but clients may need: a source and a store for each part, databases, libraries."""
    return 2 * settings.concurrency * settings.part_concurrency + 128
