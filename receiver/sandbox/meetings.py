"""The platform's meetings: created, updated, ended, found by their members."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from receiver.sandbox.filters import Query, Value
from receiver.sandbox.ids import Ids
from receiver.sandbox.mails import Mails, Reason
from receiver.sandbox.meeting_bodies import MeetingRequest, NewMeetingBody
from receiver.sandbox.users import User, Users
from receiver.sandbox.wire import (
    Parameters,
    RefusedRequestError,
    base_error,
    invalid,
    now,
    plain_error,
    stamp_ms,
    stamp_s,
)

BodyT = TypeVar("BodyT", bound=MeetingRequest)


@dataclass
class SandboxMeeting:
    id: str
    name: str
    start_date: int
    end_date: int
    attendees: list[dict[str, Any]]
    host_id: int
    record: bool | None = None
    public: bool | None = None
    scheduled: bool = False
    notify: bool = False
    notify_before: dict[str, Any] | None = None
    timezone: dict[str, Any] | None = None
    chat_dialog_id: str | None = None
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    runs: int = 0  # how often recording was started and has made no file yet

    def wire(self) -> dict[str, Any]:
        """As create, retrieve and update answer; `public` is there once it was set."""
        public = {} if self.public is None else {"public": self.public}
        return {
            "_id": self.id,
            "name": self.name,
            "start_date": self.start_date,
            "end_date": self.end_date,
            "attendees": self.attendees,
            "record": self.record,
            "chat_dialog_id": self.chat_dialog_id,
            "created_at": stamp_ms(self.created_at),
            "updated_at": stamp_ms(self.updated_at),
            "host_id": self.host_id,
            **public,
            "scheduled": self.scheduled,
            "notify": self.notify,
            "notify_before": self.notify_before,
            "timezone": self.timezone,
        }

    def webhook_wire(self) -> dict[str, Any]:
        """As the recording-done webhook writes it: other order, whole seconds, no field left out."""
        return {
            "_id": self.id,
            "name": self.name,
            "start_date": self.start_date,
            "end_date": self.end_date,
            "attendees": self.attendees,
            "public": bool(self.public),
            "scheduled": self.scheduled,
            "record": bool(self.record),
            "chat_dialog_id": self.chat_dialog_id,
            "created_at": stamp_s(self.created_at),
            "updated_at": stamp_s(self.updated_at),
            "host_id": self.host_id,
            "notify": self.notify,
            "notify_before": self.notify_before,
            "timezone": self.timezone,
        }

    def concerns(self, user: User) -> bool:
        if self.host_id == user.id:
            return True
        return any(
            person.get("id") == user.id or (user.email is not None and person.get("email") == user.email)
            for person in self.attendees
        )

    def filter_values(self) -> Mapping[str, Value]:
        return {
            "_id": self.id,
            "start_date": self.start_date,
            "end_date": self.end_date,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "scheduled": self.scheduled,
        }


class Meetings:
    def __init__(self, ids: Ids, users: Users, mails: Mails) -> None:
        self._ids = ids
        self._users = users
        self._mails = mails
        self._meetings: dict[str, SandboxMeeting] = {}

    def add(self, meeting: SandboxMeeting) -> None:
        self._meetings[meeting.id] = meeting

    def get(self, meeting_id: str) -> SandboxMeeting | None:
        return self._meetings.get(meeting_id)

    def found(self, meeting_id: str) -> SandboxMeeting:
        meeting = self._meetings.get(meeting_id)
        if meeting is None:
            raise no_meeting()
        return meeting

    def visible(self, user: User, query: Query) -> list[SandboxMeeting]:
        """In the order they were made; a public meeting of others is shown to a user who names its id."""
        return [
            meeting
            for meeting in self._meetings.values()
            if (meeting.concerns(user) or (query.by_id and meeting.public)) and query.matches(meeting.filter_values())
        ]

    def create(self, parameters: Parameters, host: User) -> SandboxMeeting:
        body = _parse(NewMeetingBody, parameters)
        meeting = SandboxMeeting(
            id=self._ids.object_id(),
            host_id=host.id,
            chat_dialog_id=self._ids.object_id() if body.chat else None,
            runs=1 if body.record else 0,
            **_settings(body),
        )
        meeting.updated_at = meeting.created_at
        self.add(meeting)
        if meeting.notify:
            self._mail(meeting, [*self._addresses(meeting.attendees), *self._host_address(meeting)], "created")
        return meeting

    def update(self, meeting_id: str, parameters: Parameters, user: User) -> SandboxMeeting:
        """Changes what is named. Switching `record` on starts a recording; each start makes one file in the end."""
        meeting = self._hosted(meeting_id, user)
        body = _parse(MeetingRequest, parameters)
        before = {name: getattr(meeting, name) for name in ("record", "notify", "start_date", "attendees")}
        for name, value in _settings(body).items():
            if name in body.model_fields_set:
                setattr(meeting, name, value)
        meeting.updated_at = now()
        if meeting.record and not before["record"]:
            meeting.runs += 1
        self._mail_changes(meeting, before)
        return meeting

    def delete(self, meeting_id: str, user: User) -> None:
        del self._meetings[self._hosted(meeting_id, user).id]

    def _hosted(self, meeting_id: str, user: User) -> SandboxMeeting:
        meeting = self.found(meeting_id)
        if meeting.host_id != user.id:
            raise base_error(403, "Only the meeting's host may do this")
        return meeting

    def _mail_changes(self, meeting: SandboxMeeting, before: Mapping[str, Any]) -> None:
        everybody = [*self._addresses(meeting.attendees), *self._host_address(meeting)]
        if meeting.notify and not before["notify"]:
            self._mail(meeting, everybody, "notify_switched_on")
        elif meeting.notify and meeting.start_date != before["start_date"]:
            self._mail(meeting, everybody, "start_date_changed")
        elif meeting.notify:
            known = self._addresses(before["attendees"])
            added = [address for address in self._addresses(meeting.attendees) if address not in known]
            self._mail(meeting, added, "attendee_added")

    def _mail(self, meeting: SandboxMeeting, addresses: list[str], reason: Reason) -> None:
        self._mails.notify(meeting.id, meeting.name, addresses, reason)

    def _addresses(self, attendees: Iterable[Mapping[str, Any]]) -> list[str]:
        found: list[str | None] = []
        for person in attendees:
            by_id = self._users.get_or_invent(person["id"]).email if "id" in person else None
            found.append(person.get("email") or by_id)
        return [address for address in found if address]

    def _host_address(self, meeting: SandboxMeeting) -> list[str]:
        email = self._users.get_or_invent(meeting.host_id).email
        return [email] if email else []


def no_meeting() -> RefusedRequestError:
    return plain_error(404, "Meeting not found")


def _parse(model: type[BodyT], parameters: Parameters) -> BodyT:
    try:
        return model.model_validate(parameters)
    except ValidationError as error:
        raise invalid(error) from error


def _settings(body: MeetingRequest) -> dict[str, Any]:
    return {
        "name": body.name,
        "start_date": body.start_date,
        "end_date": body.end_date,
        "attendees": [person.model_dump(exclude_none=True) for person in body.attendees],
        "record": body.record,
        "public": body.public,
        "scheduled": bool(body.scheduled),
        "notify": bool(body.notify),
        "notify_before": body.notify_before.model_dump() if body.notify_before else None,
        "timezone": body.timezone.model_dump() if body.timezone else None,
    }
