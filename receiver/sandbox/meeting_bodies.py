"""The bodies with which meetings are created and updated."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, StringConstraints, ValidationInfo, field_validator, model_validator

NOTIFY_BEFORE_RANGES = {"minutes": (0, 55), "hours": (1, 24), "days": (1, 30), "weeks": (1, 4)}


class AttendeeBody(BaseModel):
    id: int | None = None
    email: str | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.id is None and not self.email:
            raise ValueError("id or email is required")
        return self


class NotifyBeforeBody(BaseModel):
    metric: Literal["minutes", "hours", "days", "weeks"]
    value: int

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        low, high = NOTIFY_BEFORE_RANGES[self.metric]
        if not low <= self.value <= high:
            raise ValueError(f"value must be between {low} and {high} for {self.metric}")
        return self


class TimezoneBody(BaseModel):
    offset: int
    name: str


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class MeetingRequest(BaseModel):
    """The parameters of an update. None is required, though the page says so of four: what is not named stays.

    Dates are kept as they are sent, in seconds or in milliseconds. Their order is free: the page's own update ends
    before it starts.
    """

    name: Name = ""
    start_date: int = 0
    end_date: int = 0
    attendees: list[AttendeeBody] = []
    record: bool | None = None
    public: bool | None = None
    scheduled: bool | None = None
    notify: bool | None = None
    notify_before: NotifyBeforeBody | None = None
    timezone: TimezoneBody | None = None


class NewMeetingBody(MeetingRequest):
    name: Name
    start_date: int
    end_date: int
    attendees: list[AttendeeBody]
    chat: bool | None = None

    @field_validator("end_date")
    @classmethod
    def _ends_after_it_starts(cls, end_date: int, info: ValidationInfo) -> int:
        if end_date < info.data.get("start_date", end_date):
            raise ValueError("must not be before start_date")
        return end_date
