"""The vendor's Meetings API as the archive needs it: meetings, their recordings, and a download URL with life left."""

from receiver.meetings_api.client import ApiConfig, MeetingsApi, open_api
from receiver.meetings_api.credentials import AdminKey, Credentials, StaticToken, UserLogin
from receiver.meetings_api.expiry import url_expiry
from receiver.meetings_api.meetings import MeetingsPage, MeetingTime

__all__ = [
    "AdminKey",
    "ApiConfig",
    "Credentials",
    "MeetingTime",
    "MeetingsApi",
    "MeetingsPage",
    "StaticToken",
    "UserLogin",
    "open_api",
    "url_expiry",
]
