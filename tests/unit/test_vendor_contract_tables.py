"""Each vendor contract file opens with a table of sections, facts and the tests that prove them; they must exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_the_tables_name_tests_that_exist() -> None:
    sources = {path.stem: path.read_text() for path in TESTS.rglob("test_*.py")}
    known = set(sources).union(*(re.findall(r"def (test_\w+)\(", source) for source in sources.values()))
    for path in (TESTS / "integration").glob("test_vendor_contract_*.py"):
        table = ast.get_docstring(ast.parse(sources[path.stem])) or ""
        named = set(re.findall(r"\btest_\w+", table))
        own = set(re.findall(r"def (test_\w+)\(", sources[path.stem]))
        assert named & own, path.stem
        assert named <= known, sorted(named - known)
