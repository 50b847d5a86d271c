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
    """Where the index lies. SQLite: one serving process, upgraded at its start. `postgresql://user:pass@host/db`:
    any number."""
    s3_bucket: Bucket | None = None
    """The bucket; `serve`, `work` and what reads files need it. Credentials come from the standard AWS chain."""
    s3_endpoint_url: HttpUrl | None = None
    """The store's address, where it is not AWS's own."""
    s3_region: str | None = None
    """The bucket's region."""
    s3_prefix: Prefix = ""
    """What all keys begin with."""
    s3_storage_class: str | None = None
    """The storage class of what is stored."""
    s3_sse: str | None = None
    """Encryption at rest that each write asks for: `AES256` or `aws:kms`."""
    s3_kms_key_id: str | None = None
    """The key of `aws:kms`."""
    s3_min_proof: Rung = Rung.READ_BACK
    """The weakest proof of a copy that will do: a bucket that gives less leaves recordings waiting
    (`proof_too_weak`)."""
    s3_object_lock: Literal["legal-hold", "retention"] | None = None
    """`legal-hold`: a hold is also set on the object's version, in a bucket with Object Lock. `retention`: so is,
    until it is due by `RETENTION_DAYS`, a retention."""
    key_template: Template = "recordings/{created_at:%Y/%m/%d}/{meeting_id}/{recording_id}"
    """Where a recording lies; must contain `{recording_id}`, and may `{host_id}` and `{meeting_name}`. Ids stand in
    it as they are, names as letters, digits, `_` and `-`. Without API credentials `/` or `.` must set
    `{recording_id}` apart."""
    api_url: HttpUrl = "https://api.connectycube.com"
    """The Meetings API."""
    api_admin_key: HeaderValue | None = None
    """The administration key: one way to the API. With no way at all, the payload's URL is used while it lives."""
    api_token: HeaderValue | None = None
    """A user's session token: another way to the API."""
    api_app_id: int | None = None
    """The application, for the way to the API by a user's login."""
    api_auth_key: SecretStr | None = None
    """Its authorization key."""
    api_auth_secret: SecretStr | None = None
    """Its authorization secret, where the application signs."""
    api_user_login: str | None = None
    """The user who logs in."""
    api_user_email: str | None = None
    """The same by e-mail."""
    api_user_password: SecretStr | None = None
    """The user's password."""
    api_user_id: int | None = None
    """The user's id, where the API asks for it."""
    api_timeout_s: float = Field(default=20.0, gt=0, le=300)
    """How long the API may take to answer."""
    api_rate_per_s: float = Field(default=20.0, gt=0, le=10_000)
    """The most requests a second that a process sends to the API."""
    webhook_secrets: Annotated[tuple[Secret, ...], Split] = ()
    """What the webhook's URL ends in: 16 characters or more each, several while you rotate. `serve` needs one."""
    webhook_allowed_ips: Annotated[tuple[Network, ...], Split] = ()
    """Networks that may post; none set, anybody who knows a secret."""
    forwarded_allow_ips: str = "127.0.0.1"
    """Proxies whose `X-Forwarded-For` is believed."""
    download_hosts: Annotated[tuple[OriginText, ...], Split, Field(validate_default=True)] = "https://*.amazonaws.com"  # type: ignore[assignment]  # parsed as a variable's text would be
    """Origins that files may come from. Without API credentials it must be set: URLs are then only what a POST
    says, and `*.amazonaws.com` is anybody's bucket."""
    download_networks: Annotated[tuple[Network, ...], Split] = ()
    """Non-public networks that may be connected to. Public are IPv4 and `2000::/3` without what is reserved in them."""
    ops_tokens: Annotated[tuple[OpsTokenText, ...], Split] = ()
    """Who may ask: `name:role:token`, the role `viewer`, `operator` or `admin`, the token of 16 characters or more.
    With none, API and page answer 403."""
    concurrency: int = Field(default=8, ge=1, le=256)
    """Recordings that a process copies at once."""
    host_concurrency: int | None = Field(default=None, ge=1, le=256)
    """Of these, from one download host; none set, three quarters."""
    global_concurrency: int | None = Field(default=None, ge=1, le=100_000)
    """Recordings at once in all processes together (the same in each)."""
    part_size_mb: int = Field(default=16, ge=5, le=5120)
    """The smallest part of a multipart upload; files over 512 MiB have larger ones, up to 128 MiB."""
    part_concurrency: int = Field(default=4, ge=1, le=64)
    """Parts of a file that are in flight at once."""
    bandwidth_mb_s: float | None = Field(default=None, gt=0)
    """What all transfers of a process read a second, in 10^6 bytes."""
    max_attempts: int = Field(default=8, ge=1, le=1000)
    """How often a recording is tried. An outage or a crash uses no attempt up."""
    backoff_base_s: float = Field(default=5, gt=0, le=3600)
    """The pause after the first attempt; it doubles, with full jitter."""
    backoff_max_s: float = Field(default=3600, gt=0, le=604_800)
    """The longest such pause."""
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=104_857_600)
    """The largest webhook that is taken."""
    max_file_bytes: int = Field(default=53_687_091_200, ge=1, le=48_800_000_000_000)
    """The largest file that is archived."""
    reconcile_every: Duration = timedelta(hours=6)
    """How often missed webhooks are looked for; `0s`: never by itself."""
    reconcile_window: Duration = timedelta(days=14)
    """Over meetings of how long ago."""
    audit_every: Duration = timedelta(days=90)
    """Within this time every archived object is read again; `0s`: never by itself."""
    audit_mb_s: float = Field(default=10, gt=0, le=100_000)
    """What these readings take a second at most, in 10^6 bytes."""
    source_cleanup_after_days: int | None = Field(default=None, ge=1)
    """Days since the newest recording of a meeting was archived, after which the platform's are deleted; needs
    `API_ADMIN_KEY`. None set, nothing is."""
    retention_days: int | None = Field(default=None, ge=1, le=36_500)
    """Days since a recording was created after which it is due to be erased. None set, nothing is."""
    retention_grace_days: int = Field(default=14, ge=1, le=3650)
    """Days from when it was marked as due until it is erased, for people to object."""
    events_url: EventsUrl | None = None
    """A program that is told of each change of a recording's state, by a signed POST."""
    events_secret: Annotated[tuple[EventsSecret, ...], Split] = ()
    """What signs it (`whsec_…`); several while you rotate."""
    events_networks: Annotated[tuple[Network, ...], Split] = ()
    """Non-public networks that `EVENTS_URL` may lie in."""
    notify_urls: Annotated[tuple[NotifyUrl, ...], SplitUrls] = ()
    """Where people are told of outages and the like: e-mail, and with the extra `notify` all that Apprise can."""
    notify_silence: Duration | None = None
    """How long no webhook may come while there are new recordings, before people are told."""
    url_margin_s: int = Field(default=300, ge=0, le=86_400)
    """A URL that expires sooner is not begun with."""
    shutdown_grace_s: float = Field(default=25, ge=0, le=3600)
    """How long SIGTERM waits for running transfers."""
    listing_grace_s: int = Field(default=86_400, ge=0)
    """How long a recording may be absent from the API's listing before it counts as missing."""
    progress_timeout_s: float = Field(default=60, gt=0, le=3600)
    """How long a source or the bucket may move no byte of a transfer before the run gives up."""
    log_level: Level = LogLevel.INFO
    """`debug`, `info`, `warning` or `error`, of `serve` and `work`; other commands log warnings at most."""
    log_format: LogFormat | None = None
    """`json` or `text`; none set, text on a terminal and JSON elsewhere."""
    work_port: int | None = Field(default=None, ge=0, le=65_535)
    """Where `receiver work` answers probes and metrics, on loopback unless `--host` says otherwise; 0 takes a free
    port."""


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
