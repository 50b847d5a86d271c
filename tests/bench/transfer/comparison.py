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
_COLUMNS = ("CPU s/GiB", "wall s", "files/s", "RSS MB", "start CPU", "start s", "CPU", "wall")
_HEADINGS = (
    "without what a start takes, but for files/s; the last two beside rclone copyurl's\n"
    f"  {'':30}{''.join(f'{column:>10}' for column in _COLUMNS)}"
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The service and its contenders over one load; in each round each of them once, a different one first.

    `rclone` is one process for the whole load; `before` is another build of the service.
    """

    load: Load
    transport: str
    receiver: Receiver
    rclone: Commands
    aws: Commands | None = None
    before: Receiver | None = None
    most_wall: float = MOST_WALL
    once_a_file: Commands | None = None
    """Where it is there, the files are small: rates are asked for, and not what a GiB costs."""
    in_parts: Commands | None = None

    async def run(self, rounds: int) -> list[Bound]:
        """Measure, print a line for each contender, and return what was asked."""
        contenders = deque(
            filter(None, (self.receiver, self.before, self.rclone, self.once_a_file, self.in_parts, self.aws))
        )
        found: dict[str, list[Measured]] = {contender.name: [] for contender in contenders}
        self.load.warm(self.receiver.folder / "files")
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
            median(measured, _cpu),
            median(measured, lambda m: m.wall_s),
            1 / median(measured, lambda m: m.whole_s_file),
            median(measured, lambda m: m.usage.peak_rss_mb),
            median(measured, lambda m: m.start.cpu_s),
            median(measured, lambda m: m.start.wall_s),
            median(measured, _cpu) / median(rclone, _cpu),
            median(measured, _wall) / median(rclone, _wall),
        )
        title = name if files == self.load.files else f"{name}, {files} files"
        print(f"  {title:30}{''.join(_shown(figure) for figure in figures)}")

    def _bounds(self, found: dict[str, list[Measured]]) -> list[Bound]:
        ours, rclone = found[self.receiver.name], found[self.rclone.name]
        if self.once_a_file is None:
            cpu, wall = median(ours, _cpu) / median(rclone, _cpu), median(ours, _wall) / median(rclone, _wall)
            return [
                Bound("CPU/GiB ÷ rclone", cpu, most=MOST_CPU[self.transport]),
                Bound("wall ÷ rclone", wall, most=self.most_wall),
            ]
        once = median(found[self.once_a_file.name], lambda m: m.whole_s_file) / median(ours, _wall)
        one = median(rclone, _wall) / median(ours, _wall)
        return [
            Bound("recordings/s ÷ rclone once a file, starts and all", once, least=LEAST_RATE_ONCE_A_FILE),
            Bound("recordings/s ÷ one rclone", one, least=LEAST_RATE_ONE_PROCESS),
        ]


def _shown(figure: float) -> str:
    """A figure of nothing or less is lost in the noise of the starts that were taken off."""
    return f"{figure:10.2f}" if figure > 0 else f"{'-':>10}"


def _cpu(measured: Measured) -> float:
    return measured.cpu_s_gib


def _wall(measured: Measured) -> float:
    return measured.wall_s_file
