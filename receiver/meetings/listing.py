"""A meeting's recordings as the API lists them, read entry by entry: a bad one does not stop the good ones."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from receiver import logs
from receiver.errors import ApiBadAnswerError
from receiver.meetings import fields
from receiver.meetings.expiry import url_expiry
from receiver.records import FreshUrl, ListedRecording, RecordingId, UrlOrigin

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.records import MeetingId

_URL_CHARS = 8192
_UID_CHARS = 512
_LOGGED = 10  # entries of one listing that get a line of their own

log = logs.get("meetings_api")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One fetch of a meeting's recordings. `began` and `ended` are monotonic seconds."""

    began: float
    ended: float
    recordings: dict[RecordingId, ListedRecording]
    refused: frozenset[str] = frozenset()
    """Ids that the API listed as another meeting's."""
    dropped: int = 0
    """Entries that could not be read."""

    def url(self, recording_id: RecordingId) -> FreshUrl | None:
        listed = self.recordings.get(recording_id)
        return None if listed is None else listed.url


@dataclass(slots=True)
class Entries:
    """What became of a listing's entries; `dropped` are those without a usable id or URL."""

    kept: dict[RecordingId, ListedRecording] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    dropped: list[tuple[int, str]] = field(default_factory=list)


def read_entries(body: bytes, meeting_id: MeetingId, *, fetched_at: datetime) -> Entries:
    """Read an answer's body, or raise `ApiBadAnswerError` where it is not a JSON array."""
    try:
        listed: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiBadAnswerError("the recordings listing is not JSON") from None
    if not isinstance(listed, list):
        raise ApiBadAnswerError("the recordings listing is not a JSON array")
    entries = Entries()
    for index, entry in enumerate(listed):
        _sort(entries, index, entry, meeting_id, fetched_at)
    _report(entries, meeting_id)
    return entries


def _sort(entries: Entries, index: int, entry: object, meeting_id: MeetingId, fetched_at: datetime) -> None:
    if not isinstance(entry, dict):
        entries.dropped.append((index, "not an object"))
        return
    recording_id, url, room_id = entry.get("_id"), entry.get("download_url"), entry.get("room_id")
    if not fields.is_id(recording_id):
        entries.dropped.append((index, "_id is not an id"))
    elif room_id is not None and room_id != meeting_id:
        entries.refused.add(recording_id)
    elif not _is_url(url):
        entries.dropped.append((index, "download_url is missing or not text"))
    elif recording_id in entries.kept:
        entries.dropped.append((index, "_id is listed twice"))
    else:
        entries.kept[RecordingId(recording_id)] = ListedRecording(
            id=RecordingId(recording_id),
            meeting_id=meeting_id,
            url=FreshUrl(url=url, expires_at=url_expiry(url, fetched_at=fetched_at), origin=UrlOrigin.API),
            participant_ids=fields.user_ids(entry.get("participants_ids")),
            participants_count=fields.count(entry.get("participants_count")),
            file_uid=_text(entry.get("file_uid")),
            duration_s=fields.number(entry.get("duration")),
            vendor_size=fields.number(entry.get("size")),
            created_at=fields.iso_time(entry.get("created_at")),
            updated_at=fields.iso_time(entry.get("updated_at")),
        )


def _report(entries: Entries, meeting_id: MeetingId) -> None:
    for recording_id in sorted(entries.refused)[:_LOGGED]:
        log.error("listing_entry_refused", meeting_id=meeting_id, recording_id=recording_id, reason="another meeting's")
    for index, reason in entries.dropped[:_LOGGED]:
        log.warning("listing_entry_dropped", meeting_id=meeting_id, index=index, reason=reason)
    if max(len(entries.refused), len(entries.dropped)) > _LOGGED:
        log.warning(
            "listing_mostly_unusable",
            meeting_id=meeting_id,
            refused=len(entries.refused),
            dropped=len(entries.dropped),
        )


def _is_url(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _URL_CHARS and value.isprintable() and " " not in value


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _UID_CHARS and value.isprintable() else None
