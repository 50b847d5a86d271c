"""What the README and the chapters say can be relied on: settings, links, and places within files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from receiver.problems import anchor
from tests.support.settings_table import README, written

ROOT = README.parent
FILES = [README, *sorted((ROOT / "deploy").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_the_table_of_settings_is_the_class() -> None:
    assert README.read_text() == written(README.read_text()), "python -m tests.support.settings_table --write"


def places(path: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    told = set(re.findall(r'<a id="([^"]+)">', text))
    return told | {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in LINK.findall(path.read_text()):
        there, _, place = link.partition("#")
        if there.startswith(("http:", "https:", "/")):
            continue
        target = (path.parent / there).resolve() if there else path
        assert target.exists(), link
        if place and target.suffix == ".md":
            assert place in places(target), link
