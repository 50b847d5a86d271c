"""Manifests: what is written is read back whole, earlier ones too, and nothing else passes for one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import ManifestUnreadableError
from receiver.manifests import differences, manifest_key, object_key, read_manifest, write_manifest
from receiver.records import (
    Attendee,
    CopyProof,
    Fixity,
    Host,
    Meeting,
    MeetingId,
    Recording,
    RecordingId,
    Rung,
    State,
    StoredFile,
    UrlOrigin,
    VendorFacts,
    Via,
)
from tests.support.clock import NOW

STORED = StoredFile(
    bucket="team",
    key="recordings/r1.mp4",
    version_id="v1",
    size_bytes=5,
    sha256="ab" * 32,
    checksum="crc64nvme:AAAAAAAAAAA=",
    content_type="video/mp4",
    incomplete="its end is missing",
    proof=CopyProof(rung=Rung.CRC32C_PARTS, value="x", at=NOW),
)
ROW = Recording(
    id=RecordingId("r1"),
    meeting=Meeting(id=MeetingId("m1"), name="Zoë's", start_date=NOW),
    host=Host(id=2**53 + 1, name="Zoë"),
    vendor=VendorFacts(participant_ids=(1, 2), duration_s=61, created_at=NOW),
    state=State.ARCHIVED,
    attempts=1,
    next_attempt_at=None,
    error=None,
    archive=STORED,
    archived_at=NOW,
    transfer=None,
    hold=False,
    url_origin=UrlOrigin.API,
    first_seen_via=Via.WEBHOOK,
    first_seen_at=NOW,
    fixity=Fixity.INTACT,
    attendees=(Attendee(id=7, email="guest@example.com"), Attendee(email="late@example.com")),
)
WRITTEN = write_manifest(ROW, STORED, archived_at=NOW)


def changed(*path, to):
    """Return the manifest with one value changed, or without it."""
    document = json.loads(WRITTEN)
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    if to is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return json.dumps(document).encode()


def test_what_is_written_is_read_back():
    manifest = read_manifest(WRITTEN)
    facts = manifest.facts
    assert (facts.id, facts.meeting, facts.host, facts.vendor) == (ROW.id, ROW.meeting, ROW.host, ROW.vendor)
    assert facts.attendees == ROW.attendees
    assert (manifest.stored, manifest.archived_at, manifest.first_seen_at) == (STORED, NOW, NOW)
    assert manifest.url_origin is UrlOrigin.API
    assert differences(manifest, ROW) == []
    assert differences(manifest, replace(ROW, first_seen_via=Via.REINDEX)) == []


def test_a_manifest_of_an_earlier_release_says_less_and_is_no_difference():
    document = json.loads(WRITTEN) | {"manifest_version": 1}
    del document["attendees"], document["proof"], document["object"]["bucket"], document["object"]["version_id"]
    manifest = read_manifest(json.dumps(document).encode())
    assert (manifest.stored.bucket, manifest.stored.version_id, manifest.stored.proof) == ("", None, None)
    assert manifest.proven_at == NOW
    assert differences(manifest, ROW) == []


@pytest.mark.parametrize(
    ("method", "algorithm", "rung"),
    [
        ("full_object", "crc64nvme", Rung.CRC64NVME),
        ("composite", "crc32c", Rung.CRC32C_PARTS),
        ("composite", "sha256", Rung.SHA256_PARTS),
        ("etag", "md5", Rung.MD5),
        ("read_back", "sha256", Rung.READ_BACK),
    ],
)
def test_the_rung_of_a_proof_that_does_not_name_it(method, algorithm, rung):
    said = {"method": method, "algorithm": algorithm, "value": "x", "verified_by": "store", "at": None}
    manifest = read_manifest(changed("proof", to=said))
    assert manifest.stored.proof == CopyProof(rung=rung, value="x", at=NOW)


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("host", "name"), "Eve"),
        (("recording", "participant_ids"), [1, 3]),
        (("object", "sha256"), "cd" * 32),
        (("proof", "value"), "y"),
        (("archived_at",), "2026-11-22T12:00:01Z"),
    ],
)
def test_a_change_is_named(path, to):
    assert differences(read_manifest(changed(*path, to=to)), ROW) == [".".join(path)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"manifest_version": 3}',
        b'{"manifest_version": []}',
        changed("recording", "id", to="../x"),
        changed("recording", "participant_ids", to=[2**63]),
        changed("recording", "duration_s", to=float("inf")),
        changed("meeting", "name", to="a\0b"),
        changed("meeting", "name", to="\ud800"),
        changed("meeting", to="x"),
        changed("host", to=None),
        changed("attendees", to=["guest@example.com"]),
        changed("object", "sha256", to="AB" * 32),
        changed("object", "size_bytes", to="5"),
        changed("object", "key", to=None),
        changed("proof", to="x"),
        changed("proof", "rung", to="trust"),
        changed("archived_at", to="2026-11-22T12:00:00"),
        changed("archived_at", to="0001-01-01T00:00:00+14:00"),
        changed("url_origin", to="hearsay"),
    ],
    ids=range(22),
)
def test_what_is_no_manifest_is_told_as_such(body):
    with pytest.raises(ManifestUnreadableError):
        read_manifest(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PATHS = [(a, b) for a, inner in json.loads(WRITTEN).items() if isinstance(inner, dict) for b in inner]


@given(path=st.sampled_from(PATHS), value=JSON)
def test_whatever_a_field_holds_it_is_a_manifest_or_none(path, value):
    document = json.loads(WRITTEN)
    document[path[0]][path[1]] = value
    try:
        manifest = read_manifest(json.dumps(document).encode())
    except ManifestUnreadableError:
        return
    assert set(differences(manifest, ROW)) <= {".".join(path)}


def test_a_document_as_deep_as_it_likes_is_compared():
    deep = "[" * 500 + "]" * 500
    body = WRITTEN[:-1] + f', "more": {deep}, "host2": {deep}}}'.encode()
    assert differences(read_manifest(body), ROW) == []


def test_keys():
    assert manifest_key("a/b.mp4") == "a/b.mp4.json"
    assert [object_key(key) for key in ("a/b.mp4.json", "a/b.mp4", ".json")] == ["a/b.mp4", None, None]
