from __future__ import annotations

from receiver.sandbox.files import SandboxFile


def test_a_huge_file_is_read_by_offset() -> None:
    file = SandboxFile("uid", "generated", 50 * 1024**4)
    chunk = b"".join(file.read(file.size_bytes - 10, file.size_bytes))
    assert len(chunk) == 10
    assert file.etag.endswith(f"-{file.size_bytes // (8 * 1024**2)}")


def test_every_chunk_differs_and_cuts_do_not_matter() -> None:
    file = SandboxFile("uid", "generated", 5_000_000)
    whole = b"".join(file.read(0, file.size_bytes))
    chunks = [whole[start : start + 262_144] for start in range(0, len(whole), 262_144)]
    assert len(set(chunks)) == len(chunks)
    for start, stop in [(0, 1), (3, 5), (31, 60), (262_143, 262_153), (262_150, 2_000_001), (4_999_999, 5_000_000)]:
        assert b"".join(file.read(start, stop)) == whole[start:stop]
