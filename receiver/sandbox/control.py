"""The endpoints under `/_control`: they set scenes, script faults and tell what happened. For loopback only."""

import json
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from receiver.sandbox.control_bodies import (
    EndBody,
    FinishedMeetingBody,
    FinishedRecordingBody,
    RotateBody,
    TimesBody,
    chosen_kind,
)
from receiver.sandbox.faults import FaultBody
from receiver.sandbox.files import SandboxFile
from receiver.sandbox.journal import CONTROL_PREFIX
from receiver.sandbox.meetings import SandboxMeeting
from receiver.sandbox.platform import Platform
from receiver.sandbox.recordings import SandboxRecording
from receiver.sandbox.wire import now, plain_error

BodyT = TypeVar("BodyT", bound=BaseModel)

MEETING_LENGTH_S = 3600


class LoopbackOnly:
    """Nobody else may script this platform, wherever its API listens."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client is None or not ip_address(client[0]).is_loopback:
            await plain_error(403, "The control endpoints answer on loopback only").response()(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Control:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def mount(self) -> Mount:
        return Mount(
            CONTROL_PREFIX,
            middleware=[Middleware(LoopbackOnly)],
            routes=[
                Route("/meetings", self.create_meeting, methods=["POST"]),
                Route("/meetings/{meeting_id}/end", self.end_meeting, methods=["POST"]),
                Route("/meetings/{meeting_id}/payload", self.show_payload, methods=["GET"]),
                Route("/meetings/{meeting_id}/webhook", self.send_webhook, methods=["POST"]),
                Route("/recordings/{recording_id}", self.show_recording, methods=["GET"]),
                Route("/recordings/{recording_id}", self.unlist_recording, methods=["DELETE"]),
                Route("/credentials", self.rotate, methods=["PATCH"]),
                Route("/faults", self.add_fault, methods=["POST"]),
                Route("/faults", self.list_faults, methods=["GET"]),
                Route("/faults", self.clear_faults, methods=["DELETE"]),
                Route("/faults/{fault_id}", self.remove_fault, methods=["DELETE"]),
                Route("/requests", self.list_requests, methods=["GET"]),
                Route("/requests", self.clear_requests, methods=["DELETE"]),
                Route("/mails", self.list_mails, methods=["GET"]),
                Route("/webhooks", self.list_webhooks, methods=["GET"]),
            ],
        )

    async def create_meeting(self, request: Request) -> Response:
        body = await _read(FinishedMeetingBody, request)
        meeting = self._add_meeting(body)
        made = [self._add_recording(meeting, one) for one in body.recordings]
        answer = await self._scene(meeting, made, hashed=body.hash)
        if body.send_webhook:
            self._platform.send_webhook(meeting)
        return JSONResponse(answer, 201)

    def _add_meeting(self, body: FinishedMeetingBody) -> SandboxMeeting:
        config = self._platform.config
        created = body.created_at or now()
        start = int(created.timestamp()) if body.start_date is None else body.start_date
        meeting = SandboxMeeting(
            id=body.id or self._platform.ids.object_id(),
            name=body.name,
            start_date=start,
            end_date=start + MEETING_LENGTH_S if body.end_date is None else body.end_date,
            attendees=body.attendees or [{"id": config.user_id, "email": config.user_email}],
            host_id=config.user_id if body.host_id is None else body.host_id,
            record=False,
            public=body.public,
            scheduled=body.scheduled,
            created_at=created,
            updated_at=body.updated_at or created,
        )
        self._platform.meetings.add(meeting)
        return meeting

    def _add_recording(self, meeting: SandboxMeeting, body: FinishedRecordingBody) -> SandboxRecording:
        ids = self._platform.ids
        duration = body.duration or 0.0
        file = SandboxFile(body.file_uid or ids.file_uid(), body.chosen_kind, body.chosen_size, duration, body.body)
        people = [meeting.host_id] if body.participants_ids is None else body.participants_ids
        recording = SandboxRecording(body.id or ids.object_id(), meeting.id, file, people, body.duration)
        recording.created_at = body.created_at or recording.created_at
        recording.updated_at = body.updated_at or recording.created_at
        self._platform.add_recording(recording)
        return recording

    async def end_meeting(self, request: Request) -> Response:
        body = await _read(EndBody, request)
        meeting = self._meeting(request)
        kind = body.kind or chosen_kind(body.size_bytes)
        made = self._platform.end_meeting(meeting, body.files, body.size_bytes, kind)
        return JSONResponse(await self._scene(meeting, made, hashed=True))

    async def _scene(
        self, meeting: SandboxMeeting, made: Sequence[SandboxRecording], *, hashed: bool
    ) -> dict[str, Any]:
        return {
            "meeting": meeting.wire(),
            "recordings": [await _facts(one, hashed=hashed) for one in made],
            "payload": self._platform.payload(meeting),
        }

    async def show_payload(self, request: Request) -> Response:
        return JSONResponse(self._platform.payload(self._meeting(request)))

    async def send_webhook(self, request: Request) -> Response:
        body = await _read(TimesBody, request)
        meeting = self._meeting(request)
        for _ in range(body.times):
            self._platform.send_webhook(meeting)
        return JSONResponse({"times": body.times}, 202)

    async def show_recording(self, request: Request) -> Response:
        recording = self._recording(request)
        counted = {"bytes_sent": recording.file.bytes_sent, "gets": recording.file.gets}
        return JSONResponse({**await _facts(recording, hashed=True), **counted})

    async def unlist_recording(self, request: Request) -> Response:
        self._platform.recordings.unlist(self._recording(request).id)
        return Response(status_code=204)

    async def rotate(self, request: Request) -> Response:
        body = await _read(RotateBody, request)
        self._platform.rotate(**body.model_dump())
        return Response(status_code=204)

    async def add_fault(self, request: Request) -> Response:
        fault = self._platform.faults.add(await _read(FaultBody, request))
        return JSONResponse({"id": fault.id}, 201)

    async def list_faults(self, _request: Request) -> Response:
        return JSONResponse(self._platform.faults.listed())

    async def clear_faults(self, _request: Request) -> Response:
        self._platform.faults.clear()
        return Response(status_code=204)

    async def remove_fault(self, request: Request) -> Response:
        if not self._platform.faults.remove(request.path_params["fault_id"]):
            raise plain_error(404, "Fault not found")
        return Response(status_code=204)

    async def list_requests(self, _request: Request) -> Response:
        return JSONResponse(self._platform.journal.listed())

    async def clear_requests(self, _request: Request) -> Response:
        self._platform.journal.clear()
        return Response(status_code=204)

    async def list_mails(self, _request: Request) -> Response:
        return JSONResponse(self._platform.mails.listed())

    async def list_webhooks(self, request: Request) -> Response:
        if "wait" in request.query_params:
            await self._platform.webhooks.idle()
        return JSONResponse(self._platform.webhooks.listed())

    def _meeting(self, request: Request) -> SandboxMeeting:
        return self._platform.meetings.found(request.path_params["meeting_id"])

    def _recording(self, request: Request) -> SandboxRecording:
        recording = self._platform.recordings.get(request.path_params["recording_id"])
        if recording is None:
            raise plain_error(404, "Recording not found")
        return recording


async def _read(model: type[BodyT], request: Request) -> BodyT:
    raw = await request.body()
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        problems = json.loads(error.json(include_url=False, include_context=False, include_input=False))
        raise plain_error(422, json.dumps(problems)) from error


async def _facts(recording: SandboxRecording, *, hashed: bool) -> dict[str, Any]:
    file = recording.file
    return {
        "_id": recording.id,
        "file_uid": file.uid,
        "size_bytes": file.size_bytes,
        "sha256": await file.sha256() if hashed else None,
        "etag": file.etag,
    }
