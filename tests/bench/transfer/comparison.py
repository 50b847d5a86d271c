"""The service beside rclone and the AWS CLI, interleaved over one load."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.transfer.bounds import Bound
from tests.bench.transfer.measured import Measured, median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.transfer.commands import Commands
    from tests.bench.transfer.loads import Load
    from tests.bench.transfer.receivers import Receiver

MOST_CPU = {"plain": 0.55, "tls": 0.9}
MOST_WALL, LEAST_RATE_ONCE_A_FILE, LEAST_RATE_ONE_PROCESS = 1.0, 3.0, 0.8
_COLUMNS = (
    "CPU s/GiB",
    "wall s",
    "files/s",
    "RSS MB",
    "start CPU",
    "start s",
    "CPU ratio",
    "wall",
)
_HEADINGS = " ".join((" " * 30, *(f"{column:>9}" for column in _COLUMNS)))


@dataclass(frozen=True, slots=True)
class Comparison:
    """The service and its contenders over one load; in each round each of them once, a different one first.

    `rclone` is one process for the whole load.
    """

    load: Load
    transport: str
    receiver: Receiver
    rclone: Commands
    aws: Commands | None
    once_a_file: Commands | None = None
    """Where it is there, the files are small: rates are asked for, and not what a GiB costs."""

    async def run(self, rounds: int) -> list[Bound]:
        """Measure, print a line for each contender, and return what was asked."""
        contenders = deque(filter(None, (self.receiver, self.rclone, self.once_a_file, self.aws)))
        found: dict[str, list[Measured]] = {contender.name: [] for contender in contenders}
        for _ in range(rounds):
            for contender in contenders:
                found[contender.name].append(await contender.measure(self.load))
            contenders.rotate()
        print(_HEADINGS)
        for name, measured in found.items():
            self._print(name, measured, found[self.rclone.name])
        return self._bounds(found)

    def _print(self, name: str, measured: Sequence[Measured], rclone: Sequence[Measured]) -> None:
        files = measured[0].load.files
        figures = (
            _cpu(measured),
            median(measured, lambda m: m.wall_s),
            _rate(measured),
            median(measured, lambda m: m.usage.peak_rss_mb),
            median(measured, lambda m: m.start.cpu_s),
            median(measured, lambda m: m.start.wall_s),
            _cpu(measured) / _cpu(rclone),
            _rate(rclone) / _rate(measured),
        )
        title = name if files == self.load.files else f"{name}, {files} files"
        print(f"  {title:28}", *(f"{figure:9.2f}" for figure in figures))

    def _bounds(self, found: dict[str, list[Measured]]) -> list[Bound]:
        ours, rclone = found[self.receiver.name], found[self.rclone.name]
        if self.once_a_file is None:
            return [
                Bound("CPU/GiB ÷ rclone", _cpu(ours) / _cpu(rclone), most=MOST_CPU[self.transport]),
                Bound("wall ÷ rclone", _rate(rclone) / _rate(ours), most=MOST_WALL),
            ]
        once = median(found[self.once_a_file.name], lambda m: m.files_s_with_starts)
        return [
            Bound(
                "recordings/s ÷ rclone once a file, its starts included",
                _rate(ours) / once,
                least=LEAST_RATE_ONCE_A_FILE,
            ),
            Bound("recordings/s ÷ one rclone", _rate(ours) / _rate(rclone), least=LEAST_RATE_ONE_PROCESS),
        ]


def _cpu(rounds: Sequence[Measured]) -> float:
    return median(rounds, lambda measured: measured.cpu_s_gib)


def _rate(rounds: Sequence[Measured]) -> float:
    return median(rounds, lambda measured: measured.files_s)
