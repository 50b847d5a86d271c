"""Plain e-mail: one message to one server of submission (RFC 6409), by TLS wherever a password is sent."""

from __future__ import annotations

import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from receiver.errors import NotSentError

if TYPE_CHECKING:
    from receiver.notices.texts import Message

_TIMEOUT_S = 20.0
_PORTS = {"smtps": 465, "smtp": 587}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed in. `is_tls`: from the first byte, else by STARTTLS where that is offered."""

    host: str
    port: int
    is_tls: bool
    sender: str = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> MailServer:
        """Read `smtps://user:password@host:465/?from=a@b&to=c@d,e@f`, which the settings have checked."""
        parts = urlsplit(url)
        given = parse_qs(parts.query)
        return cls(
            host=parts.hostname or "",
            port=parts.port or _PORTS[parts.scheme],
            is_tls=parts.scheme == "smtps",
            sender=given["from"][0],
            recipients=tuple(one.strip() for text in given["to"] for one in text.split(",") if one.strip()),
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    def send(self, message: Message) -> None:
        """Hand a message in; blocks for as long as the server takes. Raises `NotSentError`."""
        try:
            with self._connected() as server:
                if self.user is not None and self.password is not None:
                    server.login(self.user, self.password)
                refused = server.send_message(self._mail(message), self.sender, self.recipients)
        except smtplib.SMTPRecipientsRefused as e:
            raise NotSentError(f"{self.host} refuses every recipient", "correct to= of RECEIVER_NOTIFY_URLS") from e
        except smtplib.SMTPAuthenticationError as e:
            remedy = "correct user and password in RECEIVER_NOTIFY_URLS"
            raise NotSentError(f"{self.host} refuses the login ({e.smtp_code})", remedy) from e
        except smtplib.SMTPResponseException as e:
            raise NotSentError(f"{self.host} answered {e.smtp_code}") from e
        except (smtplib.SMTPException, OSError) as e:
            raise NotSentError(f"{self.host} port {self.port} took no mail: {_reason(e)}") from e
        if refused:
            raise NotSentError(f"{self.host} refuses {len(refused)} of {len(self.recipients)} recipients")

    def _connected(self) -> smtplib.SMTP:
        own, tls = socket.gethostname() or "localhost", ssl.create_default_context()
        if self.is_tls:
            return smtplib.SMTP_SSL(self.host, self.port, own, timeout=_TIMEOUT_S, context=tls)
        server = smtplib.SMTP(self.host, self.port, own, timeout=_TIMEOUT_S)
        try:
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=tls)
            elif self.password is not None:
                raise NotSentError(f"{self.host} offers no TLS, and no password is sent without", "use smtps://")
        except BaseException:
            server.close()
            raise
        return server

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = message.title, self.sender, ", ".join(self.recipients)
        mail["Date"] = formatdate(usegmt=True)
        mail["Message-ID"] = make_msgid(domain=self.sender.rpartition("@")[2] or "localhost")
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence notice answers it
        mail.set_content(message.body)
        return mail


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"it has no valid certificate ({error.verify_message})"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
