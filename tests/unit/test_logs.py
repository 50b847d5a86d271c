"""No secret in any log line, and nothing else lost of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from receiver.logs import Redactor


def redactor(*secrets: str) -> Redactor:
    made = Redactor()
    made.remember(secrets)
    return made


@pytest.mark.parametrize(
    ("secrets", "text", "shown"),
    [
        (["canary-12"], "a canary-12 b canary-12", "a [redacted] b [redacted]"),
        (["e", "sign-in"], "the sign-in failed", "the sign-in failed"),  # too short to be blanked
        (["canary-12", "canary-12-longer"], "canary-12-longer", "[redacted]"),
        (["abcdefgh", "efghijkl"], "abcdefghijkl!", "[redacted]!"),  # neither leaves a part of the other
        (["abcdefgh", "cdefghijklmnop"], "xabcdefghijklmnop", "x[redacted]"),
        (["aaaaaaaa"], "a" * 20, "[redacted]"),
        (["canary-12"], "canary-12canary-12", "[redacted][redacted]"),
        (["redacted", "canary-12"], "canary-12 redacted [redacted]", "[redacted] [redacted] [redacted]"),
        (["canary-12"], "token=canary-12&x=1", "token=[redacted]&x=1"),
    ],
)
def test_what_is_blanked(secrets: list[str], text: str, shown: str) -> None:
    blank = redactor(*secrets)
    assert blank(text) == shown
    assert blank(blank(text)) == shown, "what was blanked is blanked once"


def test_values_are_blanked_and_neither_keys_nor_the_names_of_events() -> None:
    blank = redactor("delivery", "recording", "delivery_accepted", "recording_id", "webhook_", "warning_")
    event = {"event": "delivery_accepted", "level": "warning_", "part": "webhook_", "recording_id": "of a delivery"}
    assert blank.processor(None, "", event | {"of": {"recording": ["recording"]}}) == {
        "event": "delivery_accepted",
        "level": "warning_",
        "part": "webhook_",
        "recording_id": "of a [redacted]",
        "of": {"recording": ["[redacted]"]},
    }


SCRIPT = """
import logging
from receiver import logs
logs.redact.remember(["canary-of-logs"])
logs.configure(pretty=False)
logging.getLogger("a.package").error("could not use %s", "canary-of-logs")
logs.get("app").error("a_thing_failed", reason="canary-of-logs")
"""


def test_the_text_of_a_library_is_blanked_whole() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60)
    library, own = map(json.loads, done.stderr.splitlines())
    assert library["event"] == "could not use [redacted]"
    assert (own["event"], own["reason"]) == ("a_thing_failed", "[redacted]")
