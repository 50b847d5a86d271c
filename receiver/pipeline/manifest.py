"""The manifest beside each object: what the bucket needs to explain itself (P7)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.records import Recording, StoredFile

MANIFEST_VERSION = 1


def manifest_key(key: str) -> str:
    """Return where the manifest of the object at `key` lies."""
    return f"{key}.json"


def write_manifest(recording: Recording, stored: StoredFile, *, archived_at: datetime) -> bytes:
    """Return the manifest as JSON: enough to rebuild the recording's row from the bucket alone."""
    meeting, host, vendor = recording.meeting, recording.host, recording.vendor
    document: dict[str, Any] = {
        "manifest_version": MANIFEST_VERSION,
        "recording": {
            "id": recording.id,
            "file_uid": vendor.file_uid,
            "participant_ids": vendor.participant_ids,
            "participants_count": vendor.participants_count,
            "duration_s": vendor.duration_s,
            "vendor_size": vendor.vendor_size,
            "created_at": _iso(vendor.created_at),
            "updated_at": _iso(vendor.updated_at),
        },
        "meeting": {
            "id": meeting.id,
            "name": meeting.name,
            "start_date": _iso(meeting.start_date),
            "end_date": _iso(meeting.end_date),
        },
        "host": {"id": host.id, "name": host.name, "login": host.login, "email": host.email},
        "object": {
            "key": stored.key,
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
            "checksum": stored.checksum,
            "content_type": stored.content_type,
            "incomplete": stored.incomplete,
        },
        "first_seen": {"via": recording.first_seen_via, "at": _iso(recording.first_seen_at)},
        "url_origin": recording.url_origin,
        "archived_at": _iso(archived_at),
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1).encode()


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
