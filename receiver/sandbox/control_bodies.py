"""The bodies of the control surface."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from receiver.sandbox.files import Kind, natural_size, smallest_mp4


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("is not base64") from error
    return text


class ControlBody(BaseModel):
    """Unknown fields are refused: a test that misspells one shall hear of it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class FinishedRecordingBody(ControlBody):
    id: str | None = Field(default=None, alias="_id")
    file_uid: str | None = None
    size_bytes: int | None = Field(default=None, ge=0)
    kind: Kind | None = None
    body_base64: Annotated[str, AfterValidator(_base64)] | None = None
    duration: float | None = 6.062
    participants_ids: list[int] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.kind == "bytes" and self.body_base64 is None:
            raise ValueError("kind bytes needs body_base64")
        if self.kind == "mp4" and self.size_bytes is not None and self.size_bytes < smallest_mp4():
            raise ValueError(f"an mp4 has at least {smallest_mp4()} bytes")
        return self

    @property
    def body(self) -> bytes:
        return base64.b64decode(self.body_base64 or "")

    @property
    def chosen_kind(self) -> Kind:
        if self.kind is not None:
            return self.kind
        if self.body_base64 is not None:
            return "bytes"
        return chosen_kind(self.size_bytes)

    @property
    def chosen_size(self) -> int:
        if self.chosen_kind == "bytes" or self.size_bytes is None:
            return natural_size(self.chosen_kind, self.body)
        return self.size_bytes


def chosen_kind(size_bytes: int | None) -> Kind:
    """Playable where the size allows."""
    return "mp4" if size_bytes is None or size_bytes >= smallest_mp4() else "generated"


class FinishedMeetingBody(ControlBody):
    id: str | None = Field(default=None, alias="_id")
    name: str = "Friday weekly sync"
    host_id: int | None = None
    attendees: list[dict[str, Any]] | None = None
    start_date: int | None = None
    end_date: int | None = None
    public: bool | None = False
    scheduled: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    recordings: list[FinishedRecordingBody] = Field(default_factory=list)
    send_webhook: bool = False
    hash: bool = True  # false spares reading huge files; their sha256 is null then


class EndBody(ControlBody):
    size_bytes: int | None = Field(default=None, ge=0)
    files: int | None = Field(default=None, ge=0)
    kind: Kind | None = None


class TimesBody(ControlBody):
    times: int = Field(default=1, ge=1, le=1000)


class RotateBody(ControlBody):
    admin_key: str | None = Field(default=None, min_length=1)
    auth_secret: str | None = Field(default=None, min_length=1)
    user_password: str | None = Field(default=None, min_length=1)
