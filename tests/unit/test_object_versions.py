"""Where files of one recording lie beside each other, and how a key tells which of them it holds."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from receiver.records import versions_of
from tests.support.intake import STORED


@pytest.mark.parametrize("key", ["recordings/2026/11/22/m/r.mp4", "r.bin", "a.b/r.v2x.webm"])
def test_versions_keep_folder_and_extension_and_are_told_from_the_key(key: str):
    keys = list(islice(versions_of(key), 11))
    stem, _, extension = key.rpartition(".")
    assert keys == [key, *(f"{stem}.v{number}.{extension}" for number in range(2, 12))]
    assert [replace(STORED, key=k).version for k in keys] == list(range(1, 12))
