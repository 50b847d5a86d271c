"""A reconciler over a test's own database and platform, without a process."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from receiver.app.reconciling import reconciler
from receiver.jobs import open_jobs
from receiver.meetings_api import AdminKey, ApiConfig, Credentials, UserLogin, open_api
from receiver.sandbox import Sandbox, SandboxConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.reconcile import Reconciler
    from receiver.records import Tally
    from receiver.tables import Database

CONFIG = SandboxConfig()
KEY = AdminKey(key=CONFIG.admin_key)
USER = UserLogin(app_id=CONFIG.app_id, auth_key=CONFIG.auth_key, login=CONFIG.user_login, password=CONFIG.user_password)
AS_USER = {
    "API_ADMIN_KEY": "",
    "API_APP_ID": str(CONFIG.app_id),
    "API_AUTH_KEY": CONFIG.auth_key,
    "API_USER_LOGIN": CONFIG.user_login,
    "API_USER_PASSWORD": CONFIG.user_password,
}
"""A service's settings for the user that the platform's meetings belong to."""


def ago(**age: float) -> str:
    """Write a time in the past as the platform's control takes it."""
    return (datetime.now(UTC) - timedelta(**age)).isoformat()


def old_file(**more: Any) -> dict[str, Any]:
    """Describe a small recording whose webhook cannot be under way any more."""
    return {"kind": "generated", "size_bytes": 2000, "created_at": ago(hours=1), **more}


def ignore(_: Tally) -> None:
    """Hear a tally."""


@asynccontextmanager
async def reconciling(
    database: Database, platform: Sandbox | str, credentials: Credentials = USER, *, grace_s: float = 30
) -> AsyncIterator[Reconciler]:
    """Open a reconciler."""
    url = platform if isinstance(platform, str) else platform.url
    async with open_api(ApiConfig(url=url, credentials=lambda: credentials)) as api:
        made = reconciler(database, open_jobs(database, concurrency=1), api)
        yield replace(made, grace=timedelta(seconds=grace_s))


async def reconciled(over: Reconciler, *, days: float = 30, name: str = "30d") -> Tally:
    """Walk over the last days and return what was counted."""
    report = await over.reconcile(name, since=datetime.now(UTC) - timedelta(days=days), wait=False, tell=ignore)
    assert report is not None
    return report.tally
