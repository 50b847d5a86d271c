"""What `receiver sandbox` prints: how to use the emulated platform."""

import json
from typing import Any

from receiver.sandbox.config import SandboxConfig

JSON_HEADER = "-H 'Content-Type: application/json'"


def describe(config: SandboxConfig, url: str, storage_url: str, webhook_url: str | None) -> dict[str, Any]:
    """Everything a person at a shell has to know; the credentials are the emulated account's own."""
    return {
        "url": url,
        "storage_url": storage_url,
        "control_url": f"{url}/_control",
        "webhook_url": webhook_url,
        "admin_key": config.admin_key,
        "app_id": config.app_id,
        "auth_key": config.auth_key,
        "auth_secret": config.auth_secret,
        "user_login": config.user_login,
        "user_password": config.user_password,
        "user_id": config.user_id,
        "examples": _examples(config, url),
    }


def _examples(config: SandboxConfig, url: str) -> list[str]:
    session = {
        "application_id": config.app_id,
        "auth_key": config.auth_key,
        "timestamp": 0,
        "user": {"login": config.user_login, "password": config.user_password},
    }
    # The clock is read by the shell, outside the single quotes.
    session_json = json.dumps(session).replace('"timestamp": 0', "\"timestamp\": '$(date +%s)'")
    meeting = json.dumps({"recordings": [{}], "send_webhook": True})
    fault = json.dumps({"on": "storage", "kind": "truncate", "times": 1})
    admin = f"-H 'CB-Administration-API-Key: {config.admin_key}'"
    return [
        f"curl -X POST {JSON_HEADER} -d '{session_json}' {url}/session",
        f"curl -g -H 'CB-Token: <token>' '{url}/meetings?start_date[gte]=1613729948&scheduled=true'",
        f"curl -X POST {JSON_HEADER} -d '{meeting}' {url}/_control/meetings",
        f"curl {admin} {url}/admin/meetings/recordings/<meeting id>",
        f"curl -X POST {JSON_HEADER} -d '{fault}' {url}/_control/faults",
    ]
