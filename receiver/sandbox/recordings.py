"""The platform's recordings and the entries of their listings."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from receiver.sandbox.files import SandboxFile
from receiver.sandbox.wire import now, stamp_s


@dataclass
class SandboxRecording:
    id: str
    room_id: str
    file: SandboxFile
    participants_ids: list[int]
    duration: float | None = None
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    made_at: float = field(default_factory=time.monotonic)

    def user_wire(self, download_url: str) -> dict[str, Any]:
        """As a user's listing writes it: without `file_uid`."""
        return {
            "_id": self.id,
            "room_id": self.room_id,
            "participants_ids": self.participants_ids,
            "updated_at": stamp_s(self.updated_at),
            "created_at": stamp_s(self.created_at),
            "download_url": download_url,
            "participants_count": len(self.participants_ids),
            "duration": self.duration,
            "size": self.file.size_mb,
        }

    def full_wire(self, download_url: str) -> dict[str, Any]:
        """As the webhook and the admin's listing write it."""
        return {
            "_id": self.id,
            "room_id": self.room_id,
            "participants_count": len(self.participants_ids),
            "participants_ids": self.participants_ids,
            "file_uid": self.file.uid,
            "duration": self.duration,
            "size": self.file.size_mb,
            "updated_at": stamp_s(self.updated_at),
            "created_at": stamp_s(self.created_at),
            "download_url": download_url,
        }


class Recordings:
    """What the listings show. A record taken out keeps its file, as long as nobody deletes that."""

    def __init__(self) -> None:
        self._listed: dict[str, SandboxRecording] = {}
        self._known: dict[str, SandboxRecording] = {}

    def add(self, recording: SandboxRecording) -> None:
        self._listed[recording.id] = recording
        self._known[recording.id] = recording

    def of(self, meeting_id: str) -> list[SandboxRecording]:
        return [recording for recording in self._listed.values() if recording.room_id == meeting_id]

    def get(self, recording_id: str) -> SandboxRecording | None:
        """Also one that is no longer listed."""
        return self._known.get(recording_id)

    def unlist(self, recording_id: str) -> bool:
        return self._listed.pop(recording_id, None) is not None
