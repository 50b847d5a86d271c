"""What an erasure cannot reach, and the commands that end it, as seen on SQLite 3.40, PostgreSQL 18, SeaweedFS 4.48."""

from __future__ import annotations

from receiver.records import Remaining

_POSTGRESQL = (
    Remaining(
        "PostgreSQL's tables and indexes",
        "dead rows, and after a plain VACUUM their bytes",
        "VACUUM (FULL, ANALYZE) recordings, participants, attendees, candidate_meetings, search_postings, deliveries, "
        "erasures",
    ),
    Remaining(
        "PostgreSQL's statistics",
        "samples of columns, also after ANALYZE",
        "ANALYZE; VACUUM FULL pg_statistic",
    ),
    Remaining(
        "PostgreSQL's write-ahead log",
        "the rows as they were written",
        "SELECT pg_switch_wal(); CHECKPOINT; a few times, until its old files are used again",
    ),
    Remaining(
        "PostgreSQL's own log, pg_stat_statements, replicas, WAL archives and base backups",
        "what they were set to keep",
        "let them expire, or remove those from before this erasure; the service erases again in what is put back",
    ),
)
_SQLITE = (
    Remaining(
        "free space in the database file",
        "copies that SQLite leaves where rows were moved between pages, in spite of secure_delete",
        "VACUUM; PRAGMA wal_checkpoint(TRUNCATE); nothing can be written meanwhile",
    ),
    Remaining(
        "copies of the database file: backups, snapshots, litestream's folder and replica",
        "all that it held then",
        "remove those from before this erasure; the service erases again in what is put back",
    ),
)
_SQLITE_LOG = Remaining(
    "the write-ahead log beside the database file (-wal)",
    "pages as they were, since a reader or another process was in the way",
    "PRAGMA wal_checkpoint(TRUNCATE), until its first column (busy) is 0; a stop of the service does it too",
)
_BUCKET = (
    Remaining(
        "the bucket's replicas and backups, and the store's own files",
        "copies that the store makes without telling; SeaweedFS keeps bytes until it vacuums, and keys longer",
        "what the store has for it; SeaweedFS: volume.vacuum",
    ),
    Remaining(
        "downloads under way, and files that people saved",
        "a download that has begun runs to its end; a URL is good for 15 minutes and finds nothing any more",
        "",
    ),
)
_NAMED_KEYS = Remaining(
    "the store's access logs, and metadata of deleted keys",
    "the meeting's name or the host's id, since KEY_TEMPLATE makes keys with it",
    "let the logs expire; use a KEY_TEMPLATE of ids and times alone",
)
_PLATFORM = Remaining(
    "the platform", "its own copy of the recording, its meeting and its users", "delete them at the platform"
)


def remaining(*, is_sqlite: bool, is_log_cleared: bool, names_in_keys: bool) -> tuple[Remaining, ...]:
    """Return what may be left; `is_log_cleared` says that SQLite's log of writes was cut."""
    found = list(_SQLITE if is_sqlite else _POSTGRESQL)
    if is_sqlite and not is_log_cleared:
        found.insert(0, _SQLITE_LOG)
    found += _BUCKET
    if names_in_keys:
        found.append(_NAMED_KEYS)
    return (*found, _PLATFORM)
