"""Settings: every problem at once, each with variable, reason and example."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

import receiver
from receiver.errors import SettingsError
from receiver.records import Origin
from receiver.settings import Needs, Role, Settings, load, unknown_names

GOOD = {"RECEIVER_S3_BUCKET": "team", "RECEIVER_WEBHOOK_SECRETS": "0123456789abcdef"}


def problems(environ: dict[str, str], needs: Needs = Needs.SERVE) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(needs, environ, dotenv=None)
    return str(caught.value).splitlines()


def test_no_setting_is_taken_that_nothing_acts_on() -> None:
    folder = Path(receiver.__file__).parent
    code = "".join(p.read_text() for p in folder.rglob("*.py") if "settings" not in p.relative_to(folder).parts)
    assert [name for name in Settings.model_fields if not re.search(rf"\.{name}\b", code)] == []


def test_objects_are_not_retained_for_no_time() -> None:
    (told,) = problems(GOOD | {"RECEIVER_S3_OBJECT_LOCK": "retention"})
    assert "RECEIVER_S3_OBJECT_LOCK is 'retention', and RECEIVER_RETENTION_DAYS does not say until when" in told
    assert "set RECEIVER_RETENTION_DAYS too, or use legal-hold" in told
    days = {"RECEIVER_RETENTION_DAYS": "365", "RECEIVER_S3_OBJECT_LOCK": "retention"}
    assert load(Needs.SERVE, GOOD | days, dotenv=None).s3_object_lock == "retention"


def test_the_defaults_are_the_designed_ones() -> None:
    settings = load(Needs.SERVE, GOOD, dotenv=None)
    assert settings.database_url == "sqlite:///./receiver.db"
    assert settings.download_hosts == (Origin("https", "*.amazonaws.com", 443),)
    assert (settings.concurrency, settings.part_size_mb, settings.part_concurrency) == (8, 16, 4)
    assert (settings.max_attempts, settings.backoff_base_s, settings.backoff_max_s) == (8, 5, 3600)
    assert (settings.max_body_bytes, settings.max_file_bytes) == (1048576, 53687091200)
    assert (settings.reconcile_every, settings.reconcile_window) == (timedelta(hours=6), timedelta(days=14))
    assert (settings.url_margin_s, settings.shutdown_grace_s, settings.api_timeout_s) == (300, 25, 20)
    assert settings.api_rate_per_s == 20
    assert settings.ops_tokens == ()
    assert (settings.host_concurrency, settings.global_concurrency) == (None, None)


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        {
            "RECEIVER_WEBHOOK_SECRETS": "tooshort",
            "RECEIVER_CONCURRENCY": "many",
            "RECEIVER_DOWNLOAD_HOSTS": "https://a.example/path",
            "RECEIVER_KEY_TEMPLATE": "recordings/{meeting_id}",
            "RECEIVER_OPS_TOKENS": "alice:boss:tttt",
            "RECEIVER_DATABASE_URL": "mysql://x/y",
            "RECEIVER_S3_PREFIX": "/abs",
        }
    )
    assert len(found) == 8
    for variable, reason in {
        "RECEIVER_WEBHOOK_SECRETS": "at least 16 characters",
        "RECEIVER_CONCURRENCY": "valid integer",
        "RECEIVER_DOWNLOAD_HOSTS": "is not an origin",
        "RECEIVER_KEY_TEMPLATE": "must contain {recording_id}",
        "RECEIVER_OPS_TOKENS": "name:role:token",
        "RECEIVER_DATABASE_URL": "must be sqlite:///path or postgresql://",
        "RECEIVER_S3_PREFIX": "no leading '/'",
        "RECEIVER_S3_BUCKET": "is not set",
    }.items():
        (line,) = [line for line in found if line.startswith(variable + " ")]
        assert reason in line
        assert f"(example: {variable}=" in line


@pytest.mark.parametrize("token", ["t", "t" * 15])
def test_a_short_ops_token_is_refused_by_its_name(token: str) -> None:
    (found,) = problems({**GOOD, "RECEIVER_OPS_TOKENS": f"alice:viewer:{'a' * 16},bob:admin:{token}"})
    assert found.startswith("RECEIVER_OPS_TOKENS is wrong: the token of 'bob' is too short; give it 16 or more random")
    assert token * 2 not in found


def test_no_value_of_a_secret_is_repeated() -> None:
    found = problems({**GOOD, "RECEIVER_WEBHOOK_SECRETS": "s3cr3t", "RECEIVER_OPS_TOKENS": "alice:boss:t0k3n"})
    assert "s3cr3t" not in str(found)
    assert "t0k3n" not in str(found)


@pytest.mark.parametrize("character", '/?#% \\"<>[]{}|^`é\0')
def test_a_secret_that_cannot_stand_in_a_url_is_refused(character: str) -> None:
    secret = f"fedcba9876543210{character}s3cr3t"
    (problem,) = problems({**GOOD, "RECEIVER_WEBHOOK_SECRETS": f"0123456789abcdef,{secret}"})
    assert "character 17 of one of them cannot stand in a URL's path; use A-Z, a-z, 0-9" in problem
    assert "s3cr3t" not in problem
    usable = "fedcba9876543210._~!$&'()*+;=:@-"
    assert load(Needs.SERVE, {**GOOD, "RECEIVER_WEBHOOK_SECRETS": usable}, dotenv=None).webhook_secrets


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"API_APP_ID": "1"}, ["RECEIVER_API_AUTH_KEY", "RECEIVER_API_USER_PASSWORD"]),
        ({"API_APP_ID": "1", "API_AUTH_KEY": "k", "API_USER_PASSWORD": "p"}, ["RECEIVER_API_USER_LOGIN"]),
        ({"API_ADMIN_KEY": "a", "API_TOKEN": "b"}, ["RECEIVER_API_ADMIN_KEY and RECEIVER_API_TOKEN are both set"]),
    ],
)
def test_half_a_way_to_the_api_is_named(given: dict[str, str], named: list[str]) -> None:
    found = problems(GOOD | {f"RECEIVER_{name}": value for name, value in given.items()})
    assert [line for line, start in zip(found, named, strict=True) if not line.startswith(start)] == []


def test_secrets_come_from_files_too(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("fedcba9876543210\n")
    settings = load(
        Needs.SERVE, {"RECEIVER_S3_BUCKET": "team", "RECEIVER_WEBHOOK_SECRETS_FILE": str(path)}, dotenv=None
    )
    assert settings.webhook_secrets[0].get_secret_value() == "fedcba9876543210"
    (problem,) = problems({**GOOD, "RECEIVER_API_TOKEN_FILE": str(tmp_path / "none")})
    assert problem.startswith("RECEIVER_API_TOKEN_FILE names")


def test_the_environment_wins_over_the_dotenv_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("RECEIVER_S3_BUCKET=from-file\nRECEIVER_CONCURRENCY=3\n")
    settings = load(Needs.SERVE, GOOD, dotenv=dotenv)
    assert (settings.s3_bucket, settings.concurrency) == ("team", 3)


def test_lists_are_read() -> None:
    settings = load(
        Needs.SERVE,
        GOOD
        | {
            "RECEIVER_WEBHOOK_SECRETS": "0123456789abcdef, fedcba9876543210",
            "RECEIVER_OPS_TOKENS": "alice:operator:tok:en-0123456789,bob:viewer:0123456789abcdef",
            "RECEIVER_DOWNLOAD_NETWORKS": "127.0.0.0/8",
            "RECEIVER_DOWNLOAD_HOSTS": "http://127.0.0.1:9000,https://*.Example.com",
        },
        dotenv=None,
    )
    assert len(settings.webhook_secrets) == 2
    assert [(t.name, t.role, t.token.get_secret_value()) for t in settings.ops_tokens] == [
        ("alice", Role.OPERATOR, "tok:en-0123456789"),
        ("bob", Role.VIEWER, "0123456789abcdef"),
    ]
    assert settings.download_networks == (ip_network("127.0.0.0/8"),)
    assert settings.download_hosts == (Origin("http", "127.0.0.1", 9000), Origin("https", "*.example.com", 443))


@pytest.mark.parametrize(
    ("host", "matches"),
    [
        ("cb-recordings.s3.amazonaws.com", True),
        ("cb-staging-recordings.s3.amazonaws.com", True),
        ("cloud-folder-recordings.s3.us-east-1.amazonaws.com", True),
        ("amazonaws.com", False),
        ("evilamazonaws.com", False),
        ("amazonaws.com.evil.example", False),
    ],
)
def test_a_star_stands_for_whole_labels(host: str, matches: bool) -> None:
    assert Origin("https", "*.amazonaws.com", 443).matches("https", host, 443) is matches
    assert not Origin("https", "*.amazonaws.com", 443).matches("http", host, 80)


@pytest.mark.parametrize("name", ["x", "has space", "ünïcode", "a" * 64, "-leading"])
def test_a_bucket_that_cannot_be_one_is_told_in_words(name: str) -> None:
    (problem,) = problems(GOOD | {"RECEIVER_S3_BUCKET": name})
    assert problem.startswith("RECEIVER_S3_BUCKET is wrong: must be a bucket's name")


def test_misspelt_variables_are_found() -> None:
    assert unknown_names({**GOOD, "RECEIVER_S3_BUCKETT": "x", "RECEIVER_API_TOKEN_FILE": "y"}) == [
        "RECEIVER_S3_BUCKETT"
    ]


def test_without_credentials_the_recording_s_id_stands_apart_in_the_key() -> None:
    """Then ids are a stranger's choice: in such a template those of two recordings could make one key."""
    template = {"RECEIVER_KEY_TEMPLATE": "{meeting_name}-{recording_id}"}
    (problem,) = problems(GOOD | template)
    assert problem.startswith("RECEIVER_KEY_TEMPLATE cannot hold other ids or names")
    assert load(Needs.SERVE, GOOD | template | {"RECEIVER_API_ADMIN_KEY": "key"}, dotenv=None)


@pytest.mark.parametrize("template", ["{recording_id.upper}", "{recording_id[0]}", "{meeting_id}"])
def test_the_recording_s_id_is_whole_in_the_key(template: str) -> None:
    (problem,) = problems(GOOD | {"RECEIVER_KEY_TEMPLATE": template})
    assert problem.startswith("RECEIVER_KEY_TEMPLATE is wrong")
