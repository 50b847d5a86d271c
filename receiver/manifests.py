"""The manifest beside each object: what the bucket needs to explain itself (P7). Written, read and compared here.

Pure: no I/O. Version 2 also tells the attendees, the object's version and the rung of its proof; version 1 is read as
it was written.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from receiver.errors import ManifestUnreadableError
from receiver.records import (
    Attendee,
    CopyProof,
    Host,
    Meeting,
    MeetingId,
    RecordingFacts,
    RecordingId,
    Rung,
    StoredFile,
    UrlOrigin,
    VendorFacts,
    is_id,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from receiver.records import Recording

MANIFEST_VERSION = 2
MOST_BYTES = 4 * 1024 * 1024
"""No manifest is as large: 10,000 participants and a name of 8,192 characters are a quarter of a megabyte."""
_SUFFIX = ".json"
_MAX_INT = 2**63 - 1
_NOT_COMPARED = frozenset({"manifest_version", "first_seen", "object.bucket", "object.version_id"})
"""Where and how the archive came to it, which a rebuilt row or another bucket has otherwise."""


def manifest_key(key: str) -> str:
    """Return where the manifest of the object at `key` lies."""
    return f"{key}{_SUFFIX}"


def object_key(key: str) -> str | None:
    """Return of which object this would be the manifest; None where it cannot be one."""
    return key.removesuffix(_SUFFIX) if key.endswith(_SUFFIX) and key != _SUFFIX else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a manifest tells. `stored.bucket` is where it was written, "" where an earlier release did not say."""

    facts: RecordingFacts
    stored: StoredFile
    first_seen_at: datetime
    url_origin: UrlOrigin | None
    archived_at: datetime
    document: dict[str, Any]

    @property
    def proven_at(self) -> datetime:
        """When this file was proven: of several of one recording, the last one counts."""
        proof = self.stored.proof
        return proof.at if proof is not None and proof.at is not None else self.archived_at


def write_manifest(recording: Recording, stored: StoredFile, *, archived_at: datetime) -> bytes:
    """Return the manifest as JSON: enough to rebuild the recording's row from the bucket alone."""
    document = _document(recording, stored, archived_at)
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1).encode()


def _document(recording: Recording, stored: StoredFile, archived_at: datetime | None) -> dict[str, Any]:
    meeting, host, vendor = recording.meeting, recording.host, recording.vendor
    return {
        "manifest_version": MANIFEST_VERSION,
        "recording": {
            "id": recording.id,
            "file_uid": vendor.file_uid,
            "participant_ids": list(vendor.participant_ids),
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
        "attendees": [{"id": one.id, "email": one.email} for one in recording.attendees],
        "object": {
            "bucket": stored.bucket,
            "key": stored.key,
            "version_id": stored.version_id,
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
            "checksum": stored.checksum,
            "content_type": stored.content_type,
            "incomplete": stored.incomplete,
        },
        "proof": _proof(stored, archived_at),
        "first_seen": {"via": recording.first_seen_via, "at": _iso(recording.first_seen_at)},
        "url_origin": recording.url_origin,
        "archived_at": _iso(archived_at),
    }


def _proof(stored: StoredFile, archived_at: datetime | None) -> dict[str, Any] | None:
    proof = stored.proof
    if proof is None:
        return None
    return {
        "rung": proof.rung,
        "method": proof.method,
        "algorithm": proof.algorithm,
        "value": proof.value,
        "verified_by": proof.verified_by,
        "at": _iso(proof.at or archived_at),
    }


def differences(manifest: Manifest, recording: Recording) -> list[str]:
    """Name what the manifest says otherwise than the archived recording's row; what it does not tell is no difference.

    A manifest that names another object than the row is one of another file: compare it with nothing else.
    """
    if recording.archive is None:
        return ["archived_at"]
    ours = _document(recording, recording.archive, recording.archived_at)
    return [path for path, one, other in _told_by_both(ours, manifest.document) if one != other]


def _told_by_both(ours: dict[str, Any], theirs: dict[str, Any], within: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield what this release writes and the other document has too; it may hold more, and as deep as it likes."""
    for name, one in ours.items():
        path, other = f"{within}{name}", theirs.get(name)
        if name not in theirs or path in _NOT_COMPARED or (path == "proof" and other is None):
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _told_by_both(one, other, f"{path}.")
        else:
            yield path, one, other


def read_manifest(body: bytes) -> Manifest:
    """Read a manifest of this or an earlier release; raises `ManifestUnreadableError` for anything else."""
    try:
        document = json.loads(body)
        version = document["manifest_version"]
        if version not in {1, MANIFEST_VERSION}:
            raise ManifestUnreadableError(
                f"it is a manifest of version {str(version)[:20]}", "run the release that wrote it, or a newer one"
            )
        return _read(document)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError, OverflowError) as e:
        raise ManifestUnreadableError(f"it is no manifest ({type(e).__name__})") from e


def _read(document: dict[str, Any]) -> Manifest:
    said, meeting, host = document["recording"], document["meeting"], document["host"]
    archived_at = _needed(_time(document["archived_at"]))
    return Manifest(
        facts=RecordingFacts(
            id=RecordingId(_id(said["id"])),
            meeting=Meeting(
                id=MeetingId(_id(meeting["id"])),
                name=_text(meeting["name"]),
                start_date=_time(meeting["start_date"]),
                end_date=_time(meeting["end_date"]),
            ),
            host=Host(
                id=_int(host["id"]),
                name=_text(host["name"]),
                login=_text(host["login"]),
                email=_text(host["email"]),
            ),
            vendor=VendorFacts(
                participant_ids=tuple(_needed(_int(one)) for one in said["participant_ids"]),
                participants_count=_int(said["participants_count"]),
                file_uid=_text(said["file_uid"]),
                duration_s=_float(said["duration_s"]),
                vendor_size=_float(said["vendor_size"]),
                created_at=_time(said["created_at"]),
                updated_at=_time(said["updated_at"]),
            ),
            attendees=_attendees(document.get("attendees")),
        ),
        stored=_stored(document, archived_at),
        first_seen_at=_needed(_time(document["first_seen"]["at"])),
        url_origin=UrlOrigin(document["url_origin"]) if document["url_origin"] is not None else None,
        archived_at=archived_at,
        document=document,
    )


def _attendees(said: Any) -> tuple[Attendee, ...] | None:
    """Return who was invited; manifests of version 1 do not tell."""
    if said is None:
        return None
    return tuple(Attendee(id=_int(one["id"]), email=_text(one["email"])) for one in said)


def _stored(document: dict[str, Any], archived_at: datetime) -> StoredFile:
    of = document["object"]
    sha256 = _needed(_text(of["sha256"]))
    if len(sha256) != 64 or bytes.fromhex(sha256).hex() != sha256:
        raise ValueError("no SHA-256")
    return StoredFile(
        bucket=_text(of.get("bucket")) or "",
        key=_needed(_text(of["key"])),
        version_id=_text(of.get("version_id")),
        size_bytes=_needed(_int(of["size_bytes"])),
        sha256=sha256,
        checksum=_needed(_text(of["checksum"])),
        content_type=_needed(_text(of["content_type"])),
        incomplete=_text(of.get("incomplete")),
        proof=_read_proof(document.get("proof"), archived_at),
    )


def _read_proof(said: dict[str, Any] | None, archived_at: datetime) -> CopyProof | None:
    if said is None:
        return None
    rung = Rung(said["rung"]) if "rung" in said else _rung_of(said["method"], said["algorithm"])
    return CopyProof(rung=rung, value=_needed(_text(said["value"])), at=_time(said["at"]) or archived_at)


def _rung_of(method: str, algorithm: str) -> Rung:
    """Return the strongest rung of this method and algorithm: early manifests did not name it."""
    if method in {"read_back", "etag"}:
        return {"read_back": Rung.READ_BACK, "etag": Rung.MD5}[method]
    fitting = [one for one in Rung if one.algorithm == algorithm and (method == "full_object" or one.is_of_parts)]
    return fitting[0]


def _id(value: object) -> str:
    if not is_id(value):
        raise ValueError("no id")
    return value


def _needed(value: Any) -> Any:
    if value is None:
        raise ValueError("a value is lacking")
    return value


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise TypeError("no text")
    value.encode()  # a lone surrogate can be stored nowhere
    return value


def _int(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MAX_INT:
        raise TypeError("no whole number")
    return value


def _float(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("no number")
    return float(value)


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time without offset")
    return moment.astimezone(UTC)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
