"""Table definitions. All times are UTC; all text is free of NUL (PostgreSQL refuses it).

Ids and tokens are sorted by their bytes on both databases, on PostgreSQL by the collation that migration 0017 gave.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

NOT_MOVED = "not_moved"
"""Key of `Table.info` for a table whose rows belong to the database they lie in."""
DERIVED = "derived"
"""Key of `Table.info` for a table whose rows follow from those of other tables, and are made anew by a move."""


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime on both databases; SQLite stores it as sortable text without an offset."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Turn an aware datetime to UTC; a naive one is a defect."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone reached the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Give back an aware datetime in UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_RECONCILED = sa.text("first_seen_via = 'reconcile'")


def _where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


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
    sa.Index(None, "received_at", "id"),
    # those that an erasure looks into, since they are linked to nothing
    sa.Index("ix_deliveries_unread", "id", **_where("status <> 'accepted' OR recordings_count = 0")),
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
    sa.Column("first_seen_via", sa.Text, nullable=False),
    sa.Column("first_seen_at", UtcDateTime, nullable=False),
    # what listings are sorted by; rows without the value come in the order of `created_at`
    sa.Index(None, "created_at", "id"),
    sa.Index("ix_recordings_start", "meeting_start_at", "id", **_where("meeting_start_at IS NOT NULL")),
    sa.Index("ix_recordings_duration", "duration_s", "id", **_where("duration_s IS NOT NULL")),
    sa.Index("ix_recordings_archived", "archived_at", "id", **_where("archived_at IS NOT NULL")),
    sa.Index("ix_recordings_archived_size", "size_bytes", "id", **_where("archived_at IS NOT NULL")),
    sa.Index("ix_recordings_not_archived", "created_at", "id", **_where("archived_at IS NULL")),
    sa.Index("ix_recordings_no_start", "created_at", "id", **_where("meeting_start_at IS NULL")),
    sa.Index("ix_recordings_no_duration", "created_at", "id", **_where("duration_s IS NULL")),
    # what they are narrowed by, in the order of `created_at`
    sa.Index(None, "meeting_id", "created_at", "id"),
    sa.Index(None, "host_id", "created_at", "id"),
    sa.Index(None, "state", "created_at", "id"),
    sa.Index("ix_recordings_content_type", "content_type", "created_at", "id", **_where("content_type IS NOT NULL")),
    sa.Index("ix_recordings_error_code", "error_code", "created_at", "id", **_where("error_code IS NOT NULL")),
    sa.Index("ix_recordings_held", "created_at", "id", **_where("hold")),
    sa.Index("ix_recordings_incomplete", "created_at", "id", **_where("incomplete IS NOT NULL")),
    sa.Index(None, "state", "next_attempt_at"),
    sa.Index("ix_recordings_fixity", "fixity", "created_at", "id", **_where("fixity IS NOT NULL")),
    sa.Index("ix_recordings_verified", "verified_at", **_where("verified_at IS NOT NULL")),
    sa.Index("ix_recordings_unverified", "archived_at", **_where("archived_at IS NOT NULL AND verified_at IS NULL")),
    sa.Index("ix_recordings_audit_due", "audit_due_at", **_where("audit_due_at IS NOT NULL")),
    # the missed webhooks are counted at every scrape
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

api_pauses = sa.Table(
    "api_pauses",
    metadata,
    sa.Column("api_url", sa.Text, primary_key=True),
    sa.Column("ends_epoch_s", sa.Double, nullable=False),
    info={NOT_MOVED: True},
)
"""When the pause that an API asked for is over, by this database's clock."""

store_abilities = sa.Table(
    "store_abilities",
    metadata,
    sa.Column("place", sa.Text, primary_key=True),
    sa.Column("server", sa.Text),
    sa.Column("abilities", sa.JSON, nullable=False),
    sa.Column("is_sure", sa.Boolean(name="is_sure"), nullable=False),
    sa.Column("tried_at", UtcDateTime, nullable=False),
)
"""What each bucket was found to do (`place`: endpoint, bucket, and how objects are written there), and when."""

ended_sessions = sa.Table(
    "ended_sessions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)
"""Sessions of the page whose holders signed out; each is kept until it would have expired."""

write_probes = sa.Table(
    "write_probes",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("written_at", UtcDateTime, nullable=False),
    info={NOT_MOVED: True},
)
"""One row, written to find out whether the database takes a write."""

reconciliations = sa.Table(
    "reconciliations",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("began_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("held_until", UtcDateTime, nullable=False),
    sa.Column("tally", sa.JSON, nullable=False),
)

reconciled_meetings = sa.Table(
    "reconciled_meetings",
    metadata,
    sa.Column("name", sa.Text, sa.ForeignKey("reconciliations.name", ondelete="CASCADE"), primary_key=True),
    sa.Column("meeting_id", sa.Text, primary_key=True),
)

bucket_walks = sa.Table(
    "bucket_walks",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("began_at", UtcDateTime, nullable=False),
    sa.Column("noted_at", UtcDateTime, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("tally", sa.JSON, nullable=False),
    info={NOT_MOVED: True},
)
"""How far a walk over all objects is that was not ended: what it did last (`place`), and what it has counted."""

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("previous_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index(None, "actor", "id"),
    sa.Index(None, "action", "id"),
    sqlite_autoincrement=True,  # an id is never given out twice
)
"""Rows are only added: each holds the hash of the one before it."""

unsealed_audit_log = sa.Table(
    "unsealed_audit_log",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    sa.Column("details", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)
"""Entries as acts write them, in transactions of their own; each is soon moved to the end of `audit_log`'s chain."""

audit_log_heads = sa.Table(
    "audit_log_heads",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("entry_id", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
"""One row: the entry that was sealed last, so that one taken off the end is missed."""

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("recording_id", sa.Text, primary_key=True),
    sa.Column("certificate_id", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("begun_at", UtcDateTime, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    sa.Column("versions_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("bodies_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("done_at", UtcDateTime),
    sa.Column("look_at", UtcDateTime),
    sa.Index("ix_erasures_certificate", "certificate_id", "recording_id"),
    sa.Index("ix_erasures_left", "look_at", "recording_id", **_where("look_at IS NOT NULL")),
)
"""Erased recordings, beside their rows. `files` says where their files lie until
nothing is left to do; `look_at` is when they are looked for (again), null then, `done_at` when all were gone first."""

erased_persons = sa.Table(
    "erased_persons",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("erased_at", UtcDateTime, nullable=False),
    sa.Column("also_attended", sa.Boolean(name="also_attended"), nullable=False),
)
"""Keyed digests of erased persons' ids and e-mails, as they lie in the bucket."""

digest_keys = sa.Table(
    "digest_keys",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("key", sa.LargeBinary, nullable=False),
)
"""One row: the key of `erased_persons`, as it lies in the bucket."""
