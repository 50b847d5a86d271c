"""A server of e-mail on loopback: what it was handed, by TLS and login where a test asks for them."""

from __future__ import annotations

import asyncio
import warnings
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any, Self

from aiosmtpd.smtp import SMTP, AuthResult

if TYPE_CHECKING:
    import ssl

USER, PASSWORD = "archive", "canary-mail-p@ssword"


@dataclass
class Mailbox:
    """`tls`: from the first byte. `login`: no mail without. `refuses` is answered to every recipient."""

    tls: ssl.SSLContext | None = None
    login: bool = False
    starttls: ssl.SSLContext | None = None
    refuses: str | None = None
    mails: list[Any] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> Self:
        def protocol() -> SMTP:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it does not know of TLS from the first byte, and warns of a login
                return SMTP(
                    self,
                    hostname="mail.test",
                    tls_context=self.starttls,
                    authenticator=_authenticate,
                    auth_required=self.login,
                    auth_require_tls=self.starttls is not None,
                )

        self._server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """What a team would name in `NOTIFY_URLS`."""
        scheme = "smtps" if self.tls else "smtp"
        login = "archive:canary-mail-p%40ssword@" if self.login else ""
        return (
            f"{scheme}://{login}127.0.0.1:{self.port}/?from=archive@example.com&to=ops@example.com,on-call@example.com"
        )

    @property
    def titles(self) -> list[str]:
        """The subjects of all mails, without the archive's name."""
        return [mail["Subject"].partition("] ")[2] for mail in self.mails]

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)
