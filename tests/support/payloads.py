"""Recording-done payloads: the page's own, and ones made to measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data"


def example() -> bytes:
    """Return the vendor page's example payload, byte for byte."""
    return (DATA / "recording-done.json").read_bytes()


def sample(name: str) -> Any:
    """Return one of the vendor page's JSON samples."""
    return json.loads((DATA / name).read_text())


def payload(*ids: str, meeting_id: str = "meeting-1", **record: Any) -> bytes:
    """Return a payload of one meeting with these recordings; `record` overrides fields of each."""
    return json.dumps(
        {
            "meeting": {"_id": meeting_id, "name": "Weekly", "host_id": 7},
            "hostUser": {"id": 7, "full_name": "Sam Fisher", "login": "sam", "email": "sam@example.com"},
            "callRecords": [
                {
                    "_id": recording_id,
                    "room_id": meeting_id,
                    "participants_ids": [7, 8],
                    "participants_count": 2,
                    "created_at": "2026-11-22T10:00:00Z",
                    "updated_at": "2026-11-22T10:00:00Z",
                    "download_url": f"https://x.s3.amazonaws.com/videos/{recording_id}?Expires=9999999999&Signature=s1gn",
                    **record,
                }
                for recording_id in ids
            ],
        }
    ).encode()
