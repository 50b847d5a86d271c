"""The operators' table of error codes says what the code does, row by row."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver import problems
from receiver.errors import Answered, ApiPausedError, JobError, Kind, SourceTruncatedError

TABLE = Path(__file__).parents[2] / "deploy" / "errors.md"
FOLLOWS = {
    (Kind.TRANSIENT, True): "retried, counted",
    (Kind.TRANSIENT, False): "retried, not counted",
    (Kind.PERMANENT, True): "failed at once",
    (Kind.MISSING, True): "missing",
}


def follows(error: type[JobError]) -> str:
    return "waits, not counted" if error.side is not None else FOLLOWS[error.kind, error.burns_attempt]


def classes(base: type[JobError] = JobError) -> Iterator[type[JobError]]:
    for found in base.__subclasses__():
        if not found.__subclasses__():
            yield found
        yield from classes(found)


ERRORS = sorted(classes(), key=lambda error: error.__name__)


def rows() -> list[list[str]]:
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("|")]
    assert lines[:2] == ["| code | when | what follows | what to do |", "|---|---|---|---|"]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_has_every_code_once_and_says_what_follows():
    assert len({error.code for error in ERRORS}) == len(ERRORS), "a code names one class"
    documented = [(code, follows) for code, _, follows, _ in rows()]
    expected = [(f"`{error.code}`", follows(error)) for error in ERRORS]
    assert sorted(documented) == sorted(expected)


def titles() -> set[str]:
    """Return the title of each problem that the source makes, and those of statuses that it raises alone."""
    calls = [
        node
        for path in (Path(problems.__file__).parent).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    made = {
        node.args[1].value for node in calls if node.func.id == "problem" and isinstance(node.args[1], ast.Constant)
    }
    raised = {node.args[0].value for node in calls if node.func.id == "HTTPException"} | {404, 405}
    return made | {problems.TITLES[status] for status in raised} | {"Not JSON", "Refused by the database"}


def test_every_problem_has_its_section_and_every_section_a_problem():
    sections = re.findall(r"^### (.+)\n\n([45]\d\d)\b.*\S", TABLE.read_text(), re.MULTILINE)
    assert [title for title, _ in sections] == sorted(titles(), key=str.lower)
    assert len({problems.anchor(title) for title, _ in sections}) == len(sections)


def test_every_row_says_when_and_what_to_do():
    assert [row for row in rows() if len(row) != 4 or not all(row)] == []


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_says_what_happened(error: type[JobError]):
    assert (vars(error)["__doc__"] or "").strip()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_says_what_to_do(error: type[JobError]):
    """Its words need no more than the setting's own name: the service's settings begin with RECEIVER_."""
    assert str(error("what happened")) == f"what happened; {error.remedy}"
    assert len(error.remedy) > 20
    documented = {code: remedy for code, _, _, remedy in rows()}[f"`{error.code}`"]
    for name in re.findall(r"RECEIVER_(\w+)", error.remedy):
        assert f"`{name}`" in documented


def test_an_error_can_have_a_remedy_of_its_own_or_none():
    assert str(SourceTruncatedError("cut", "look at the proxy")) == "cut; look at the proxy"
    assert str(SourceTruncatedError("cut", "")) == "cut"


def test_a_copy_of_an_error_says_and_knows_the_same():
    """Everybody who waits for one piece of work gets a copy of its error."""
    error = ApiPausedError("asked too often", "wait", answered=Answered(429, "slow down"), retry_after_s=3.0)
    copied = copy.copy(error)
    assert (str(copied), copied.answered, copied.retry_after_s) == ("asked too often; wait", (429, "slow down"), 3.0)


def test_an_error_of_a_source_names_its_origin_once():
    error = SourceTruncatedError("cut")
    error.origin = "https://x.example:443"
    assert str(error).startswith("https://x.example:443: cut; ")
    named = SourceTruncatedError("https://x.example:443 hung up")
    named.origin = "https://x.example:443"
    assert str(named).startswith("https://x.example:443 hung up; ")
