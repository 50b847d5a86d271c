#!/usr/bin/env bash
# SQLite 3.50.4 (apsw 3.50.4.0; 3.40.1 does so too), with secure_delete on: text of a row stays readable in the database
# file after it was overwritten by '' and the write-ahead log was cut, where the row had been moved between pages before,
# as rows that grow are. The copy lies in the page's free space; no row and no free page has it. VACUUM ends it. Seen
# 2026-11-28.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv && venv/bin/pip install -q apsw==3.50.4.0
cat >seen.py <<'PYTHON'
import pathlib
import random
import sys

import apsw

print("SQLite", apsw.sqlitelibversion())


def left(seed):
    """Write, let grow and overwrite sixty rows; return how often their text is in the file, before and after VACUUM."""
    path = pathlib.Path(f"{seed}.db")
    db = apsw.Connection(str(path))
    assert db.execute("PRAGMA journal_mode=wal").get == "wal"
    assert db.execute("PRAGMA secure_delete=on").get == 1
    db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, who TEXT, more TEXT)")
    chance, ids = random.Random(seed), [f"r{number:05}" for number in range(60)]
    for one in ids:
        db.execute("INSERT INTO t VALUES (?, ?, ?)", (one, "somebody's name " * 4, "x" * chance.randrange(100, 600)))
    for one in ids:
        db.execute("UPDATE t SET more = ? WHERE id = ?", ("y" * chance.randrange(300, 900), one))
    db.execute("UPDATE t SET who = '', more = ''")
    seen = []
    for statement in ("SELECT 1", "VACUUM"):
        db.execute(statement)
        assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").get[0] == 0
        seen.append(path.read_bytes().count(b"somebody's name"))
    return tuple(seen)


found = [left(seed) for seed in range(8)]
print("copies in the file, before and after VACUUM:", found)
sys.exit(not (any(before for before, _ in found) and not any(after for _, after in found)))
PYTHON
venv/bin/python seen.py
