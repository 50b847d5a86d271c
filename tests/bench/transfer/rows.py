"""The rows of the bench by name, and the sizes that they are measured with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.bench.transfer.commands import Aws, Rclone
from tests.bench.transfer.comparison import Comparison
from tests.bench.transfer.loads import Load
from tests.bench.transfer.memory import Growth, Memory
from tests.bench.transfer.receivers import Receiver
from tests.bench.transfer.webhook import Webhook

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.transfer.ends import Ends
    from tests.bench.transfer.platform import Platform

    Row = Comparison | Memory | Growth | Webhook

_MB = 1_000_000
_TRANSPORTS = ("plain", "tls")
_SIZES = ("small", "medium", "large")
COMPARISONS = tuple(f"{size}-{transport}" for size in _SIZES for transport in _TRANSPORTS)
_FAR = tuple(f"distance-{transport}" for transport in _TRANSPORTS)
NAMES = (*COMPARISONS, *_FAR, "memory", "growth", *(f"webhook-{transport}" for transport in _TRANSPORTS))
MOST_FAR_WALL = 0.65
"""A far store's answers are awaited side by side, and no request waits for another that it does not need."""

_LOADS = {
    "small": Load(_MB, 200),
    "medium": Load(100 * _MB, 8),
    "large": Load(4000 * _MB, 1),
    "distance": Load(2**30, 1),
    "parts": Load(300 * _MB, 8),
    "short": Load(100 * _MB, 1),
    "long": Load(20_000 * _MB, 1),
    "beside": Load(8000 * _MB, 8),
}
_QUICK_LOADS = _LOADS | {
    "small": Load(_MB, 20),
    "medium": Load(20 * _MB, 8),
    "large": Load(200 * _MB, 1),
    "distance": Load(300 * _MB, 1),
    "parts": Load(100 * _MB, 8),
    "long": Load(1000 * _MB, 1),
}
_BESIDE_S, _QUICK_BESIDE_S = 30, 3
_MOST_STARTS = 20
"""So many files show what a start for each costs."""
_IN_PARTS = ("--s3-upload-cutoff", "0")
"""Left to itself, rclone sends what is smaller than 200 MiB in one piece, which proves less and costs less."""


def make_rows(
    folder: Path,
    ends: dict[str, Ends],
    platform: Platform,
    *,
    quick: bool,
    aws: Path | None,
    before: Path | None,
) -> dict[str, Row]:
    """Make every row and the files that it copies; without `aws`, nothing is compared with the AWS CLI.

    `before` is a checkout of another build, that is measured beside this one where one file or few are copied.
    Memory is measured with TLS, which takes more of it and is what buckets speak.
    """
    loads = _QUICK_LOADS if quick else _LOADS
    for load in (Load(1, 1), *loads.values()):
        load.write(folder / "files")
    receivers = {name: Receiver("receiver serve", folder, ends[name], platform) for name in _TRANSPORTS}
    rows: dict[str, Row] = {
        "memory": Memory(loads["parts"], receivers["tls"]),
        "growth": Growth(loads["short"], loads["long"], receivers["tls"]),
    }
    for transport, receiver in receivers.items():
        place = (folder, ends[transport])
        earlier = replace(receiver, name="the build beside", code=before) if before else None
        far = ends[f"{transport}-far"]
        rows[f"distance-{transport}"] = Comparison(
            load=loads["distance"],
            transport=transport,
            receiver=replace(receiver, ends=far),
            before=replace(earlier, ends=far) if earlier else None,
            rclone=Rclone("rclone copyurl", folder, far, near=ends[transport]),
            most_wall=MOST_FAR_WALL,
        )
        rows[f"webhook-{transport}"] = Webhook(loads["beside"], receiver, _QUICK_BESIDE_S if quick else _BESIDE_S)
        for size in _SIZES:
            rows[f"{size}-{transport}"] = Comparison(
                load=loads[size],
                transport=transport,
                receiver=receiver,
                before=earlier,
                rclone=Rclone("rclone copyurl", *place),
                once_a_file=Rclone("rclone once a file", *place, most_files=_MOST_STARTS) if size == "small" else None,
                in_parts=Rclone("rclone, in parts", *place, flags=_IN_PARTS) if size == "medium" else None,
                aws=Aws("curl | aws s3 cp -", *place, most_files=_MOST_STARTS, aws=aws) if aws else None,
            )
    return rows
