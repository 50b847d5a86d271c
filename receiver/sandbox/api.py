"""The Meetings API's documented endpoints."""

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from receiver.sandbox.faults import LISTING_KINDS, FaultBody
from receiver.sandbox.filters import read_query
from receiver.sandbox.meetings import SandboxMeeting, no_meeting
from receiver.sandbox.platform import Platform, with_origin
from receiver.sandbox.recordings import SandboxRecording
from receiver.sandbox.sessions import SandboxSession
from receiver.sandbox.users import User
from receiver.sandbox.wire import base_error, plain_error, read_pairs, read_parameters

Endpoint = Callable[[Request], Awaitable[Response]]


class AnySuffix:
    """Takes `/session.json` for `/session`: the vendor's JavaScript client ends each path so, its page none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["path"].removesuffix(".json")}
        await self._app(scope, receive, send)


class Api:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def routes(self) -> list[Route]:
        listing = "/meetings/recordings/{meeting_id}"
        return [
            Route("/session", self.create_session, methods=["POST"]),
            Route("/session", self.show_session, methods=["GET"]),
            Route("/session", self.delete_session, methods=["DELETE"]),
            Route("/login", self.log_in, methods=["POST"]),
            Route("/login", self.log_out, methods=["DELETE"]),
            Route("/meetings", self.create_meeting, methods=["POST"]),
            Route("/meetings", self.list_meetings, methods=["GET"]),
            Route(listing, self.list_recordings, methods=["GET"]),
            Route("/admin" + listing, self.admin_list_recordings, methods=["GET"]),
            Route("/admin" + listing, self.admin_delete_recordings, methods=["DELETE"]),
            Route("/admin/meetings", self.admin_create_meeting, methods=["POST"]),
            Route("/meetings/{meeting_id}", self.update_meeting, methods=["PUT"]),
            Route("/meetings/{meeting_id}", self.delete_meeting, methods=["DELETE"]),
        ]

    async def create_session(self, request: Request) -> Response:
        session = self._platform.sessions.create(await read_parameters(request))
        return self._json(session, {"session": session.wire()}, 201)

    async def show_session(self, request: Request) -> Response:
        session = self._session(request)
        return self._json(session, {"session": session.wire()})

    async def delete_session(self, request: Request) -> Response:
        self._platform.sessions.drop(self._session(request).token)
        return Response()

    async def log_in(self, request: Request) -> Response:
        session = self._session(request)
        user = self._platform.sessions.log_in(session, await read_parameters(request))
        return self._json(session, {"user": user.wire()}, 202)

    async def log_out(self, request: Request) -> Response:
        session = self._session(request)
        self._platform.sessions.log_out(session)
        return self._empty(session)

    async def create_meeting(self, request: Request) -> Response:
        session, user = self._user(request)
        meeting = self._platform.meetings.create(await read_parameters(request), user)
        return self._json(session, meeting.wire(), 201)

    async def admin_create_meeting(self, request: Request) -> Response:
        self._check_admin(request)
        parameters = await read_parameters(request)
        host = self._platform.users.named_by(parameters.get("user_id"))
        return JSONResponse(self._platform.meetings.create(parameters, host).wire(), 201)

    async def list_meetings(self, request: Request) -> Response:
        """Filters in the query string or, as curl's -d sends them, in the body of the GET."""
        session, user = self._user(request)
        query = read_query(request.query_params.multi_items() + read_pairs(await request.body()))
        found = self._platform.meetings.visible(user, query)
        page = [meeting.wire() for meeting in query.page(found)]
        if request.headers.get("cb-api-version") == "2":
            paging = {"limit": query.limit, "skip": query.offset, "total_entries": len(found)}
            return self._json(session, {"items": page, **paging})
        if not query.single:
            return self._json(session, page)
        if not page:
            raise no_meeting()
        return self._json(session, page[0])

    async def update_meeting(self, request: Request) -> Response:
        session, user = self._user(request)
        parameters = await read_parameters(request)
        meeting = self._platform.meetings.update(request.path_params["meeting_id"], parameters, user)
        return self._json(session, meeting.wire())

    async def delete_meeting(self, request: Request) -> Response:
        session, user = self._user(request)
        self._platform.meetings.delete(request.path_params["meeting_id"], user)
        return self._empty(session)

    async def list_recordings(self, request: Request) -> Response:
        session, user = self._user(request)
        meeting = self._platform.meetings.found(request.path_params["meeting_id"])
        _check_member(meeting, user)
        records = self._listing(request, meeting.id, lambda one: one.user_wire(self._platform.user_url(one)))
        return self._json(session, records)

    async def admin_list_recordings(self, request: Request) -> Response:
        self._check_admin(request)
        meeting_id = self._known_meeting(request)
        return JSONResponse(
            self._listing(request, meeting_id, lambda one: one.full_wire(self._platform.admin_url(one)))
        )

    async def admin_delete_recordings(self, request: Request) -> Response:
        self._check_admin(request)
        self._platform.delete_recordings(self._known_meeting(request))
        return JSONResponse({})

    def _listing(
        self, request: Request, meeting_id: str, write: Callable[[SandboxRecording], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        recordings = self._platform.recordings.of(meeting_id)
        fault = self._platform.faults.take("api", request.url.path, LISTING_KINDS)
        if fault is None:
            return [write(one) for one in recordings]
        return self._spoiled(fault.script, recordings, write)

    def _spoiled(
        self, script: FaultBody, recordings: list[SandboxRecording], write: Callable[[SandboxRecording], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        match script.kind:
            case "listing_empty":
                return []
            case "listing_late":
                latest = time.monotonic() - (script.delay_s or 0.0)
                return [write(one) for one in recordings if one.made_at <= latest]
            case "listing_other_meeting":
                other = self._platform.ids.object_id()
                return [{**write(one), "room_id": other} for one in recordings]
            case _:
                records = [write(one) for one in recordings]
                return [{**one, "download_url": with_origin(one["download_url"], script.body or "")} for one in records]

    def _session(self, request: Request) -> SandboxSession:
        return self._platform.sessions.use(request.headers.get("cb-token"))

    def _user(self, request: Request) -> tuple[SandboxSession, User]:
        session = self._session(request)
        if session.user is None:
            raise base_error(403, "Forbidden. Need user.")
        return session, session.user

    def _check_admin(self, request: Request) -> None:
        key = request.headers.get("cb-administration-api-key")
        if key is None:
            raise plain_error(401, "Token is required")
        if not hmac.compare_digest(key.encode(), self._platform.config.admin_key.encode()):
            raise plain_error(401, "Unauthorized")

    def _known_meeting(self, request: Request) -> str:
        """Recordings outlive a deleted meeting, for the admin."""
        meeting_id: str = request.path_params["meeting_id"]
        if not self._platform.recordings.of(meeting_id):
            self._platform.meetings.found(meeting_id)
        return meeting_id

    def _json(self, session: SandboxSession, document: Any, status: int = 200) -> JSONResponse:
        return JSONResponse(document, status, _expiry(session))

    def _empty(self, session: SandboxSession) -> Response:
        """Answers 200 without a body; the vendor's clients read these few answers as text."""
        return Response(headers=_expiry(session))


def _expiry(session: SandboxSession) -> Mapping[str, str]:
    return {"CB-Token-ExpirationDate": session.expiry()}


def _check_member(meeting: SandboxMeeting, user: User) -> None:
    if not meeting.concerns(user) and not meeting.public:
        raise base_error(403, "Forbidden")
