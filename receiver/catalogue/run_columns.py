"""What a run's writes put into the columns of its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from receiver.records import NotedObject

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from receiver.lifecycle import Decision
    from receiver.records import Claim, Failure, StoredFile, UnfinishedUpload, UrlOrigin

NO_UPLOAD = {
    "upload_id": None,
    "upload_part_size_bytes": None,
    "upload_rung": None,
    "source_etag": None,
    "source_size_bytes": None,
    "read_back_bytes": None,
}
NO_OBJECT = {"size_bytes": None, "checksum": None}


def begun(key: str, upload: UnfinishedUpload | None, origin: UrlOrigin, source_host: str | None) -> dict[str, Any]:
    values: dict[str, Any] = {"object_key": key, "url_origin": origin, **NO_UPLOAD}
    if upload is not None:
        values |= {
            "upload_id": upload.upload.upload_id,
            "upload_part_size_bytes": upload.part_size_bytes,
            "upload_rung": upload.upload.rung,
            "source_etag": upload.source_etag,
            "source_size_bytes": upload.source_size_bytes,
        }
    return values if source_host is None else values | {"source_host": source_host}


def failed(decision: Decision, failure: Failure) -> dict[str, Any]:
    return {
        "attempts": decision.attempts,
        "next_attempt_at": decision.next_attempt_at,
        "error_code": failure.code,
        "error_message": failure.message,
        "error_at": failure.at,
        "error_origin": failure.origin,
        "error_setting": failure.setting,
    }


def proven_by(stored: StoredFile, now: datetime) -> dict[str, Any]:
    proof = stored.proof
    if proof is None:
        return {"proof_rung": None, "proof_value": None, "proof_at": None}
    return {"proof_rung": proof.rung, "proof_value": proof.value, "proof_at": proof.at or now}


def file_of(claim: Claim) -> dict[str, Any]:
    return {"file_uid": claim.recording.vendor.file_uid, "updated_at": claim.recording.vendor.updated_at}


def noted_of(row: sa.Row[Any]) -> NotedObject | None:
    if row.checksum is None:
        return None
    return NotedObject(key=row.object_key, size_bytes=row.size_bytes, checksum=row.checksum)
