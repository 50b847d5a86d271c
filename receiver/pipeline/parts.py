"""What a run works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from receiver.catalogue import Runs
    from receiver.lifecycle import RetryPolicy
    from receiver.meetings import MeetingsApi
    from receiver.objectstore import Bucket
    from receiver.pipeline.keys import KeyTemplate
    from receiver.transfer import Copier


class StoreKnowledge(Protocol):
    """What is known of the bucket."""

    async def ready(self) -> None:
        """Return once the bucket's abilities are known; raises `StoreError` where the store is away."""

    async def is_changed(self) -> bool:
        """Try the bucket again after it refused something, and tell whether it does other things than before.

        One that was tried only lately is not tried again.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineParts:
    """What a run works with.

    `store` knows what the bucket can do, and tries it where nobody has. `api` is None where no credentials are set:
    then the payload's URL is used while it lives. `listing_grace_s` is how long a recording may stay out of the API's
    listing before it counts as missing; `note_every_s` is how much of a run's sending its row may lag behind, which is
    sent again where the run is killed; `jitter` is uniform in [0, 1).
    """

    runs: Runs
    api: MeetingsApi | None
    copier: Copier
    bucket: Bucket
    store: StoreKnowledge
    keys: KeyTemplate
    retries: RetryPolicy
    listing_grace_s: float
    note_every_s: float
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
