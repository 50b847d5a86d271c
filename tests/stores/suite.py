"""The checks of a store: recordings archived through the whole service, with and without bytes spoilt on the way."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from receiver.sandbox import Sandbox, SandboxConfig
from tests.stores.bucket import SeenBucket
from tests.support.service import Service, make_meeting
from tests.support.stores.way import Flip, Hold, Way

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stores.served import Store
    from tests.support.stores.way import Rules

SMALL_BYTES = 1_000_000
LARGE_BYTES = 20_000_000
PARTED_BYTES = 11_000_000
"""Three parts at the least part size, the last one short."""
HELD_PART = 2
OFTEN = 4
"""As often as a run sends one part, so that this run cannot end well."""
NAMES = {"crc64nvme": "CRC64NVME", "crc32c": "CRC32C", "crc32": "CRC32", "sha256": "SHA-256", "md5": "MD5"}
FINAL = {"archived", "failed"}
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Case:
    """One recording, and the requests of it whose bytes are changed: (operation, part, how often)."""

    name: str
    size_bytes: int
    spoilt: tuple[tuple[str, int, int], ...] = ()

    def flips(self, recording_id: str) -> list[Flip]:
        """Return what changes bytes of this recording's requests."""
        return [Flip(operation, recording_id, part, times) for operation, part, times in self.spoilt]


CLEAN = (Case("1 MB", SMALL_BYTES), Case("20 MB", LARGE_BYTES))
SPOILT = (
    Case("1 MB, a bit changed on its way in", SMALL_BYTES, (("PutObject", 0, 1),)),
    Case("11 MB, a bit of each part changed", PARTED_BYTES, tuple(("UploadPart", part, 1) for part in (1, 2, 3))),
    Case("1 MB, a bit changed on its way back", SMALL_BYTES, (("GetObject", 0, 1),)),
    Case("11 MB, a bit changed on its way back", PARTED_BYTES, (("GetObject", 0, 1),)),
    Case("1 MB, a bit changed four times", SMALL_BYTES, (("PutObject", 0, OFTEN),)),
    Case("11 MB, a bit of part 2 changed four times", PARTED_BYTES, (("UploadPart", 2, OFTEN),)),
)
LOST = Case("11 MB, the host lost on the way", PARTED_BYTES)


@dataclass
class Seen:
    """What the suite saw. `faults` says what must not be; by case, `proofs` has the way of proof, or the refusal, and
    `requests` how often each operation was asked for under the recording's keys.
    """

    guard: str
    versions: str
    proofs: dict[str, str] = field(default_factory=dict)
    requests: dict[str, dict[str, int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def proof(self) -> str:
        """How a small and a large recording are proven here."""
        small, large = (self.proofs[case.name] for case in CLEAN)
        return small if small == large else f"{small}; in parts {large}"

    def row(self, name: str, how: str, date: str) -> str:
        """Return the README's line."""
        return f"| {name} | {self.proof} | {self.guard} | {self.versions} | {how} | {date} |"


async def examined(
    store: Store, bucket_name: str, prefix: str, folder: Path, rules: Rules | None = None, *, forked: bool = False
) -> Seen:
    """Run all checks in a bucket that is there; what they leave under `prefix` is named a fault and removed.

    Before the stores that only rules tell of, no host is lost: what follows is the code's, and seen on the others.
    """
    async with Way(store, rules) as way, Sandbox(SandboxConfig()) as sandbox:
        met = replace(store, endpoint_url=way.endpoint_url)
        bucket = SeenBucket(met, bucket_name, prefix)
        seen = Seen(await asyncio.to_thread(bucket.guard), await asyncio.to_thread(bucket.versions))
        before = len(way.open_uploads)
        service = Service(folder=folder, bucket=bucket_name, seaweed=met, sandbox=sandbox, forked=forked)  # type: ignore[arg-type]  # as far as a service asks
        service.settings |= {"PART_SIZE_MB": "5", "MAX_ATTEMPTS": "2", "S3_PREFIX": prefix}
        try:
            cases = await _ran(service, sandbox, way, is_killed=rules is None)
            way.flips.clear()
            for case, made, item in cases:
                seen.requests[case.name] = way.requests(made["_id"])
                await asyncio.to_thread(_judge, case, made, item, bucket, seen)
            items = [item for _, _, item in cases]
            seen.faults += await asyncio.to_thread(_left, items, bucket)
            seen.faults += [f"an upload of {key} was never ended" for key in way.open_uploads[before:]]
        finally:
            await asyncio.to_thread(bucket.emptied)
    return seen


async def _ran(
    service: Service, sandbox: Sandbox, way: Way, *, is_killed: bool
) -> list[tuple[Case, dict[str, Any], dict[str, Any]]]:
    """Let the service archive every case, and stop it; return each with the platform's and the service's word of it."""
    cases = [*CLEAN, *SPOILT]
    async with service:
        made = await _posted(service, sandbox, way, cases)
        items = await _ended(service, len(made))
        if is_killed and any(item["state"] == "archived" for item in items):
            lost = await _posted(service, sandbox, way, [LOST])
            await asyncio.wait_for(_held(way).reached.wait(), TIMEOUT_S)
            await service.kill()
            await service.start()
            cases, made = [*cases, LOST], [*made, *lost]
            items = await _ended(service, len(made))
    by_id = {item["id"]: item for item in items}
    return [(case, one, by_id[one["_id"]]) for case, one in zip(cases, made, strict=True)]


async def _posted(service: Service, sandbox: Sandbox, way: Way, cases: list[Case]) -> list[dict[str, Any]]:
    """Make a meeting of these cases at the platform, and deliver it."""
    made = await make_meeting(sandbox, *({"kind": "generated", "size_bytes": case.size_bytes} for case in cases))
    for case, recording in zip(cases, made["recordings"], strict=True):
        way.flips += case.flips(recording["_id"])
        if case is LOST:
            way.hold = Hold(recording["_id"], HELD_PART)
    answer = await service.post(json.dumps(made["payload"]).encode())
    assert answer.status_code == 202
    recordings: list[dict[str, Any]] = made["recordings"]
    return recordings


async def _ended(service: Service, count: int) -> list[dict[str, Any]]:
    return await service.until(
        lambda items: len(items) == count and {item["state"] for item in items} <= FINAL, timeout_s=TIMEOUT_S
    )


def _held(way: Way) -> Hold:
    assert way.hold is not None
    return way.hold


def _judge(case: Case, made: dict[str, Any], item: dict[str, Any], bucket: SeenBucket, seen: Seen) -> None:
    """Note how this case was proven or why it was refused, and what is wrong with it."""
    archive, error = item["archive"], item["error"]
    if item["state"] == "archived":
        seen.proofs[case.name] = _proof(archive)
        if archive["sha256"] != made["sha256"]:
            seen.faults.append(f"{case.name}: archived under another SHA-256 than its source's")
        if bucket.sha256(archive["key"]) != made["sha256"]:
            seen.faults.append(f"{case.name}: archived, and its object has other bytes")
        return
    seen.proofs[case.name] = f"refused: {error['code']}: {error['message']}"
    if not case.spoilt and error["code"] != "store_refused":
        seen.faults.append(f"{case.name}: {seen.proofs[case.name]}")
    elif case.spoilt and not any(times == OFTEN for _, _, times in case.spoilt) and _is_clean_archived(seen):
        seen.faults.append(f"{case.name}: once changed, it was never archived: {seen.proofs[case.name]}")


def _is_clean_archived(seen: Seen) -> bool:
    return not any(seen.proofs.get(case.name, "").startswith("refused") for case in CLEAN)


def _proof(archive: dict[str, Any]) -> str:
    proof = archive.get("proof") or {"method": "full_object", "algorithm": "unnamed", "verified_by": ""}
    algorithm = NAMES.get(proof["algorithm"], proof["algorithm"])
    return {"composite": f"{algorithm} of the parts", "etag": f"{algorithm} (ETag)", "read_back": "read back"}.get(
        proof["method"], algorithm
    )


def _left(items: list[dict[str, Any]], bucket: SeenBucket) -> list[str]:
    """Name what lies in the bucket and no row claims, and what a row claims and is not there."""
    claimed = {item["archive"]["key"] for item in items if item["archive"]}
    claimed |= {f"{key}.json" for key in claimed}
    found = bucket.keys()
    return [
        *(f"left behind: {key}" for key in sorted(found - claimed)),
        *(f"not there: {key}" for key in sorted(claimed - found)),
        *(f"a spare version of {key}" for key in bucket.spare_versions()),
        *(f"an open upload of {key}" for key in bucket.open_uploads()),
    ]
