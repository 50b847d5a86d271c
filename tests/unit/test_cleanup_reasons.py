"""What the store says of an object is no proof once an audit has found its bytes wanting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from receiver.cleanup.reasons import Kept, of_object
from receiver.records import Fixity, ObjectHead
from tests.unit.test_manifests import ROW, STORED

HEAD = ObjectHead(
    key=STORED.key,
    size_bytes=STORED.size_bytes,
    etag="",
    checksum=STORED.checksum,
    content_type=STORED.content_type,
    version_id=None,
)


@pytest.mark.parametrize("fixity", [None, *Fixity])
def test_what_was_found_wanting_keeps_its_meeting_at_the_source(fixity):
    kept = None if fixity in {None, Fixity.INTACT} else Kept.OBJECT_DIFFERS
    assert of_object(replace(ROW, fixity=fixity), HEAD) is kept
