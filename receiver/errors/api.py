"""What the Meetings API can end a job with: its code, and the remedy that operators read."""

from __future__ import annotations

from typing import NamedTuple

from receiver.errors.base import JobError, Kind, Side


class Answered(NamedTuple):
    """What the Meetings API answered: the status, and its own words where it gave any."""

    status: int
    words: str = ""

    def __str__(self) -> str:
        return f"(status {self.status}: {self.words})" if self.words else f"(status {self.status})"


class ApiError(JobError):
    """Something is wrong with the Meetings API, or with us in its eyes; `answered` where an answer said so."""

    def __init__(
        self,
        happened: str,
        remedy: str | None = None,
        *,
        answered: Answered | None = None,
        setting: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(happened, remedy, setting=setting, retry_after_s=retry_after_s)
        self.answered = answered


class ApiUnavailableError(ApiError):
    """Connection refused, time-out or 5xx."""

    code = "api_unavailable"
    side: Side | None = Side.API
    remedy = "where that lasts, ask its operator and look at RECEIVER_API_URL"


class ApiPausedError(ApiError):
    """The API asks for a pause (429), or failed so often that it is left alone: not this recording's try."""

    code = "api_paused"
    side: Side | None = Side.API
    remedy = "where that lasts, ask its operator and look at RECEIVER_API_URL"
    burns_attempt = False


class ApiUnauthorizedError(ApiError):
    """401, also after one new login."""

    code = "api_unauthorized"
    side: Side | None = Side.API
    needs_hand = True
    remedy = (
        "put valid ones there and, unless they are in a file named by …_FILE, which is read again by itself, start the "
        "service again"
    )


class ApiForbiddenError(ApiError):
    """403: the credentials may not list this meeting's recordings."""

    code = "api_forbidden"
    remedy = "use the meeting's host or RECEIVER_API_ADMIN_KEY"


class ApiLoginRefusedError(ApiError):
    """`POST /session` was refused, or answered with another user than `API_USER_ID`."""

    code = "api_login_refused"
    side: Side | None = Side.API
    needs_hand = True
    remedy = (
        "look at RECEIVER_API_APP_ID, RECEIVER_API_AUTH_KEY, RECEIVER_API_AUTH_SECRET, RECEIVER_API_USER_LOGIN or "
        "_EMAIL and _PASSWORD"
    )


class ApiClockSkewError(ApiError):
    """`POST /session` was refused with 422, and this host's clock is too far from the API's for any login."""

    code = "api_clock_skew"
    side: Side | None = Side.API
    needs_hand = True
    remedy = "set this host's clock, and keep it with NTP"


class ApiBadAnswerError(ApiError):
    """The answer is not the JSON that the page promises."""

    code = "api_bad_answer"
    side: Side | None = Side.API
    remedy = "look at RECEIVER_API_URL"


class ApiRefusedError(ApiError):
    """400 or 422: the API did not understand the request."""

    code = "api_refused"
    remedy = "look at RECEIVER_API_URL, and report it where that is right"


class RecordingNotListedYetError(ApiError):
    """The listing answered without this recording; it may come late, so the try is not counted."""

    code = "recording_not_listed"
    remedy = "it is asked for again, and counts as missing once RECEIVER_LISTING_GRACE_S is over"
    burns_attempt = False


class RecordingGoneError(ApiError):
    """The meeting is unknown to the API, or the recording was not listed within `LISTING_GRACE_S`."""

    code = "recording_gone"
    remedy = "look for it at the platform, and retry it once it is listed there"
    kind = Kind.MISSING


class NoFreshUrlError(JobError):
    """No API credentials are set and the payload's URL has expired or was never given."""

    code = "no_fresh_url"
    remedy = "set API credentials (RECEIVER_API_ADMIN_KEY, RECEIVER_API_TOKEN or a user session) and retry"
    kind = Kind.PERMANENT
