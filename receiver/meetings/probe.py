"""One look at the Meetings API for a check: who answers, whose clock is right, and do the credentials count there?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from receiver.errors import ApiForbiddenError, ApiUnauthorizedError, JobError, RecordingGoneError
from receiver.meetings.access import AdminKey, StaticToken, UserLogin
from receiver.meetings.client import MeetingsApi
from receiver.meetings.http_client import open_http_client
from receiver.meetings.pacing import RequestPolicy

if TYPE_CHECKING:
    from receiver.meetings.access import Credentials
    from receiver.meetings.client import ApiConfig
    from receiver.records import MeetingId

_NOBODY = "receiver-check-nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSight:
    """What became of one request for a meeting's recordings.

    `error` is None where they were listed. `skew_s`: our clock is so far ahead of the API's. `is_heeded` is whether
    the credentials made a difference: None where that shows by itself, or could not be found out.
    """

    error: JobError | None
    skew_s: float | None = None
    user_id: int | None = None
    is_heeded: bool | None = None


async def look_at_api(config: ApiConfig, meeting_id: MeetingId) -> ApiSight:
    """Ask for a meeting's recordings, logging in first where the credentials are a login.

    404 and 403 are answers to somebody whom the API knows, but also what a wrong address answers to everything: then
    the same is asked as nobody, which a Meetings API answers 401.
    """
    sight = await _ask(config, meeting_id)
    nobody = _nobody(config.credentials())
    if not isinstance(sight.error, RecordingGoneError | ApiForbiddenError) or nobody is None:
        return sight
    other = await _ask(replace(config, credentials=lambda: nobody), meeting_id)
    if isinstance(other.error, type(sight.error)):
        return replace(sight, is_heeded=False)
    return replace(sight, is_heeded=True if isinstance(other.error, ApiUnauthorizedError) else None)


async def _ask(config: ApiConfig, meeting_id: MeetingId) -> ApiSight:
    error: JobError | None = None
    policy = RequestPolicy(patience_s=config.timeout_s, rate_per_s=config.rate_per_s, shared=None)
    async with open_http_client(config.url, policy, timeout_s=config.timeout_s) as http:
        api = MeetingsApi(config, http)
        try:
            await api.recordings(meeting_id, newer_than_s=0)
        except JobError as e:
            error = e
        finally:
            await api.close()
        told = http.last
        skew_s = told.skew_s if told is not None and told.date is not None else None
        return ApiSight(error=error, skew_s=skew_s, user_id=api.user_id)


def _nobody(credentials: Credentials) -> Credentials | None:
    """Return credentials of the same kind that cannot be right; None for a login, which proves itself."""
    match credentials:
        case AdminKey():
            return AdminKey(key=_NOBODY)
        case StaticToken():
            return StaticToken(token=_NOBODY)
        case UserLogin():
            return None
    assert_never(credentials)
