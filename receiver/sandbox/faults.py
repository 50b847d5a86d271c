"""Scripted misbehaviour: which request it strikes, and how often."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Side = Literal["storage", "api", "webhook"]

LISTING_KINDS = frozenset({"listing_empty", "listing_other_meeting", "listing_late", "url_points_to"})
API_KINDS = LISTING_KINDS | {"status", "hang", "slow", "not_json", "session_expired"}
# These answer before the URL's signature is looked at, the others in place of a good answer.
EARLY_STORAGE_KINDS = frozenset({"html", "json", "empty", "status", "hang", "redirect", "gzip_bomb"})
STORAGE_KINDS = EARLY_STORAGE_KINDS | {
    "expire_after_bytes",
    "truncate",
    "truncate_no_length",
    "length_lies",
    "stall",
    "slow",
    "no_range",
    "etag_changes",
    "corrupt",
    "reset",
}
WEBHOOK_KINDS = frozenset({"drop", "double", "delay"})
KINDS: dict[Side, frozenset[str]] = {
    "storage": frozenset(STORAGE_KINDS),
    "api": frozenset(API_KINDS),
    "webhook": WEBHOOK_KINDS,
}
NEEDS_BODY = frozenset({"redirect", "url_points_to"})


class FaultBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    on: Side
    kind: str
    match: str | None = None
    times: int | None = Field(default=None, ge=1)
    after_bytes: int | None = Field(default=None, ge=0)
    status: int | None = Field(default=None, ge=200, le=599)
    retry_after: float | None = Field(default=None, ge=0)
    delay_s: float | None = Field(default=None, ge=0)
    bytes_per_s: float | None = Field(default=None, gt=0)
    body: str | None = None

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.kind not in KINDS[self.on]:
            raise ValueError(f"unknown kind for {self.on}; one of {', '.join(sorted(KINDS[self.on]))}")
        if self.kind in NEEDS_BODY and not self.body:
            raise ValueError(f"{self.kind} needs a body")
        return self


@dataclass
class Fault:
    id: str
    script: FaultBody
    fired: int = 0

    @property
    def spent(self) -> bool:
        return self.script.times is not None and self.fired >= self.script.times

    def listed(self) -> dict[str, Any]:
        return {"id": self.id, **self.script.model_dump(exclude_none=True), "fired": self.fired}


class Faults:
    """In the order they were scripted: the first that matches and is not spent strikes."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._faults: dict[str, Fault] = {}

    def add(self, script: FaultBody) -> Fault:
        fault = Fault(f"fault-{next(self._numbers)}", script)
        self._faults[fault.id] = fault
        return fault

    def peek(self, on: Side, subject: str, kinds: Collection[str] | None = None) -> Fault | None:
        for fault in self._faults.values():
            script = fault.script
            if script.on != on or fault.spent or (kinds is not None and script.kind not in kinds):
                continue
            if script.match is None or script.match in subject:
                return fault
        return None

    def take(self, on: Side, subject: str, kinds: Collection[str] | None = None) -> Fault | None:
        fault = self.peek(on, subject, kinds)
        if fault is not None:
            fault.fired += 1
        return fault

    def listed(self) -> list[dict[str, Any]]:
        return [fault.listed() for fault in self._faults.values()]

    def remove(self, fault_id: str) -> bool:
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        self._faults.clear()
