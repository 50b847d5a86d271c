"""The README's table of settings, made from the settings class: `python -m tests.support.settings_table --write`."""

from __future__ import annotations

import ast
import inspect
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from receiver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

README = Path(__file__).parents[2] / "README.md"
BEGIN = "<!-- made from the settings class: python -m tests.support.settings_table --write -->\n"
END = "<!-- end of what is made -->"
_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield name, default and meaning of each setting, in the order of the class."""
    (model,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(model, ast.ClassDef)
    for field, told in zip(model.body, model.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign):
            assert isinstance(field.target, ast.Name)
            assert isinstance(told, ast.Expr), f"{field.target.id} has no words of its own"
            assert isinstance(told.value, ast.Constant)
            name = field.target.id
            yield name.upper(), _shown(Settings.model_fields[name].default), " ".join(str(told.value.value).split())


def table() -> str:
    """Return the table as Markdown."""
    lines = [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in rows()]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *lines, ""])


def _shown(default: Any) -> str:
    if default is None or default in ("", ()):
        return "none"
    if isinstance(default, timedelta):
        seconds = int(default.total_seconds())
        unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
        return f"`{seconds // size}{unit}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def written(readme: str) -> str:
    """Return the README with the table as it is now."""
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    made = written(README.read_text())
    if "--write" in sys.argv[1:]:
        README.write_text(made)
    else:
        sys.stdout.write(table())
