"""Persons who were erased, by keyed digests: whoever comes with a delivery, a listing or a manifest is compared.

Without any, as in most archives, that costs a look at a cached emptiness. A digest is no anonymity: who has the key,
which lies beside it, can test whom they think of; who has neither learns nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.records import Attendee, Host, RecordingFacts
from receiver.tables import digest_keys, erased_persons

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_READ_AGAIN_S = 30.0
"""What another process has erased is known here so much later at most; the hourly look finds what came between."""
KEY = "persons"


def digest_of(key: bytes, who: int | str) -> str:
    """Return the keyed digest of a user id or an e-mail (casefolded)."""
    said = f"id:{who}" if isinstance(who, int) else f"email:{who}"
    return hmac.new(key, said.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


class ErasedPersons:
    """What the table says, read anew now and then."""

    def __init__(self) -> None:
        self._key = b""
        self._erased: dict[str, datetime] = {}
        self._read_s = float("-inf")

    def are_none(self, tx: sa.Connection) -> bool:
        """Tell whether nobody was erased."""
        now_s = time.monotonic()
        if now_s - self._read_s > _READ_AGAIN_S:
            c = erased_persons.c
            self._erased = {row.digest: row.erased_at for row in tx.execute(sa.select(c.digest, c.erased_at))}
            key = tx.execute(sa.select(digest_keys.c.key).where(digest_keys.c.name == KEY)).scalar_one_or_none()
            self._key = bytes(key or b"")
            self._read_s = now_s
        return not self._erased

    def erased_at(self, who: int | str | None) -> datetime | None:
        """Return when the person with this id or e-mail was erased; None: they were not."""
        if who is None:
            return None
        return self._erased.get(digest_of(self._key, who if isinstance(who, int) else who.strip().casefold()))

    def is_user(self, user_id: int) -> bool:
        return self.erased_at(user_id) is not None

    def is_email(self, email: str) -> bool:
        return self.erased_at(email) is not None

    def is_text(self, _text: str) -> bool:
        """Names and logins are told by what stands beside them alone."""
        return False

    def cleaned(self, facts: Iterable[RecordingFacts]) -> list[RecordingFacts]:
        """Return what is said without erased persons: of one whose host was erased after it was recorded, nothing."""
        return [self.stripped(one) for one in facts if not self._is_gone(one)]

    def stripped(self, facts: RecordingFacts) -> RecordingFacts:
        """Return what is said of a recording that is taken in, without erased persons."""
        host = facts.host
        is_host = self.erased_at(host.id) is not None or self.erased_at(host.email) is not None
        taking_part = tuple(one for one in facts.vendor.participant_ids if not self.is_user(one))
        invited = facts.attendees and tuple(one for one in facts.attendees if not self._is_erased(one))
        return replace(
            facts,
            host=Host() if is_host else host,
            attendees=invited,
            vendor=replace(facts.vendor, participant_ids=taking_part),
        )

    def _is_gone(self, facts: RecordingFacts) -> bool:
        erased_at = self.erased_at(facts.host.id) or self.erased_at(facts.host.email)
        created_at = facts.vendor.created_at
        return erased_at is not None and (created_at is None or created_at <= erased_at)

    def _is_erased(self, one: Attendee) -> bool:
        return self.erased_at(one.id) is not None or self.erased_at(one.email) is not None
