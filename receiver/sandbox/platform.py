"""The state of one emulated platform, and what happens when a meeting is over."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from receiver.sandbox.config import SandboxConfig
from receiver.sandbox.faults import Faults
from receiver.sandbox.files import Files, Kind, SandboxFile, natural_size
from receiver.sandbox.ids import Ids
from receiver.sandbox.journal import Journal
from receiver.sandbox.mails import Mails
from receiver.sandbox.meetings import Meetings, SandboxMeeting
from receiver.sandbox.recordings import Recordings, SandboxRecording
from receiver.sandbox.sessions import Sessions
from receiver.sandbox.signing import Signer
from receiver.sandbox.storage import FOLDER, SandboxBucket
from receiver.sandbox.users import Users
from receiver.sandbox.webhooks import Webhooks

ACCESS_KEY = "AKIASANDBOXEXAMPLE00"
DURATION_S = 6.062


class Platform:
    """Everything one emulated account knows; the HTTP parts read and change it."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config = replace(config)  # its credentials can be rotated
        self.storage_origin = ""
        self.ids = Ids(config.seed)
        self.faults = Faults()
        self.journal = Journal()
        self.mails = Mails(config.meeting_url_template)
        self.users = Users(config, self.ids)
        self.sessions = Sessions(config, self.users, self.ids)
        self.meetings = Meetings(self.ids, self.users, self.mails)
        self.recordings = Recordings()
        self.bucket = SandboxBucket(Files(), Signer(ACCESS_KEY, self.ids.token()))
        self.webhooks = Webhooks(config.webhook_url, config.webhook_basic_auth, self.faults)

    def rotate(self, *, admin_key: str | None, auth_secret: str | None, user_password: str | None) -> None:
        """Give the account other credentials, as its owner would; the old ones are refused from now on."""
        if admin_key is not None:
            self.config.admin_key = admin_key
        if auth_secret is not None:
            self.config.auth_secret = auth_secret
        if user_password is not None:
            user = self.users.get_or_invent(self.config.user_id)
            user.password = user_password
            self.sessions.drop_of(user)

    def user_url(self, recording: SandboxRecording) -> str:
        return self._sign_v2(recording, self.config.url_lifetime_user_s)

    def webhook_url(self, recording: SandboxRecording) -> str:
        return self._sign_v2(recording, self.config.url_lifetime_webhook_s)

    def admin_url(self, recording: SandboxRecording) -> str:
        path = FOLDER + recording.file.uid
        lifetime_s = self.config.url_lifetime_admin_s
        return self.bucket.signer.sign_v4(self.storage_origin, path, lifetime_s, datetime.now(UTC))

    def _sign_v2(self, recording: SandboxRecording, lifetime_s: int) -> str:
        path = FOLDER + recording.file.uid
        return self.bucket.signer.sign_v2(self.storage_origin, path, lifetime_s, datetime.now(UTC))

    def add_recording(self, recording: SandboxRecording) -> None:
        recording.file.owners = f"{recording.room_id} {recording.id}"
        self.bucket.files.put(recording.file)
        self.recordings.add(recording)

    def delete_recordings(self, meeting_id: str) -> None:
        for recording in self.recordings.of(meeting_id):
            self.recordings.unlist(recording.id)
            self.bucket.files.delete(recording.file.uid)

    def end_meeting(
        self, meeting: SandboxMeeting, files: int | None, size_bytes: int | None, kind: Kind
    ) -> list[SandboxRecording]:
        """Each recording that was started becomes a file; the webhook is sent when there is one."""
        made = [self._record(meeting, size_bytes, kind) for _ in range(meeting.runs if files is None else files)]
        meeting.runs = 0
        meeting.record = False
        if made:
            self.send_webhook(meeting)
        return made

    def _record(self, meeting: SandboxMeeting, size_bytes: int | None, kind: Kind) -> SandboxRecording:
        people = [person["id"] for person in meeting.attendees if "id" in person]
        file_uid = f"{uuid.UUID(int=int(self.ids.token()[:32], 16))}_{meeting.id}"
        file = SandboxFile(file_uid, kind, natural_size(kind) if size_bytes is None else size_bytes, DURATION_S)
        participants = list(dict.fromkeys([meeting.host_id, *people]))
        recording = SandboxRecording(self.ids.object_id(), meeting.id, file, participants, DURATION_S)
        self.add_recording(recording)
        return recording

    def payload(self, meeting: SandboxMeeting) -> dict[str, Any]:
        """The recording-done webhook's body, its URLs signed now."""
        return {
            "meeting": meeting.webhook_wire(),
            "hostUser": self.users.get_or_invent(meeting.host_id).wire(),
            "callRecords": [
                recording.full_wire(self.webhook_url(recording)) for recording in self.recordings.of(meeting.id)
            ],
        }

    def send_webhook(self, meeting: SandboxMeeting) -> None:
        self.webhooks.send(meeting.id, lambda: self.payload(meeting))


def with_origin(url: str, origin: str) -> str:
    """The same URL on another host; `origin` is `scheme://host` or a host alone."""
    parts = urlsplit(url)
    scheme, host = urlsplit(origin)[:2] if "://" in origin else (parts.scheme, origin)
    return urlunsplit((scheme, host, *parts[2:]))
