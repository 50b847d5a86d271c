from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.objectstore.disposition import attachment

HEADER = re.compile(r"attachment; filename=\"([ !#$&-.0-:<-\[\]-~]+)\"; filename\*=UTF-8''([A-Za-z0-9._~%-]+)")


@pytest.mark.parametrize(
    ("name", "plain", "full"),
    [
        ("Weekly sync.mp4", "Weekly sync.mp4", "Weekly sync.mp4"),
        ("Réunion été.mp4", "Reunion ete.mp4", "Réunion été.mp4"),
        ("🎥 demo.mp4", "demo.mp4", "🎥 demo.mp4"),
        ('a"b\r\nSet-Cookie: x=1.mp4', "a_b__Set-Cookie: x=1.mp4", "a_b__Set-Cookie: x=1.mp4"),
        ("../../etc/passwd", "_.._etc_passwd", "_.._etc_passwd"),
        ("\u202egpj.exe", "_gpj.exe", "_gpj.exe"),
        ("会議.mp4", "recording.mp4", "会議.mp4"),
    ],
)
def test_names_come_out_safe(name, plain, full):
    found = HEADER.fullmatch(attachment(name))
    assert found is not None
    assert (found[1], unquote(found[2])) == (plain, full)


def test_without_a_name_the_browser_chooses():
    assert attachment(None) == attachment("") == "attachment"


@given(st.text(min_size=1, max_size=400))
def test_no_name_leaves_the_header(name):
    assert HEADER.fullmatch(attachment(name))
