"""Alerts fire on what they are about; alerts, codes and messages lead to the runbook and to commands that exist."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from receiver import app, metrics  # noqa: F401  (whose parts make their series known)
from receiver.catalogue import FOLLOWED
from receiver.cli import root
from receiver.errors import codes
from receiver.notices.texts import begun
from receiver.problems import anchor
from receiver.records import Notice, NoticeKind

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
TESTS = DEPLOY / "prometheus" / "alerts.test.yml"
DASHBOARD = (DEPLOY / "grafana.json").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())
FRESH = "from receiver import metrics; from receiver.app import web; print(metrics.render()[0].decode())"
SECTIONS = {
    title: text
    for part in (DEPLOY / "runbook.md").read_text().split("\n## ")
    for title, text in re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", part, re.MULTILINE | re.DOTALL)
}


def promtool(*arguments: str, given: bytes | None = None) -> None:
    done = subprocess.run(["promtool", *arguments], input=given, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_the_rules_are_well_formed() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))


def test_each_alert_fires_when_it_should_and_not_before() -> None:
    promtool("test", "rules", str(TESTS))
    tried = re.findall(
        r"alertname: (\w+), exp_alerts: \[\]|alertname: (\w+)\n\s+exp_alerts: \[[&{*]", TESTS.read_text()
    )
    assert {silent for silent, _ in tried} - {""} == set(ALERTS)
    assert {fires for _, fires in tried} - {""} == set(ALERTS)


def test_the_series_are_named_as_prometheus_wants_them() -> None:
    content, _ = metrics.render()
    promtool("check", "metrics", given=content)


def test_rules_and_dashboard_ask_for_series_that_there_are() -> None:
    shown = metrics.render()[0].decode()
    names = set(re.findall(r"^# TYPE (\S+)", shown, re.MULTILINE))
    names |= {f"{name}_bucket" for name in re.findall(r"^# TYPE (\S+) histogram", shown, re.MULTILINE)}
    asked = re.findall(r"\b(?:receiver|process)_\w+", RULES.read_text())
    asked += re.findall(r"\b(?:receiver|process)_\w+", DASHBOARD)
    assert set(asked) - names == set()
    panels = json.loads(DASHBOARD)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert set(re.findall(r'alertname=~\\"([\w|]+)', DASHBOARD)[0].split("|")) == set(ALERTS)


def test_what_alerts_count_is_shown_before_it_first_counts() -> None:
    """What appears at 1 has not increased in Prometheus's eyes: the first of its kind would fire nothing."""
    fresh = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, check=True, timeout=60, text=True).stdout
    # a schedule's runs are foreseen once the schedule is there
    counted = re.findall(r'(receiver_(?!schedule)\w+_total)\{(\w+)=~?"([\w|]+)"\}', RULES.read_text())
    series = [f'{name}{{{label}="{value}"}} 0.0' for name, label, values in counted for value in values.split("|")]
    assert len(series) > 8
    assert [one for one in series if one not in fresh] == []


def test_every_alert_has_a_section_which_its_link_leads_to() -> None:
    assert Counter(ALERTS).most_common(1)[0][1] == 1
    linked = re.findall(r"runbook_url: https://receiver\.example\.com/docs/runbook#(\S+)", RULES.read_text())
    assert linked == [anchor(alert) for alert in ALERTS]
    alerts, _, others = (DEPLOY / "runbook.md").read_text().partition("\n## Error codes\n")
    assert re.findall(r"^### (.+)", alerts, re.MULTILINE) == ALERTS
    assert not set(re.findall(r"^### (.+)", others, re.MULTILINE)) & set(ALERTS)


def test_every_error_code_stands_in_one_section_with_an_anchor() -> None:
    anchors = [name for text in SECTIONS.values() for name in re.findall(r'<a\sid="(\w+)">', text)]
    assert sorted(anchors) == codes()
    for text in SECTIONS.values():
        assert re.findall(r'<a\sid="(\w+)">', text) in ([], re.findall(r"`(\w+)`", text.partition(":")[0]))


@pytest.mark.parametrize("title", SECTIONS)
def test_every_section_ends_in_commands_that_exist(title: str) -> None:
    commands = re.search(r"```sh\n((?:receiver .+\n)+)```\s*\Z", SECTIONS[title])
    assert commands is not None, SECTIONS[title]
    for line in commands[1].splitlines():
        parsed(shlex.split(line)[1:])


NOW = datetime(2026, 11, 28, tzinfo=UTC)
DETAIL = {"message": "M", "waiting": 1, "missed": 1, "delivered_at": None, "count": 1, "within_s": 1, "reason": "R"}


@pytest.mark.parametrize("kind", sorted(set(NoticeKind) - {NoticeKind.STATEMENT}))
def test_every_message_names_a_section_of_the_runbook_and_a_command_that_exists(kind: NoticeKind) -> None:
    said = Notice(number=1, kind=kind, subject="r1", detail=DETAIL, began_at=NOW, seen_at=NOW)
    text = begun("team", [said], [("r1", "source_denied")] if kind in FOLLOWED else []).body
    anchors = {anchor(title) for title in SECTIONS} | set(codes())
    sections = re.findall("^Read on: /docs/runbook#(\\S+)", text, re.MULTILINE)
    assert set(sections) <= anchors
    assert sections or kind is NoticeKind.RECORDINGS_DUE, "which is no fault"
    (command,) = re.findall("^Command: (receiver .+)$", text, re.MULTILINE)
    parsed(shlex.split(command)[1:])


def parsed(words: list[str]) -> None:
    """Have the command line read the words, down to the last option, and run nothing."""
    context = root.make_context("receiver", list(words))
    while isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("line", ["recordings lst", "recordings retry --state gone", "check --publc-url x"])
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    with pytest.raises(click.UsageError):
        parsed(line.split())


def test_series_of_the_index_are_taken_once_over_replicas() -> None:
    text = (DEPLOY / "prometheus" / "README.md").read_text().split("## Over replicas")[1].split("All others")[0]
    assert set(re.findall(r"`(receiver_\w+)`", text)) == metrics.OF_THE_INDEX
    for use in re.finditer(rf"(.*?)(?:{'|'.join(metrics.OF_THE_INDEX)})\b", RULES.read_text() + DASHBOARD):
        assert re.search(r"max(?: by \(\w+\) )?\((?:(?:delta|max_over_time)\()?$", use[1]), use[0]
