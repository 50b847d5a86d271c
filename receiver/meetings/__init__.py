"""The vendor's Meetings API as the archive needs it: meetings, their recordings, and a download URL with life left."""

from receiver.meetings.access import AdminKey, Credentials, StaticToken, UserLogin
from receiver.meetings.client import ApiConfig, MeetingsApi, open_api
from receiver.meetings.meetings_listing import MeetingsPage, MeetingTime
from receiver.meetings.pacing import SharedPause
from receiver.meetings.probe import ApiSight, look_at_api
from receiver.meetings.url_expiry import url_expiry

__all__ = [
    "AdminKey",
    "ApiConfig",
    "ApiSight",
    "Credentials",
    "MeetingTime",
    "MeetingsApi",
    "MeetingsPage",
    "SharedPause",
    "StaticToken",
    "UserLogin",
    "look_at_api",
    "open_api",
    "url_expiry",
]
