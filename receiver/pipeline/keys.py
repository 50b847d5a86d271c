"""Object keys: the operator's template over slugged values, so that no name from outside can leave its place."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from receiver.records import Recording

_MAX_SLUG_CHARS = 80
_MAX_KEY_BYTES = 900  # S3 takes 1,024 bytes; the manifest adds ".json"


@dataclass(frozen=True, slots=True)
class KeyTemplate:
    """`prefix` and `template` as configured; the fields were checked with the settings."""

    prefix: str
    template: str

    @property
    def root(self) -> str:
        """What every key begins with; empty where the template begins with a field and there is no prefix."""
        literal, *_ = next(iter(string.Formatter().parse(self.template)))
        return f"{self.prefix}{literal}"

    def key(self, recording: Recording, extension: str) -> str:
        """Return the recording's key; the same for every run, since the row's values it uses do not change then."""
        values = {
            "recording_id": recording.id,
            "meeting_id": recording.meeting.id,
            "created_at": recording.vendor.created_at or recording.first_seen_at,
            "host_id": str(recording.host.id if recording.host.id is not None else "unknown"),
            "meeting_name": recording.meeting.name or "unnamed",
        }
        key = f"{self.prefix}{_Slugging().vformat(self.template, (), values)}"
        return key.encode()[:_MAX_KEY_BYTES].decode(errors="ignore") + extension


class _Slugging(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, str):
            return slug(value)
        return str(super().format_field(value, format_spec))


def slug(text: str) -> str:
    """Keep letters, digits, `_` and `-` of any text, one `-` for a run of anything else; never empty."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:_MAX_SLUG_CHARS] or "x"
