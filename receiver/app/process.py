"""What a serving process holds: its port, and the lock that makes it the one worker of a SQLite file."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from receiver.app.configs import sqlite_path
from receiver.errors import DatabaseLockedError, ReceiverError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from receiver.settings import Settings


_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h
_LARGE_BYTES = 256 * 1024
_DESCRIPTORS = 65_536
_FIRST_INHERITED = 3
"""SD_LISTEN_FDS_START."""
_BACKLOG = 1024
"""Connections that wait to be accepted; the kernel's own limit may be lower."""


@contextmanager
def only_worker(settings: Settings) -> Iterator[None]:
    """Hold the lock that makes this the one working process of a SQLite file; raises `DatabaseLockedError`."""
    path = sqlite_path(settings)
    if path is None:  # PostgreSQL is shared by any number of processes
        yield
        return
    lock_path = _lock_of(path)
    make_private_file(lock_path)
    with lock_path.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise DatabaseLockedError(
                f"another receiver works on {path}",
                "SQLite serves one working process: stop that one first, or move to PostgreSQL, which any number share "
                "(`receiver migrate --from … --to …`)",
            ) from e
        yield


def is_worked_on(path: Path) -> bool:
    """Tell whether a process holds the lock of this SQLite file; nothing is created."""
    try:
        with _lock_of(path).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def make_private_file(path: Path) -> None:
    """Create an empty file that only this user may read, unless it exists: the index names people."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as e:
        raise ReceiverError(
            f"cannot write {path}: {e.strerror}", "RECEIVER_DATABASE_URL must name a writable place"
        ) from e


class ExposedFile(NamedTuple):
    """A file of the index that others on this machine may open, and its permissions."""

    path: Path
    mode: int


def exposed_files(database: Path) -> list[ExposedFile]:
    """Return which files of a SQLite database others may open: an existing one keeps the mode that it was given."""
    files = [database.with_name(database.name + ending) for ending in ("", "-wal", "-shm")]
    modes = [ExposedFile(file, file.stat().st_mode & 0o777) for file in files if file.is_file()]
    return [exposed for exposed in modes if exposed.mode & 0o077]


@contextmanager
def listening(host: str, port: int, *, setting: str = "--port") -> Iterator[socket.socket]:
    """Listen before anything else is started: a taken port is a plain error, and early callers wait in the queue.

    `setting` is where an operator chooses the port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends at once (TCP_NODELAY) only over sockets that name their protocol, as those accepted name this one's;
    # without, the second write of an answer waits for the other side's delayed acknowledgement: 40 ms
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
            bound.listen(_BACKLOG)
        except OSError as e:
            raise ReceiverError(
                f"cannot listen on {host} port {port}: {e.strerror}", f"choose another {setting}"
            ) from e
        yield bound


def inherited() -> socket.socket | None:
    """Take over the listening socket that systemd holds for this process (sd_listen_fds(3)); None where it holds none.

    It outlives the process: who connects while that is restarted waits in its queue, and nobody is refused.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    if (count := os.environ.get("LISTEN_FDS")) != "1":
        raise ReceiverError(f"{count} sockets were handed over", "give the socket unit one ListenStream=")
    os.set_inheritable(_FIRST_INHERITED, False)
    return socket.socket(fileno=_FIRST_INHERITED)


def give_freed_buffers_back() -> None:
    """Have the C library map blocks of this size by themselves, so that the system gets one back as soon as it is free.

    glibc does so until the first is freed, and then keeps them in heaps of each thread that had some: 200 files of
    1 MB made the process 12 MB larger. A heap for each thread, which spares threads that are always at it a wait, cost
    an idle process 2 MB. Other C libraries have no such settings.
    """
    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        library.mallopt(_M_ARENA_MAX, 1)


def raise_descriptor_limit() -> int:
    """Allow this process as many open files as it may allow itself, and return how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return _DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
