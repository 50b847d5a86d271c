"""What the store says of an object is no proof once an audit has found its bytes wanting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from receiver.cleanup.reasons import Kept, of_listing, of_object
from receiver.records import Fixity, FreshUrl, ListedRecording, ObjectHead, State, UrlOrigin
from tests.support.clock import NOW
from tests.unit.test_manifests import ROW, STORED

URL = FreshUrl(url="https://files.example.com/1", expires_at=NOW, origin=UrlOrigin.API)
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


def test_what_is_erased_here_may_go_at_the_source_and_what_is_not_archived_may_not():
    listed = [ListedRecording(id=ROW.id, meeting_id=ROW.meeting.id, url=URL, vendor=ROW.vendor)]
    erased = replace(ROW, state=State.ERASED, archive=None)
    assert of_listing([erased], listed) == [erased]
    assert of_listing([replace(ROW, state=State.FAILED, archive=None)], listed) is Kept.NOT_ARCHIVED
