"""What the whole service costs beside `rclone copyurl` and `curl | aws s3 cp -`, from nginx into a sink.

`python -m tests.bench.transfer [--quick] [--rounds 3] [--beside CHECKOUT] [ROW ...]` needs nginx, curl, openssl and a
C compiler; it takes rclone from the dev group and installs the AWS CLI apart. Both ends speak plain HTTP, or both TLS;
in the rows `distance-…` the sink answers each request 60 ms later. Every figure is the median of the rounds, in which
all take turns; what a start takes is told apart and is in no other figure. Exits 1 where a bound is not met.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from tests.bench.transfer.commands import install_aws
from tests.bench.transfer.ends import missing_tools, open_ends
from tests.bench.transfer.platform import open_platform
from tests.bench.transfer.rows import COMPARISONS, NAMES, make_rows


async def main(options: argparse.Namespace, folder: Path) -> int:
    """Run the chosen rows, and print each as it ends."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    aws = install_aws(folder) if set(options.rows) & set(COMPARISONS) else None
    missed = 0
    with open_ends(folder) as ends:
        async with open_platform() as platform:
            rows = make_rows(folder, ends, platform, quick=options.quick, aws=aws, before=options.beside)
            for name in options.rows:
                print(f"{name}, rounds: {options.rounds}", flush=True)
                bounds = await rows[name].run(options.rounds)
                print(*bounds, sep="\n", flush=True)
                missed += sum(not bound.met for bound in bounds)
    print(f"bounds not met: {missed}")
    return int(missed > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.transfer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of {', '.join(NAMES)}; without any, all of them")
    parser.add_argument("--quick", action="store_true", help="smaller sizes and one round, to see that all of it runs")
    parser.add_argument("--rounds", type=int, help="how often each is measured; 3, or 1 with --quick")
    parser.add_argument(
        "--beside", type=Path, metavar="CHECKOUT", help="another build, that is measured beside this one"
    )
    options = parser.parse_args()
    if unknown := set(options.rows) - set(NAMES):
        parser.error(f"no row is called {min(unknown)}; there are {', '.join(NAMES)}")
    options.rows = options.rows or NAMES
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


if __name__ == "__main__":
    chosen = _options()
    if missing := missing_tools():
        sys.exit(f"this bench needs {', '.join(missing)}: apt-get install gcc curl nginx openssl")
    with tempfile.TemporaryDirectory(prefix="transfer-") as made:
        sys.exit(asyncio.run(main(chosen, Path(made))))
