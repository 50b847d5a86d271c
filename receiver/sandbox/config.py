"""What an emulated platform is set up with."""

from dataclasses import dataclass


@dataclass
class SandboxConfig:
    """What one emulated account looks like. Every value has a default that works on loopback."""

    host: str = "127.0.0.1"
    port: int = 0  # of the API; 0 takes a free one
    storage_port: int = 0  # likewise
    public_host: str | None = None  # the name in URLs, where others reach this machine by another one than `host`
    webhook_url: str | None = None
    webhook_basic_auth: str | None = None  # `user:password`, sent as an Authorization header with each webhook
    admin_key: str = "sandbox-admin-key"
    app_id: int = 4242
    auth_key: str = "sandbox-auth-key"
    auth_secret: str = "sandbox-auth-secret"  # noqa: S105 - a credential of the emulated account
    user_login: str = "archive-bot"
    user_password: str = "sandbox-password"  # noqa: S105 - likewise
    user_email: str = "archive-bot@example.com"
    user_id: int = 6892473
    url_lifetime_user_s: int = 3600
    url_lifetime_admin_s: int = 604800
    url_lifetime_webhook_s: int = 604800
    token_lifetime_s: int = 7200
    meeting_url_template: str = "https://meeting.host.domain/conference/join/%s"
    seed: int | None = None  # set: ids, tokens and file names repeat from run to run
    create_users: bool = True  # a session with unknown credentials makes the user, as the vendor does
