"""What the demo calls proven, and what it says when it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner

from receiver.cli import root
from receiver.cli.demo.platform import PlatformFile
from receiver.cli.demo.proof import Proof, Seen
from receiver.cli.demo.report import print_proofs

SEEN = Seen(sha256="aa", size_bytes=8)
INDEXED = {
    "id": "r",
    "state": "archived",
    "meeting": {"id": "m", "name": None},
    "archive": {"key": "k.mp4"},
    "error": None,
}
PROVEN = Proof(indexed=INDEXED, source=PlatformFile(sha256="aa", size_bytes=8), index=SEEN, object=SEEN, manifest=SEEN)
FAILED = replace(
    PROVEN,
    indexed=INDEXED | {"state": "failed", "archive": None, "error": {"code": "source_empty", "message": "no bytes"}},
    index=Seen(),
    object=Seen(),
    manifest=Seen(),
)


def test_equal_everywhere_is_proven(capsys):
    assert PROVEN.differences() == []
    assert print_proofs([PROVEN, PROVEN])
    assert "Proven: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("proof", "differences"),
    [
        (replace(PROVEN, object=Seen()), ["object's SHA-256 is None", "object's size is None"]),
        (replace(PROVEN, object=replace(SEEN, sha256="bb")), ["object's SHA-256 is bb, the source's is aa"]),
        (replace(PROVEN, index=replace(SEEN, size_bytes=9)), ["index's size is 9, the source's is 8"]),
        (replace(PROVEN, manifest=Seen()), ["manifest's SHA-256 is None", "manifest's size is None"]),
        (FAILED, ["r is failed, not archived: source_empty: no bytes"]),
    ],
)
def test_whatever_differs_is_named(capsys, proof, differences):
    found = proof.differences()
    assert len(found) == len(differences)
    for expected, said in zip(differences, found, strict=True):
        assert expected in said
    assert not print_proofs([PROVEN, proof])
    assert f"NOT PROVEN: {found[0]}" in capsys.readouterr().out


def test_no_recording_proves_nothing(capsys):
    assert not print_proofs([])
    assert "NOT PROVEN: no recording was archived" in capsys.readouterr().out


def test_the_folder_to_keep_must_be_new(tmp_path):
    (tmp_path / "precious").touch()
    done = CliRunner().invoke(root, ["demo", "--once", "--keep", str(tmp_path)])
    assert done.exit_code == 2
    assert "is not empty; name a new folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("options", [["--size", "0"], ["--size", "big"], ["--files", "0"], ["--timeout", "0"]])
def test_wrong_options_exit_2(options):
    done = CliRunner().invoke(root, ["demo", *options])
    assert done.exit_code == 2
    assert f"Invalid value for '{options[0]}'" in done.stderr
