"""Every setting: its name, type, bounds, default and an example of a right value."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from receiver.records import Rung
from receiver.settings.values import (
    Bucket,
    DatabaseUrl,
    Duration,
    EventsSecret,
    EventsUrl,
    HeaderValue,
    HttpUrl,
    Level,
    LogFormat,
    LogLevel,
    Network,
    NotifyUrl,
    OpsTokenText,
    OriginText,
    Prefix,
    Secret,
    Split,
    SplitUrls,
    Template,
)


class Settings(BaseModel):
    """One field per variable, named as the variable without its prefix. Sizes in bytes unless named `_mb`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

    database_url: DatabaseUrl = "sqlite:///./receiver.db"
    s3_bucket: Bucket | None = None
    s3_endpoint_url: HttpUrl | None = None
    s3_region: str | None = None
    s3_prefix: Prefix = ""
    s3_storage_class: str | None = None
    s3_sse: str | None = None
    s3_kms_key_id: str | None = None
    s3_min_proof: Rung = Rung.READ_BACK
    """The weakest proof of a copy that will do: what verifies less is refused before a byte is copied."""
    s3_object_lock: Literal["legal-hold"] | None = None
    """Whether a hold is also set on the object's version, in a bucket with Object Lock."""
    key_template: Template = "recordings/{created_at:%Y/%m/%d}/{meeting_id}/{recording_id}"
    api_url: HttpUrl = "https://api.connectycube.com"
    api_admin_key: HeaderValue | None = None
    api_token: HeaderValue | None = None
    api_app_id: int | None = None
    api_auth_key: SecretStr | None = None
    api_auth_secret: SecretStr | None = None
    api_user_login: str | None = None
    api_user_email: str | None = None
    api_user_password: SecretStr | None = None
    api_user_id: int | None = None
    api_timeout_s: float = Field(default=20.0, gt=0, le=300)
    api_rate_per_s: float = Field(default=20.0, gt=0, le=10_000)
    webhook_secrets: Annotated[tuple[Secret, ...], Split] = ()
    webhook_allowed_ips: Annotated[tuple[Network, ...], Split] = ()
    forwarded_allow_ips: str = "127.0.0.1"
    download_hosts: Annotated[tuple[OriginText, ...], Split, Field(validate_default=True)] = "https://*.amazonaws.com"  # type: ignore[assignment]  # parsed as a variable's text would be
    download_networks: Annotated[tuple[Network, ...], Split] = ()
    ops_tokens: Annotated[tuple[OpsTokenText, ...], Split] = ()
    concurrency: int = Field(default=8, ge=1, le=256)
    host_concurrency: int | None = Field(default=None, ge=1, le=256)
    global_concurrency: int | None = Field(default=None, ge=1, le=100_000)
    part_size_mb: int = Field(default=16, ge=5, le=5120)
    part_concurrency: int = Field(default=4, ge=1, le=64)
    bandwidth_mb_s: float | None = Field(default=None, gt=0)
    max_attempts: int = Field(default=8, ge=1, le=1000)
    backoff_base_s: float = Field(default=5, gt=0, le=3600)
    backoff_max_s: float = Field(default=3600, gt=0, le=604_800)
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=104_857_600)
    max_file_bytes: int = Field(default=53_687_091_200, ge=1, le=48_800_000_000_000)
    reconcile_every: Duration = timedelta(hours=6)
    reconcile_window: Duration = timedelta(days=14)
    audit_every: Duration = timedelta(days=90)
    """Within this time every archived object is read again; 0: never by itself."""
    audit_mb_s: float = Field(default=10, gt=0, le=100_000)
    """What an audit reads a second at most, of all objects together."""
    source_cleanup_after_days: int | None = Field(default=None, ge=1)
    """Days since the newest recording of a meeting was archived; none, and nothing is deleted at the platform."""
    retention_days: int | None = Field(default=None, ge=1, le=36_500)
    """Days since a recording was created after which it is due to be erased; none, and nothing is erased by itself."""
    retention_grace_days: int = Field(default=14, ge=1, le=3650)
    """Days from when it was marked as due until it is erased, for people to object."""
    events_url: EventsUrl | None = None
    """Who is told of each change of a recording's state by a signed POST."""
    events_secret: Annotated[tuple[EventsSecret, ...], Split] = ()
    events_networks: Annotated[tuple[Network, ...], Split] = ()
    notify_urls: Annotated[tuple[NotifyUrl, ...], SplitUrls] = ()
    """Where people are told of outages and the like: e-mail, and with the extra `notify` all that Apprise can."""
    notify_silence: Duration | None = None
    """How long no webhook may come while there are new recordings, before people are told."""
    url_margin_s: int = Field(default=300, ge=0, le=86_400)
    shutdown_grace_s: float = Field(default=25, ge=0, le=3600)
    listing_grace_s: int = Field(default=86_400, ge=0)
    """How long a recording may be absent from the API's listing before it counts as missing."""
    progress_timeout_s: float = Field(default=60, gt=0, le=3600)
    """How long a source or the bucket may move no byte of a transfer before the run gives up."""
    log_level: Level = LogLevel.INFO
    """Of `serve` and `work`; other commands log warnings at most."""
    log_format: LogFormat | None = None
    """None is text on a terminal, and JSON elsewhere."""
    work_port: int | None = Field(default=None, ge=0, le=65_535)
    """Where `receiver work` answers probes and metrics; 0 takes a free port."""


EXAMPLES = {
    "s3_bucket": "team-recordings",
    "s3_endpoint_url": "https://s3.eu-central-1.amazonaws.com",
    "s3_prefix": "meetings/",
    "s3_min_proof": "crc64nvme",
    "s3_object_lock": "legal-hold",
    "api_app_id": "4567",
    "api_auth_key": "the authorization key of the application's overview page",
    "api_user_login": "archive-bot",
    "api_user_password": "the user's password",
    "api_user_id": "6892473",
    "webhook_secrets": "3f9c0a6b7d21485e9b54c6f0",
    "webhook_allowed_ips": "203.0.113.0/24,2001:db8::/32",
    "download_hosts": "https://*.amazonaws.com,https://storage.example.com:8443",
    "download_networks": "10.20.0.0/16",
    "ops_tokens": "alice:operator:f3b1c09de54a4d0b8a7c,ci:viewer:5e1d20c77a9b4f10b3d2",
    "log_format": "json",
    "work_port": "9090",
    "events_url": "https://hooks.example.com/recordings",
    "events_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
    "events_networks": "10.20.0.0/16",
    "notify_urls": "smtps://user:password@mail.example.com:465/?from=archive@example.com&to=ops@example.com",
    "notify_silence": "1d",
    "reconcile_every": "6h",
    "reconcile_window": "14d",
    "audit_every": "90d",
    "source_cleanup_after_days": "30",
    "retention_days": "365",
    "retention_grace_days": "14",
}
