"""What the bucket was found to do, and what follows from it: a line for each thing that an operator decides by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.app.check.findings import ok, skipped, warning, wrong
from receiver.errors import JobError
from receiver.records import Rung

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from receiver.app.check.findings import Finding
    from receiver.objectstore import Keeping, LockingBucket, ProbedBucket
    from receiver.records import StoreAbilities

_TOLD = {
    Rung.CRC64NVME: "by the store's CRC64NVME over the whole object",
    Rung.CRC32C: "by the store's CRC32C over the whole object",
    Rung.CRC32: "by the store's CRC32 over the whole object",
    Rung.SHA256_PARTS: "by the store's SHA-256",
    Rung.CRC32C_PARTS: "by the store's CRC32C of each part",
    Rung.MD5: "by the store's MD5 (Content-MD5 and ETag)",
    Rung.READ_BACK: "by reading it back, since the store took a wrong value of every checksum or refused the right one",
}
_UNKNOWN = "not told to this identity"


async def legal_hold(bucket: LockingBucket, key: str, *, retaining: bool = False) -> Finding:
    """Try on an object of our own whether the bucket means a legal hold, and a retention where objects get one."""
    name = "bucket legal hold"
    try:
        why = await bucket.try_locking(key, retaining=retaining)
    except JobError as e:
        return skipped(name, e.happened)
    if why is None:
        them = "holds and retention" if retaining else "holds"
        more = ", and done for an erasure" if retaining else ""
        return ok(
            name, f"{them} are set on the objects too: tried, the bytes stayed and the deletion was refused{more}"
        )
    return warning(
        name,
        f"{'holds and retention' if retaining else 'holds'} live in the index alone: {why}",
        "use a bucket that was made with Object Lock, or unset RECEIVER_S3_OBJECT_LOCK",
    )


async def abilities_findings(bucket: ProbedBucket, *, min_proof: Rung) -> AsyncGenerator[Finding, None]:
    """Say what was learnt of the bucket, whose abilities are set to it."""
    abilities = bucket.abilities
    yield _proof(abilities, min_proof)
    yield _guard(abilities)
    try:
        keeping = await bucket.keeping()
    except JobError as e:
        yield skipped("bucket versions", e.happened)
        return
    yield _versions(abilities, keeping)
    yield _lock(keeping)


def not_tried(why: str) -> list[Finding]:
    """Return the lines of a bucket of which nothing could be learnt."""
    return [skipped(name, why) for name in ("bucket proof", "bucket overwrite guard")]


def _proof(abilities: StoreAbilities, min_proof: Rung) -> Finding:
    name = "bucket proof"
    small, large = abilities.put_proof, abilities.upload_proof
    seen = f"a copy is proven {_TOLD[small]}"
    if large is not small:
        seen = f"a file of up to 2 MiB is proven {_TOLD[small]}, a larger one {_TOLD[large]}"
    elif small is not Rung.READ_BACK:
        seen += "; a wrong one was refused, of an object and of an upload"
    weakest = max(small, large, key=lambda rung: rung.rank)
    if weakest.rank > min_proof.rank:
        return wrong(
            name,
            f"{seen}: RECEIVER_S3_MIN_PROOF={min_proof} asks for more, so nothing of that is archived",
            f"use a store that verifies more, or set RECEIVER_S3_MIN_PROOF={weakest}",
        )
    if weakest is Rung.READ_BACK:
        return warning(
            name,
            f"{seen}: each such object is read once, whole, after it was stored",
            "count that traffic in, or use a store that verifies checksums; the copies are proven either way",
        )
    return ok(name, seen)


def _guard(abilities: StoreAbilities) -> Finding:
    name = "bucket overwrite guard"
    if abilities.excludes_overwriting:
        return ok(name, "the store refuses to replace an object (If-None-Match, 412), put or completed")
    lacking = " and ".join(
        operation
        for operation, has in (
            ("PutObject", abilities.conditional_put),
            ("CompleteMultipartUpload", abilities.conditional_complete),
        )
        if not has
    )
    return warning(
        name,
        f"overwriting is not excluded by this store: {lacking} heeds no If-None-Match, so the archive looks at the key "
        "before and at the object after each write",
        "let nothing else write under the prefix",
    )


def _versions(abilities: StoreAbilities, keeping: Keeping) -> Finding:
    name = "bucket versions"
    seen = f"versioning: {keeping.versioning or _UNKNOWN}"
    if abilities.lists_versions:
        return ok(name, f"{seen}; versions can be listed, so a deletion removes all of them")
    gone = f"{seen}; ListObjectVersions is lacking, so an object is deleted by its key and then asked for"
    if keeping.versioning == "Enabled":
        return warning(name, f"{gone}, and its older versions stay", "turn versioning off, or have old versions expire")
    return ok(name, gone)


def _lock(keeping: Keeping) -> Finding:
    name = "bucket object lock"
    if keeping.object_lock is None:
        return ok(name, _UNKNOWN)
    if keeping.object_lock == "off":
        return ok(name, "off: whoever may delete here can delete recordings")
    return ok(name, f"{keeping.object_lock}: until then nobody can delete, and a copy that failed its proof stays too")
