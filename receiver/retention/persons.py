"""Erasing a person: their digest first, then every body and manifest that names them, then what they host.

The index names them until nothing else does: killed anywhere, it still tells whom to go on with, and a database out of
an old backup tells it too.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from receiver import logs
from receiver.catalogue.audit_log import AuditEntry
from receiver.catalogue.erased_persons import digest_of
from receiver.errors import HeldError, ReasonError, StoreError
from receiver.objectstore import rewrite_manifest
from receiver.records import Action, Actor, Certificate, Erased, Host, PersonTombstone, Scope, State
from receiver.retention.erasure import check_reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from receiver.catalogue import Persons
    from receiver.objectstore import PersonTombstones
    from receiver.records import Hold, KeptPlace, Person, Recording, RecordingId
    from receiver.retention.erasure import Erasure

_CHUNK = 32
_KEY_BYTES = 32
_AGAIN = Actor("tombstone")
_log = logs.get("retention")


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonErasure:
    """`note` writes an entry of the log."""

    erasure: Erasure
    persons: Persons
    tombstones: PersonTombstones
    note: Callable[[AuditEntry], Awaitable[None]]

    async def erase(self, asked: int | str, *, by: Actor, reason: str, also_attended: bool = False) -> Certificate:
        """Erase a person, by user id or e-mail: the recordings of meetings that they host go, the others forget them.

        With `also_attended` those go too. Raises as `Erasure.erase` does, `HeldError` where a hold is on the person,
        and `StoreError` where the bucket did not take the tombstone: then nothing was done. Safe to repeat.
        """
        person = await self.persons.find(asked)
        reason = check_reason(reason)
        if any(word in reason.casefold() for word in person.emails | person.texts):
            raise ReasonError("the reason names the person, and it stays on record for ever", "name the request alone")
        if holds := await self.persons.holds(person):
            raise HeldError(f"the person is on hold ({', '.join(str(hold.id) for hold in holds)})")
        await self.erasure.ready()
        key = await self._key()
        now = self.erasure.clock()
        tombstones = [
            PersonTombstone(digest=digest_of(key, one), erased_at=now, also_attended=also_attended)
            for one in person.keys
        ]
        for one in tombstones:
            await self.tombstones.store(one)
        await self.persons.bury(tombstones)
        digest = _digest(key, asked)
        certificate = await self._out_of_all(person, by, reason, digest, also_attended=also_attended)
        entry = AuditEntry.of(
            by, Action.PERSON_ERASED, digest, at=now, reason=reason, certificate_id=certificate.id, **certificate.counts
        )
        await self.note(entry)
        return certificate

    async def again(self) -> None:
        """Erase again whoever is erased, as the bucket says, and named in this index all the same."""
        known = await self.tombstones.key(None)
        if known is None:
            return
        await self.persons.digest_key(known)
        await self.persons.replace_digest_key(known)
        await self.persons.bury(await self.tombstones.all())
        for person, also_attended in await self.persons.come_again(known):
            digest = digest_of(known, person.keys[0])
            certificate = await self._out_of_all(person, _AGAIN, "erased before", digest, also_attended=also_attended)
            _log.warning("person_erased_again", digest=digest, recordings=len(certificate.recordings))

    async def named(self, asked: int | str) -> tuple[list[RecordingId], list[RecordingId]]:
        """Return the recordings that the person hosts, and those that name them otherwise."""
        return await self._named(await self.persons.find(asked))

    async def _named(self, person: Person) -> tuple[list[RecordingId], list[RecordingId]]:
        hosted = await self.persons.hosted(person)
        attended = await self.persons.attended(person)
        return hosted, [one for one in attended if one not in set(hosted)]

    async def shown(self, asked: int | str, *, by: Actor) -> list[KeptPlace]:
        """Return all that is kept of the person, in the index and in deliveries' bodies; that is put on record."""
        key = await self.persons.digest_key(secrets.token_bytes(_KEY_BYTES))
        person = await self.persons.find(asked)
        found = [*await self.persons.kept(person), *await self.erasure.redaction.naming(person)]
        entry = AuditEntry.of(by, Action.PERSON_SHOWN, _digest(key, asked), at=self.erasure.clock(), places=len(found))
        await self.note(entry)
        return found

    async def _key(self) -> bytes:
        """Return the key that bucket and index have; the bucket's is the one that counts."""
        own = await self.persons.digest_key(secrets.token_bytes(_KEY_BYTES))
        key = await self.tombstones.key(own) or own
        if key != own:
            await self.persons.replace_digest_key(key)
        return key

    async def _out_of_all(
        self, person: Person, by: Actor, reason: str, digest: str, *, also_attended: bool
    ) -> Certificate:
        bodies, held = await self.erasure.redaction.of_person(person)
        hosted, attended = await self._named(person)
        refused: list[Erased] = []
        stripped = 0
        if also_attended:
            hosted += attended
        else:
            for start in range(0, len(attended), _CHUNK):
                some = await self._strip(attended[start : start + _CHUNK], person, refused)
                held |= some[1]
                stripped += some[0]
        made = await self.erasure.erase(hosted, by=by, reason=reason, scope=Scope.PERSON, value=digest)
        return replace(
            made,
            recordings=(*made.recordings, *refused),
            held={**made.held, **held},
            counts={"forgotten_in": stripped, "bodies_rewritten": bodies},
        )

    async def _strip(
        self, ids: Sequence[RecordingId], person: Person, refused: list[Erased]
    ) -> tuple[int, Mapping[RecordingId, tuple[Hold, ...]]]:
        """Take the person out of recordings that stay: out of the manifest first, while the row tells whom."""
        free, held = await self.persons.load(ids)
        done = []
        for one in free:
            try:
                await self._rewrite(one, person)
            except StoreError as e:
                refused.append(Erased(recording_id=one.id, refused_because=str(e)))
            else:
                done.append(one.id)
        await self.persons.strip(done, person)
        return len(done), held

    async def _rewrite(self, recording: Recording, person: Person) -> None:
        stored, archived_at = recording.archive, recording.archived_at
        if recording.state is State.ARCHIVED and stored is not None and archived_at is not None:
            await rewrite_manifest(self.erasure.bucket, without(recording, person), stored, archived_at=archived_at)


def _digest(key: bytes, asked: int | str) -> str:
    return digest_of(key, asked if isinstance(asked, int) else asked.strip().casefold())


def without(recording: Recording, person: Person) -> Recording:
    """Return the recording as its row tells it once the person is taken out."""
    host = recording.host
    is_host = (host.id is not None and person.is_user(host.id)) or person.is_email((host.email or "").casefold())
    left = tuple(one for one in recording.vendor.participant_ids if not person.is_user(one))
    invited = tuple(
        one
        for one in recording.attendees
        if not (one.id is not None and person.is_user(one.id))
        and not (one.email and person.is_email(one.email.strip().casefold()))
    )
    return replace(
        recording,
        host=Host() if is_host else host,
        vendor=replace(recording.vendor, participant_ids=left),
        attendees=invited,
    )
