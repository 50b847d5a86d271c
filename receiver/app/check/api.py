"""Does the Meetings API answer, know us, and let us list recordings?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from receiver.app.check.findings import clock, ok, skipped, warning, wrong
from receiver.app.check.index import look_at_index
from receiver.app.configs import api_config
from receiver.errors import (
    ApiBadAnswerError,
    ApiClockSkewError,
    ApiForbiddenError,
    ApiLoginRefusedError,
    ApiPausedError,
    ApiUnauthorizedError,
    ApiUnavailableError,
    RecordingGoneError,
)
from receiver.meetings import AdminKey, StaticToken, UserLogin, look_at_api
from receiver.records import MeetingId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from receiver.app.check.findings import Finding
    from receiver.errors import Answered, ApiError
    from receiver.meetings import ApiSight, Credentials
    from receiver.settings import Settings

UNKNOWN_MEETING = MeetingId("0" * 24)
"""Shaped like the platform's ids, and the id of no meeting."""
_TIMEOUT_S = 8.0
_SKEW_LIMIT_S = 55 * 60.0
"""The API refuses a login whose time is an hour off its own."""


async def api_findings(settings: Settings) -> AsyncGenerator[Finding, None]:
    """Ask once for the recordings of a meeting; only what the service itself would send is sent."""
    config = api_config(lambda: settings)
    if config is None:
        yield warning(
            "api",
            "no way to the API is set, so payload URLs are used while they live: "
            "nothing fetches a fresh one, and a forged payload could name another file",
            "set RECEIVER_API_ADMIN_KEY, or RECEIVER_API_TOKEN, or a user's login",
        )
        return
    index = await look_at_index(settings)
    if index.pause_left_s:
        yield warning(
            "api pause",
            f"the Meetings API asked for a pause that lasts {index.pause_left_s:.0f} s more: nobody asks it anything",
            "wait for its end, or end it with `receiver lift-pause`",
        )
        yield skipped("api", f"{config.url} is not asked during the pause")
        return
    meeting_id = index.meeting_id
    config = replace(config, timeout_s=min(config.timeout_s, _TIMEOUT_S))
    sight = await look_at_api(config, meeting_id or UNKNOWN_MEETING)
    for finding in judged(sight, config.credentials(), url=config.url, is_known=meeting_id is not None):
        yield finding


def judged(sight: ApiSight, access: Credentials, *, url: str, is_known: bool) -> Iterator[Finding]:
    """Yield what one look showed. `is_known`: the meeting is one of the index, so that a 403 means something."""
    error = sight.error
    if isinstance(error, ApiUnavailableError | ApiBadAnswerError):
        yield wrong("api", f"{url}: {error.happened}", "correct RECEIVER_API_URL, or let it be reached")
        return
    if isinstance(error, ApiPausedError):
        yield warning("api", f"{url}: {error.happened}", "wait as long as it asks, then check again")
        return
    yield _reached(sight, url)
    yield clock("api clock", sight.skew_s, limit_s=_SKEW_LIMIT_S, whose="the Meetings API")
    if isinstance(error, ApiClockSkewError | ApiLoginRefusedError | ApiUnauthorizedError):
        yield _unknown_to_it(error, sight.skew_s, access)
        return
    if sight.is_heeded is not False:
        yield ok("api credentials", f"{_setting(access)} is accepted")
    if isinstance(access, UserLogin):
        yield _user(sight, access)
    yield _recordings(sight, access, is_known=is_known)


def _reached(sight: ApiSight, url: str) -> Finding:
    if sight.is_heeded is False:
        return warning(
            "api",
            f"{url} answers, but the same to credentials that nobody has: it may not be the Meetings API",
            "see that RECEIVER_API_URL is the API's own address, without a path",
        )
    return ok("api", f"{url} answers")


def _unknown_to_it(error: ApiError, skew_s: float | None, access: Credentials) -> Finding:
    name = "api credentials"
    if skew_s is not None and abs(skew_s) > _SKEW_LIMIT_S:
        remedy = "set the clock first (see `api clock`): with a wrong one every login is refused"
        return wrong(name, str(error), remedy)
    if error.setting == "RECEIVER_API_USER_ID":
        remedy = "correct RECEIVER_API_USER_LOGIN or _EMAIL, or RECEIVER_API_USER_ID"
        return wrong("api user", error.happened, remedy)
    if error.answered is None:
        seen = str(error)
    elif isinstance(error, ApiLoginRefusedError):
        seen = f"{error.happened} {error.answered}"
    else:
        seen = error.happened
    match access:
        case AdminKey():
            remedy = "copy the administration key anew into RECEIVER_API_ADMIN_KEY: it is wrong, or was rotated"
        case StaticToken():
            remedy = "put a new token into RECEIVER_API_TOKEN (it lives 2 hours unused), or better set a user's login"
        case _:
            remedy = _login_remedy(error.answered)
    return wrong(name, seen, remedy)


def _login_remedy(answered: Answered | None) -> str:
    if answered is not None and "signature" in answered.words.lower():
        return "correct RECEIVER_API_AUTH_SECRET: the login was signed with another secret"
    if answered is not None and answered.status == 404:
        return "correct RECEIVER_API_APP_ID and RECEIVER_API_AUTH_KEY: no application has both"
    return "correct RECEIVER_API_USER_LOGIN or _EMAIL, and RECEIVER_API_USER_PASSWORD"


def _user(sight: ApiSight, access: UserLogin) -> Finding:
    name = "api user"
    if sight.user_id is None:
        return warning(name, "the API did not say whose session it opened", "look at the login by hand")
    if access.expected_user_id is None:
        return warning(
            name,
            f"the login opened a session of user {sight.user_id}, and RECEIVER_API_USER_ID is not set",
            f"set RECEIVER_API_USER_ID={sight.user_id} if that is the one: a mistyped login may create a new user",
        )
    return ok(name, f"user {sight.user_id}, as RECEIVER_API_USER_ID says")


def _recordings(sight: ApiSight, access: Credentials, *, is_known: bool) -> Finding:
    name, error = "api recordings", sight.error
    match error:
        case None:
            return ok(name, "a meeting's recordings were listed")
        case RecordingGoneError() if sight.is_heeded is False:
            return skipped(name, "cannot be told from this answer")
        case RecordingGoneError():
            return ok(name, "may be asked for: the API says that there is no such meeting, and not that we may not")
        case ApiForbiddenError() if sight.is_heeded is False:
            return wrong(name, "refused (403) to these credentials and to any others", "see RECEIVER_API_URL")
        case ApiForbiddenError():
            judge = wrong if is_known or isinstance(access, AdminKey) else warning
            whose = "of the newest meeting in the index" if is_known else "of a meeting that nobody has"
            return judge(
                name,
                f"the recordings {whose} are refused (403)",
                "use RECEIVER_API_ADMIN_KEY, which sees every meeting, or the login of the meetings' host",
            )
        case _:
            return warning(name, error.happened, "see RECEIVER_API_URL")


def _setting(access: Credentials) -> str:
    match access:
        case AdminKey():
            return "RECEIVER_API_ADMIN_KEY"
        case StaticToken():
            return "RECEIVER_API_TOKEN"
        case _:
            return "the login of RECEIVER_API_USER_LOGIN or _EMAIL"
