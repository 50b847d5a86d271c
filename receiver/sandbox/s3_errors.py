"""Errors of the emulated storage, as S3 words them."""

from collections.abc import Mapping
from xml.sax.saxutils import escape

from starlette.responses import Response

HOST_ID = "c2FuZGJveCBzdG9yYWdlIGhvc3Q="


class S3Error(Exception):
    """The storage refuses; answered as S3's XML document."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.headers = dict(headers or {})

    def response(self, request_id: str) -> Response:
        parts = {"Code": self.code, "Message": self.message, **self.details}
        parts |= {"RequestId": request_id, "HostId": HOST_ID}
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in parts.items())
        document = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
        return Response(document, self.status, self.headers, media_type="application/xml")


def access_denied(message: str) -> S3Error:
    return S3Error(403, "AccessDenied", message)
