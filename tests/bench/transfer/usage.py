"""What processes used: CPU seconds (user and system, ended children included), wall seconds, peak memory."""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Usage:
    """`peak_rss_mb` is the sum of each process's own peak where several ran at once."""

    cpu_s: float
    wall_s: float
    peak_rss_mb: float


def median_usage(found: Sequence[Usage]) -> Usage:
    """Return the median of each figure."""
    return Usage(
        statistics.median(usage.cpu_s for usage in found),
        statistics.median(usage.wall_s for usage in found),
        statistics.median(usage.peak_rss_mb for usage in found),
    )


def usage_of_tree(pid: int, *, since: float) -> Usage:
    """Return what a living process and its children used so far; `since`, a monotonic time, is when it was started."""
    wall_s = time.monotonic() - since
    process = psutil.Process(pid)
    tree = [process, *process.children(recursive=True)]
    cpu_s = sum(sum(member.cpu_times()[:4]) for member in tree)
    return Usage(cpu_s, wall_s, sum(_peak_rss_mb(member.pid) for member in tree))


async def run_pipeline(commands: Sequence[Sequence[str | Path]], environ: Mapping[str, str], log_path: Path) -> Usage:
    """Run commands, each one's output the next one's input, and return what they used together.

    Nothing else that this process started may end meanwhile. Raises `RuntimeError` where a command fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    processes = await _started(commands, environ, log_path)
    ends = [asyncio.create_task(process.wait()) for process in processes]
    peaks_mb = [0.0] * len(processes)
    pending = set(ends)
    try:
        while pending:
            for index, process in enumerate(processes):
                peaks_mb[index] = max(peaks_mb[index], _peak_rss_mb(process.pid))
            _, pending = await asyncio.wait(ends, timeout=_LOOK_EVERY_S)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
    wall_s = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if any(process.returncode for process in processes):
        raise RuntimeError(f"{commands} ended with {[p.returncode for p in processes]}\n{_tail(log_path)}")
    return Usage(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall_s, sum(peaks_mb))


async def _started(
    commands: Sequence[Sequence[str | Path]], environ: Mapping[str, str], log_path: Path
) -> list[asyncio.subprocess.Process]:
    processes = []
    with ExitStack() as stack:
        log = stack.enter_context(log_path.open("ab"))
        stdin = asyncio.subprocess.DEVNULL
        for number, command in enumerate(commands, start=1):
            read_end, stdout = os.pipe() if number < len(commands) else (asyncio.subprocess.DEVNULL, log.fileno())
            processes.append(
                await asyncio.create_subprocess_exec(*command, env=environ, stdin=stdin, stdout=stdout, stderr=log)
            )
            if number < len(commands):
                os.close(stdout)
                stack.callback(os.close, read_end)
            stdin = read_end
    return processes


def _tail(log_path: Path) -> str:
    return log_path.read_text(errors="replace")[-3000:]


def _peak_rss_mb(pid: int) -> float:
    """Return a process's own peak, 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    peaks = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    return peaks[0] * 1024 / 1e6 if peaks else 0.0
