"""A Containerfile carried out without containers: each stage in an empty folder that stands for its root.

It knows the instructions that ours has, and fails at any other. Paths of the image are taken to be those of the folder;
the base image's Python is this one, and of the build's settings the one that makes every file compiled is left out.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PYTHON = Path(sys.base_prefix) / "bin"


@dataclass
class Image:
    """What came out: a root folder, and how it is run."""

    root: Path
    context: Path
    environ: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def at(self, text: str) -> str:
        """Return a command or a path with the image's folders where they are here."""
        return re.sub(r"(?<![\w.}])/(?=opt/|var/lib/receiver)", f"{self.root}/", text)

    def run(self, command: str) -> None:
        here = Path(self.at(self.workdir))
        here.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["sh", "-ec", self.at(command)], cwd=here, env=self.environ, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-1000:]}{done.stderr[-3000:]}"


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return each instruction with its arguments, lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def built(path: Path, context: Path, folder: Path, environ: dict[str, str]) -> Image:
    """Carry the file out and return the last stage; `environ` is beside what it says itself."""
    stages: dict[str, Path] = {}
    root = folder / "root"
    image = Image(root, context)
    name = ""
    for instruction, said in instructions(path):
        if instruction == "FROM":
            if root.exists():
                stages[name] = root.rename(folder / f"stage-{name}")  # what it made names the root's place
            root.mkdir()
            name = said.partition(" AS ")[2]
            image = Image(root, context, {**environ, "PATH": f"{PYTHON}:/usr/bin:/bin"})
        else:
            _carried_out(image, instruction, said, stages)
    return image


def _carried_out(image: Image, instruction: str, said: str, stages: dict[str, Path]) -> None:
    match instruction:
        case "RUN":
            image.run(said)
        case "COPY":
            _copied(image, said.split(), stages)
        case "WORKDIR" | "USER":
            setattr(image, instruction.lower(), said)
        case "ENV":
            for name, _, value in (word.partition("=") for word in shlex.split(said)):
                if name != "UV_COMPILE_BYTECODE":  # half a minute for a test that starts it once
                    image.environ[name] = image.at(value).replace("$PATH", image.environ["PATH"])
        case "ENTRYPOINT" | "CMD":
            setattr(image, instruction.lower(), json.loads(said))
        case "HEALTHCHECK":
            image.health = json.loads(said.partition("CMD ")[2])
        case _:
            assert instruction == "EXPOSE", f"{instruction} is not known here"


def _copied(image: Image, words: list[str], stages: dict[str, Path]) -> None:
    *sources, target = words
    source_root, ignored, copied = image.context, _excluded(image.context), shutil.copy2
    if sources[0].startswith("--from="):
        source_root, ignored, copied = stages[sources.pop(0).removeprefix("--from=")], None, os.link
    for source in sources:
        found = source_root / source.lstrip("/")
        here = Path(image.at(target)) if target.startswith("/") else Path(image.at(image.workdir)) / target
        here.parent.mkdir(parents=True, exist_ok=True)
        if found.is_dir():
            shutil.copytree(found, here, symlinks=True, ignore=ignored, copy_function=copied)
        else:
            assert source_root is not image.context or source in _kept(image.context), f"{source} is kept out"
            shutil.copy(found, here / found.name if target.endswith("/") else here)


def _kept(context: Path) -> list[str]:
    """Return what the context's ignore file, which leaves all out, lets in again."""
    first, *rest = (context / ".dockerignore").read_text().splitlines()
    assert first == "*"
    return [line.removeprefix("!") for line in rest if line.startswith("!")]


def _excluded(context: Path) -> Callable[[str, list[str]], set[str]]:
    lines = (context / ".dockerignore").read_text().splitlines()
    return shutil.ignore_patterns(*(line.removeprefix("**/") for line in lines if line.startswith("**/")))
