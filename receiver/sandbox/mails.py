"""The e-mails that the platform would have sent."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from receiver.sandbox.wire import now, stamp_ms

Reason = Literal["created", "notify_switched_on", "start_date_changed", "attendee_added"]


@dataclass(frozen=True)
class Mail:
    to: str
    meeting_id: str
    subject: str
    link: str
    reason: Reason
    at: str


class Mails:
    """Keeps what the vendor would send, in order."""

    def __init__(self, url_template: str) -> None:
        self._url_template = url_template
        self._kept: list[Mail] = []

    def notify(self, meeting_id: str, name: str, addresses: list[str], reason: Reason) -> None:
        link = self._url_template.replace("%s", meeting_id)
        at = stamp_ms(now())
        for address in dict.fromkeys(addresses):
            self._kept.append(Mail(address, meeting_id, f"Meeting: {name}", link, reason, at))

    def listed(self) -> list[dict[str, Any]]:
        return [asdict(mail) for mail in self._kept]
