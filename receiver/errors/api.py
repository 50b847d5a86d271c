"""What the Meetings API can end a job with."""

from __future__ import annotations

from receiver.errors.jobs import JobError, Kind


class ApiUnavailableError(JobError):
    """Connection refused, time-out or 5xx."""

    code = "api_unavailable"


class ApiPausedError(JobError):
    """The API asks for a pause (429), or failed so often that it is left alone: not this recording's try."""

    code = "api_paused"
    burns_attempt = False


class ApiUnauthorizedError(JobError):
    """401, also after one new login."""

    code = "api_unauthorized"


class ApiForbiddenError(JobError):
    """403: the credentials may not list this meeting's recordings."""

    code = "api_forbidden"


class ApiLoginRefusedError(JobError):
    """`POST /session` was refused, or answered with another user than `API_USER_ID`."""

    code = "api_login_refused"


class ApiClockSkewError(JobError):
    """`POST /session` was refused with 422, and this host's clock is too far from the API's for any login."""

    code = "api_clock_skew"


class ApiBadAnswerError(JobError):
    """The answer is not the JSON that the page promises."""

    code = "api_bad_answer"


class ApiRefusedError(JobError):
    """400 or 422: the API did not understand the request."""

    code = "api_refused"


class RecordingNotListedYetError(JobError):
    """The listing answered without this recording; it may come late, so the try is not counted."""

    code = "recording_not_listed"
    burns_attempt = False


class RecordingGoneError(JobError):
    """The meeting is unknown to the API, or the recording was not listed within `LISTING_GRACE_S`."""

    code = "recording_gone"
    kind = Kind.MISSING


class NoFreshUrlError(JobError):
    """No API credentials are set and the payload's URL has expired or was never given."""

    code = "no_fresh_url"
    kind = Kind.PERMANENT


# --- the source file ---
