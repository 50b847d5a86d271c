"""Rotation: what changes in a file is used from then on, and what is wrong with it changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from receiver import logs
from receiver.app.secrets import Secrets
from receiver.settings import Needs, load, rotated_files

GOOD = {"RECEIVER_S3_BUCKET": "team", "RECEIVER_WEBHOOK_SECRETS": "0123456789abcdef"}
SESSION = {"API_APP_ID": "1", "API_AUTH_KEY": "key", "API_USER_LOGIN": "bot", "API_USER_PASSWORD": "password"}


class Scene:
    """Settings of which some come from files."""

    def __init__(self, folder: Path, given: dict[str, str]) -> None:
        self.paths = {name: folder / name for name in given}
        for name, value in given.items():
            self.paths[name].write_text(value)
        files = {f"RECEIVER_{name}_FILE": str(path) for name, path in self.paths.items()}
        environ = {name: value for name, value in GOOD.items() if f"{name}_FILE" not in files} | files
        self.secrets = Secrets(load(Needs.SERVE, environ, dotenv=None), rotated_files(environ, dotenv=None))

    def value(self, name: str):
        value = getattr(self.secrets.now(), name.lower())
        return value.get_secret_value() if hasattr(value, "get_secret_value") else value

    def errors(self) -> list[str]:
        with capture_logs() as logged:
            self.secrets.now()
        return [line["error"] for line in logged if line["event"] == "secret_not_rotated"]


@pytest.mark.parametrize(
    ("name", "old", "new", "given"),
    [
        ("API_ADMIN_KEY", "old-key", "new-key", {}),
        ("API_TOKEN", "old-token", "new-token\n", {}),
        ("API_AUTH_KEY", "key", "key-2", SESSION),
        ("API_AUTH_SECRET", "secret", "secret-2", SESSION),
        ("API_USER_LOGIN", "bot", "bot-2", SESSION),
        ("API_USER_PASSWORD", "password", "password-2", SESSION),
    ],
)
def test_a_changed_file_is_used(tmp_path, name, old, new, given):
    scene = Scene(tmp_path, given | {name: old})
    assert scene.value(name) == old
    with capture_logs() as logged:
        scene.paths[name].write_text(new)
        assert scene.value(name) == new.strip()
    assert logged == [{"event": "secret_rotated", "setting": name.lower(), "part": "app", "log_level": "info"}]


def test_a_value_of_the_same_length_and_a_link_that_is_changed_are_seen(tmp_path):
    scene = Scene(tmp_path, {"API_TOKEN": "token-1"})
    path = scene.paths["API_TOKEN"]
    assert scene.value("API_TOKEN") == "token-1"
    os.utime(path, (1, 1))
    path.write_text("token-2")
    os.utime(path, (1, 1))
    assert scene.value("API_TOKEN") == "token-2"
    for number in (3, 4):  # as Kubernetes changes a mounted secret
        (tmp_path / f"data-{number}").write_text(f"token-{number}")
        (tmp_path / "link").symlink_to(tmp_path / f"data-{number}")
        (tmp_path / "link").replace(path)
        assert scene.value("API_TOKEN") == f"token-{number}"


def test_what_changed_between_the_start_and_the_first_use_is_seen(tmp_path):
    scene = Scene(tmp_path, {"API_TOKEN": "token-1"})
    scene.paths["API_TOKEN"].write_text("token-2")
    assert scene.value("API_TOKEN") == "token-2"


@pytest.mark.parametrize(
    ("name", "bad", "reason"),
    [
        ("API_ADMIN_KEY", "", "is empty"),
        ("API_ADMIN_KEY", "one\ntwo", "RECEIVER_API_ADMIN_KEY is wrong: must be one line"),
        ("WEBHOOK_SECRETS", "short", "RECEIVER_WEBHOOK_SECRETS is wrong: each secret needs at least 16"),
        ("WEBHOOK_SECRETS", ",", "is empty"),
        ("OPS_TOKENS", "alice:boss:canary", "name:role:token"),
        ("OPS_TOKENS", "alice:viewer:canary", "the token of 'alice' is too short"),
    ],
)
def test_a_malformed_file_is_reported_once_and_changes_nothing(tmp_path, name, bad, reason):
    good = {"API_ADMIN_KEY": "key", "WEBHOOK_SECRETS": "f" * 16, "OPS_TOKENS": "alice:viewer:0123456789abcdef"}
    scene = Scene(tmp_path, good)
    before = scene.secrets.now()
    scene.paths[name].write_text(bad)
    (error,) = scene.errors()
    assert error.startswith(f"RECEIVER_{name}_FILE names ")
    assert reason in error
    assert "canary" not in error
    assert scene.errors() == []
    assert scene.secrets.now() is before


def test_one_malformed_file_does_not_keep_another_from_being_rotated(tmp_path):
    scene = Scene(tmp_path, {"WEBHOOK_SECRETS": "f" * 16, "API_TOKEN": "token"})
    scene.paths["WEBHOOK_SECRETS"].write_text("short")
    scene.paths["API_TOKEN"].write_text("token-2")
    assert len(scene.errors()) == 1
    assert scene.value("API_TOKEN") == "token-2"


def test_a_file_that_is_gone_is_reported_and_read_when_it_is_back(tmp_path):
    scene = Scene(tmp_path, {"API_TOKEN": "token"})
    scene.paths["API_TOKEN"].unlink()
    (error,) = scene.errors()
    assert "cannot be read" in error
    assert scene.value("API_TOKEN") == "token"
    scene.paths["API_TOKEN"].write_text("token-2")
    assert scene.value("API_TOKEN") == "token-2"


def test_a_new_secret_is_blanked_in_logs_as_the_old_one_is(tmp_path):
    scene = Scene(tmp_path, {"API_TOKEN": "canary-rotated-1"})
    scene.secrets.now()
    scene.paths["API_TOKEN"].write_text("canary-rotated-2")
    scene.secrets.now()
    assert logs.redact("canary-rotated-2") == "[redacted]"


def test_only_secrets_are_rotated_and_a_variable_wins_over_its_file(tmp_path):
    environ = {
        "RECEIVER_S3_PREFIX_FILE": "/prefix",
        "RECEIVER_API_TOKEN_FILE": "/token",
        "RECEIVER_OPS_TOKENS_FILE": "/o",
    }
    assert rotated_files(environ | {"RECEIVER_API_TOKEN": "token"}, dotenv=None) == {"ops_tokens": Path("/o")}
