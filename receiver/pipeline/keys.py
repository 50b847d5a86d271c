"""Object keys: the operator's template over ids as they are and slugged names, so that nothing can leave its place."""

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
        """Return the recording's key; the same for every run, since the row's values it uses do not change then.

        Ids are in it as they are, so that no two recordings have one key; one that would be too long ends in the id.
        """
        values = {
            "recording_id": recording.id,
            "meeting_id": recording.meeting.id,
            "created_at": recording.vendor.created_at or recording.first_seen_at,
            "host_id": str(recording.host.id if recording.host.id is not None else "unknown"),
            "meeting_name": slug(recording.meeting.name or "unnamed"),
        }
        key = f"{self.prefix}{_Unformatted().vformat(self.template, (), values)}"
        if len(key.encode()) > _MAX_KEY_BYTES:
            end = f"/{recording.id}"
            key = key.encode()[: _MAX_KEY_BYTES - len(end)].decode(errors="ignore") + end
        return key + extension


class _Unformatted(string.Formatter):
    """Takes texts whole, whatever the template says of their width: a cut id would be another's."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return value if isinstance(value, str) else str(super().format_field(value, format_spec))


def slug(text: str) -> str:
    """Keep letters, digits, `_` and `-` of any text, one `-` for a run of anything else; never empty."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:_MAX_SLUG_CHARS] or "x"
