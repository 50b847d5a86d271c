"""What the service remembers of its surroundings and of its own walks, and whom it tells of what."""

from __future__ import annotations

import sqlalchemy as sa

from receiver.tables.metadata import NOT_MOVED, metadata, where
from receiver.tables.times import UtcDateTime

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

event_outbox = sa.Table(
    "event_outbox",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("webhook_id", sa.Text, nullable=False, unique=True),
    sa.Column("recording_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_attempt_at", UtcDateTime),
    sa.Column("gives_up_at", UtcDateTime, nullable=False),
    sa.Column("delivered_at", UtcDateTime),
    sa.Column("error", sa.Text),
    sa.Index(None, "recording_id", "id"),
    sa.Index("ix_event_outbox_pending", "next_attempt_at", **where("next_attempt_at IS NOT NULL")),
    sa.Index("ix_event_outbox_failed", "at", **where("next_attempt_at IS NULL AND delivered_at IS NULL")),
    sqlite_autoincrement=True,  # the order of a recording's events
)
"""Events to be sent (`next_attempt_at` is set), sent (`delivered_at` is), or given up (neither). `data` is what is sent
of the recording as it was then; nothing of it is personal."""

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("began_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("told_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("end_told_at", UtcDateTime),
    sa.Index("uq_notices_open", "kind", "subject", unique=True, **where("end_told_at IS NULL")),
)
"""What people are told of: since when it is so, when it was seen last, and when they were told of it and of its end.

`subject` is a recording's id or a host, where there can be several of a kind."""

notice_holders = sa.Table(
    "notice_holders",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("held_until", UtcDateTime, nullable=False),
    info={NOT_MOVED: True},
)
"""Which process looks and tells for all, until when unless it shows itself again."""
