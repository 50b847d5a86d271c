"""Answers in the API's place where a scripted fault says so."""

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from receiver.sandbox.faults import API_KINDS, LISTING_KINDS, FaultBody, Faults
from receiver.sandbox.journal import CONTROL_PREFIX
from receiver.sandbox.sessions import Sessions, lost_session

HTML_PAGE = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
MESSAGES = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    429: "Too many requests",
    500: "Internal server error",
    503: "Service unavailable",
}


class ApiFaultMiddleware:
    """Answers in the API's place where a fault was scripted for the path; the listings' own faults are not here."""

    def __init__(self, app: ASGIApp, faults: Faults, sessions: Sessions) -> None:
        self._app = app
        self._faults = faults
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PREFIX):
            await self._app(scope, receive, send)
            return
        fault = self._faults.take("api", scope["path"], API_KINDS - LISTING_KINDS)
        if fault is None:
            await self._app(scope, receive, send)
            return
        await self._misbehave(fault.script, scope, receive, send)

    async def _misbehave(self, script: FaultBody, scope: Scope, receive: Receive, send: Send) -> None:
        connection = scope["state"]["connection"]
        match script.kind:
            case "hang":
                await connection.pause(script.delay_s)
                await connection.close()
            case "slow":
                if await connection.pause(script.delay_s or 0.0):
                    await self._app(scope, receive, send)
            case "not_json":
                await Response(script.body or HTML_PAGE, script.status or 200, media_type="text/html")(
                    scope, receive, send
                )
            case "session_expired":
                self._sessions.drop(Headers(scope=scope).get("cb-token", ""))
                await lost_session().response()(scope, receive, send)
            case _:
                await _status(script)(scope, receive, send)


def _status(script: FaultBody) -> Response:
    status = script.status or 503
    headers = {} if script.retry_after is None else {"Retry-After": f"{script.retry_after:g}"}
    if script.body is not None:
        return Response(script.body, status, headers, media_type="application/json")
    return JSONResponse({"errors": [MESSAGES.get(status, "A scripted fault")]}, status, headers)
