"""A person as the archive knows them, and what stays of one who was erased."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.records.kinds import RecordingId


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """By platform user ids and e-mails (casefolded); `texts` are their login and name, casefolded too."""

    user_ids: frozenset[int] = frozenset()
    emails: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()

    @property
    def words(self) -> frozenset[str]:
        """Return all that a text may name them by."""
        return self.emails | self.texts | {str(one) for one in self.user_ids}

    @property
    def keys(self) -> list[int | str]:
        """Return what stands for them among the erased."""
        return [*sorted(self.user_ids), *sorted(self.emails)]

    def is_user(self, user_id: int) -> bool:
        return user_id in self.user_ids

    def is_email(self, email: str) -> bool:
        return email in self.emails

    def is_text(self, text: str) -> bool:
        return text in self.texts


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonTombstone:
    """The keyed digest of an erased person's id or e-mail."""

    digest: str
    erased_at: datetime
    also_attended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlace:
    """Something that is kept of a person: in which recording or delivery, in what role, and what it says."""

    where: str
    id: str
    role: str
    recording_id: RecordingId | None = None
    says: dict[str, Any] = field(default_factory=dict)
