"""Eight processes that write to the log at once for some seconds, sealing as they go; each prints how much it wrote.

By hand, for a minute: `python -m tests.support.log_writers postgresql://… 60`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress

import sqlalchemy as sa

from receiver.catalogue import audit_log
from receiver.catalogue.audit_log import AuditEntry
from receiver.records import Actor
from receiver.tables import open_database
from tests.support.clock import NOW

PROCESSES = 8
ROLLED_BACK_EVERY = 7


async def write(url: str, number: int, seconds: float) -> int:
    """Write for so long; every seventh transaction is rolled back, every tenth seals what is there."""
    database = open_database(url)
    me, ends, kept, turn = Actor(f"writer-{number}"), time.monotonic() + seconds, 0, 0

    def append(tx: sa.Connection) -> None:
        audit_log.append(tx, AuditEntry.of(me, "verified", f"r{turn}", at=NOW, outcome="intact"))
        if turn % ROLLED_BACK_EVERY == 0:
            raise KeyError(turn)

    try:
        while time.monotonic() < ends:
            turn += 1
            with suppress(KeyError):
                await database.write(append)
                kept += 1
            if turn % 10 == 0:
                await audit_log.seal(database)
    finally:
        await database.close()
    return kept


def main(url: str, seconds: float) -> None:
    """Fork them from one process, which has read the code once."""
    children = []
    for number in range(PROCESSES):
        pid = os.fork()
        if not pid:
            kept = asyncio.run(write(url, number, seconds))
            os.write(1, f"{kept}\n".encode())
            os._exit(0)
        children.append(pid)
    failed = [pid for pid in children if os.waitpid(pid, 0)[1] != 0]
    sys.exit(f"{len(failed)} writers failed" if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
