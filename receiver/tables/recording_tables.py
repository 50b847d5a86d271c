"""Deliveries, recordings, and what follows from them or is noted of their copies."""

from __future__ import annotations

import sqlalchemy as sa

from receiver.tables.metadata import DERIVED, metadata, where
from receiver.tables.times import UtcDateTime

_RECONCILED = sa.text("first_seen_via = 'reconcile'")

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("body_sha256", sa.Text, nullable=False, unique=True),
    sa.Column("body_bytes", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("rejected", sa.JSON, nullable=False),
    # null in rows that releases before them wrote
    sa.Column("recordings_count", sa.BigInteger),
    sa.Column("rejected_count", sa.BigInteger),
    sa.Column("reason", sa.Text),
    # what the sender's W3C trace context said, where it sent one
    sa.Column("traceparent", sa.Text),
    sa.Index(None, "received_at", "id"),
    # those that an erasure looks into, since they are linked to nothing
    sa.Index("ix_deliveries_unread", "id", **where("status <> 'accepted' OR recordings_count = 0")),
)
"""`body` is empty once all that it named is erased; `body_sha256` and `body_bytes` stay those of the body that came."""

recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("meeting_id", sa.Text, nullable=False),
    sa.Column("meeting_name", sa.Text),
    sa.Column("meeting_start_at", UtcDateTime),
    sa.Column("meeting_end_at", UtcDateTime),
    sa.Column("host_id", sa.BigInteger),
    sa.Column("host_name", sa.Text),
    sa.Column("host_login", sa.Text),
    sa.Column("host_email", sa.Text),
    sa.Column("search_text", sa.Text, nullable=False),
    sa.Column("place", sa.BigInteger, index=True),
    sa.Column("participants_count", sa.BigInteger),
    sa.Column("file_uid", sa.Text),
    sa.Column("duration_s", sa.Double),
    sa.Column("vendor_size", sa.Double),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime),
    sa.Column("listed_at", UtcDateTime),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("crashes", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_attempt_at", UtcDateTime),
    sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("payload_url", sa.Text),
    sa.Column("url_origin", sa.Text),
    sa.Column("source_host", sa.Text),
    sa.Column("upload_id", sa.Text),
    sa.Column("upload_part_size_bytes", sa.BigInteger),
    sa.Column("upload_rung", sa.Text),
    sa.Column("source_etag", sa.Text),
    sa.Column("source_size_bytes", sa.BigInteger),
    sa.Column("read_back_bytes", sa.BigInteger),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("error_at", UtcDateTime),
    sa.Column("error_origin", sa.Text),
    sa.Column("error_setting", sa.Text),
    sa.Column("object_bucket", sa.Text),
    sa.Column("object_key", sa.Text),
    sa.Column("object_version_id", sa.Text),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Column("sha256", sa.Text),
    sa.Column("checksum", sa.Text),
    sa.Column("content_type", sa.Text),
    # null in rows that releases before the ladder archived: those were proven by the store's CRC64NVME
    sa.Column("proof_rung", sa.Text),
    sa.Column("proof_value", sa.Text),
    sa.Column("proof_at", UtcDateTime),
    sa.Column("archived_at", UtcDateTime),
    sa.Column("incomplete", sa.Text),
    sa.Column("cut_sha256", sa.Text),
    # null where the object was not read again since it was archived; `unread_since` is the first of failures in a row
    sa.Column("verified_at", UtcDateTime),
    sa.Column("fixity", sa.Text),
    sa.Column("unread_since", UtcDateTime),
    sa.Column("audit_due_at", UtcDateTime),
    sa.Column("hold", sa.Boolean(name="hold"), nullable=False, server_default=sa.false()),
    sa.Column("due_since", UtcDateTime),
    sa.Column("object_locked", sa.Boolean(name="object_locked"), nullable=False, server_default=sa.false()),
    # until when the store said that it keeps the version, and for which RETENTION_DAYS that was last seen to
    sa.Column("retained_until", UtcDateTime),
    sa.Column("retained_days", sa.Integer, nullable=False, server_default="0"),
    sa.Column("first_seen_via", sa.Text, nullable=False),
    sa.Column("first_seen_at", UtcDateTime, nullable=False),
    # what listings are sorted by; rows without the value come in the order of `created_at`
    sa.Index(None, "created_at", "id"),
    sa.Index("ix_recordings_start", "meeting_start_at", "id", **where("meeting_start_at IS NOT NULL")),
    sa.Index("ix_recordings_duration", "duration_s", "id", **where("duration_s IS NOT NULL")),
    sa.Index("ix_recordings_archived", "archived_at", "id", **where("archived_at IS NOT NULL")),
    sa.Index("ix_recordings_archived_size", "size_bytes", "id", **where("archived_at IS NOT NULL")),
    sa.Index("ix_recordings_not_archived", "created_at", "id", **where("archived_at IS NULL")),
    sa.Index("ix_recordings_no_start", "created_at", "id", **where("meeting_start_at IS NULL")),
    sa.Index("ix_recordings_no_duration", "created_at", "id", **where("duration_s IS NULL")),
    # what they are narrowed by, in the order of `created_at`
    sa.Index(None, "meeting_id", "created_at", "id"),
    sa.Index(None, "host_id", "created_at", "id"),
    sa.Index(None, "state", "created_at", "id"),
    sa.Index("ix_recordings_content_type", "content_type", "created_at", "id", **where("content_type IS NOT NULL")),
    sa.Index("ix_recordings_error_code", "error_code", "created_at", "id", **where("error_code IS NOT NULL")),
    sa.Index("ix_recordings_held", "created_at", "id", **where("hold")),
    sa.Index("ix_recordings_due", "created_at", "id", **where("due_since IS NOT NULL")),
    sa.Index("ix_recordings_locked", "id", **where("object_locked")),
    sa.Index("ix_recordings_retained", "retained_days", "id", **where("object_version_id IS NOT NULL")),
    sa.Index("ix_recordings_incomplete", "created_at", "id", **where("incomplete IS NOT NULL")),
    sa.Index(None, "state", "next_attempt_at"),
    sa.Index("ix_recordings_fixity", "fixity", "created_at", "id", **where("fixity IS NOT NULL")),
    sa.Index("ix_recordings_verified", "verified_at", **where("verified_at IS NOT NULL")),
    sa.Index("ix_recordings_unverified", "archived_at", **where("archived_at IS NOT NULL AND verified_at IS NULL")),
    sa.Index("ix_recordings_audit_due", "audit_due_at", **where("audit_due_at IS NOT NULL")),
    # the missed webhooks are counted at every scrape
    sa.Index(
        "ix_recordings_missed",
        "first_seen_via",
        "created_at",
        postgresql_where=_RECONCILED,
        sqlite_where=_RECONCILED,
    ),
    sa.Index("ix_recordings_reconciled", "first_seen_via", postgresql_where=_RECONCILED, sqlite_where=_RECONCILED),
)
"""`search_text` holds the tokens by which a recording is found, each between spaces; `place` is where it stands in
their postings, in the order of `created_at`, and null until the row is indexed."""

participants = sa.Table(
    "participants",
    metadata,
    sa.Column("recording_id", sa.Text, sa.ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
)

attendees = sa.Table(
    "attendees",
    metadata,
    sa.Column("recording_id", sa.Text, sa.ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("user_id", sa.BigInteger),
    sa.Column("email", sa.Text),
    sqlite_with_rowid=False,
)
"""Who was invited, as the newest delivery said. Further copies lie in `recordings.search_text`, in `search_postings`
and in the deliveries' bodies."""

search_postings = sa.Table(
    "search_postings",
    metadata,
    sa.Column("token", sa.Text, primary_key=True),
    sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
    info={DERIVED: True},
)
"""For each token of `recordings.search_text`, where the recordings with it stand, in the order of `created_at`."""

state_counts = sa.Table(
    "state_counts",
    metadata,
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    info={DERIVED: True},
)
"""How many recordings stand in each state: the sum of its rows, which triggers write with every change.

On SQLite, which has one writer, a row a state; on PostgreSQL a row a change, so that no writer waits for another, until
`catalogue.counts` folds them.
"""

archived_bytes = sa.Table(
    "archived_bytes", metadata, sa.Column("number", sa.BigInteger, nullable=False), info={DERIVED: True}
)
"""How many bytes the archived recordings have: the sum of its rows, written and folded as those of `state_counts`."""

hour_cells = sa.Table(
    "hour_cells",
    metadata,
    sa.Column("pair", sa.SmallInteger, nullable=False),
    sa.Column("hour", sa.Integer, nullable=False),
    sa.Column("least", sa.Integer, nullable=False),
    sa.Column("greatest", sa.Integer, nullable=False),
    sa.Index("ix_hour_cells_pair", "pair", "hour", "least", "greatest"),
    info={DERIVED: True},
)
"""Of recordings that have one time of a pair in this hour, some have, or had, the other from `least` to `greatest`.

Hours are counted since the year 1; `catalogue.hours` says which pairs there are. Triggers add what is not there yet,
the same row twice where two processes do at once, so that none waits; what a row no longer says only costs a look.
"""

candidate_meetings = sa.Table(
    "candidate_meetings",
    metadata,
    sa.Column("recording_id", sa.Text, sa.ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("meeting_id", sa.Text, primary_key=True),
    sa.Column("meeting_name", sa.Text),
    sa.Column("meeting_start_at", UtcDateTime),
    sa.Column("meeting_end_at", UtcDateTime),
    sa.Column("host_id", sa.BigInteger),
    sa.Column("host_name", sa.Text),
    sa.Column("host_login", sa.Text),
    sa.Column("host_email", sa.Text),
    sa.Column("asked_at", UtcDateTime),
)
"""Meetings that deliveries named for a recording beside the one of its row, until the API lists it under one.

`asked_at` is when a run last asked the API for the meeting.
"""

upload_parts = sa.Table(
    "upload_parts",
    metadata,
    sa.Column("recording_id", sa.Text, sa.ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("checksum", sa.Text, nullable=False),
    sa.Column("digest", sa.Text),
    sa.Column("fence", sa.BigInteger),
    sa.Column("elapsed_s", sa.Double),
)

delivery_recordings = sa.Table(
    "delivery_recordings",
    metadata,
    sa.Column("delivery_id", sa.Text, sa.ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("recording_id", sa.Text, nullable=False, index=True),
)

named_meetings = sa.Table(
    "named_meetings",
    metadata,
    sa.Column("meeting_id", sa.Text, primary_key=True),
    sa.Column("named_at", UtcDateTime, nullable=False),
    sa.Column("ask_at", UtcDateTime, nullable=False, index=True),
    sa.Column("asked", sa.Integer, nullable=False),
)
"""Meetings that a delivery named without (all) their records. `asked`: how often the API was, since `named_at`."""
