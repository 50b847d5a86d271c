"""What the parts hand to each other: frozen records, enums and id types. No behaviour, no I/O."""

from receiver.records.deliveries import Accepted, Delivery, Parsed, RejectedRecord
from receiver.records.kinds import DeliveryId, DeliveryStatus, MeetingId, RecordingId, State, UrlOrigin, Via
from receiver.records.objects import (
    HeldPart,
    NotedObject,
    ObjectHead,
    OpenUpload,
    StoredFile,
    UnfinishedUpload,
    UploadedPart,
    versions_of,
)
from receiver.records.reconciliation import KnownMeeting, KnownRecording, Tally, Walk
from receiver.records.recordings import Claim, Failure, Host, Meeting, Page, Recording, RecordingFacts
from receiver.records.sources import FreshUrl, ListedMeeting, ListedRecording, Origin, RefusedSource, source_host

__all__ = [
    "Accepted",
    "Claim",
    "Delivery",
    "DeliveryId",
    "DeliveryStatus",
    "Failure",
    "FreshUrl",
    "HeldPart",
    "Host",
    "KnownMeeting",
    "KnownRecording",
    "ListedMeeting",
    "ListedRecording",
    "Meeting",
    "MeetingId",
    "NotedObject",
    "ObjectHead",
    "OpenUpload",
    "Origin",
    "Page",
    "Parsed",
    "Recording",
    "RecordingFacts",
    "RecordingId",
    "RefusedSource",
    "RejectedRecord",
    "State",
    "StoredFile",
    "Tally",
    "UnfinishedUpload",
    "UploadedPart",
    "UrlOrigin",
    "Via",
    "Walk",
    "source_host",
    "versions_of",
]
