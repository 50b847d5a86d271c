"""The ways to people: e-mail by the standard library, all others by Apprise, an extra.

A channel is named by its place in `NOTIFY_URLS` and its scheme: in such a URL even the host can be a secret.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from receiver import logs, metrics
from receiver.errors import NotSentError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from receiver.notices.texts import Message

LONGEST_SEND = timedelta(seconds=50)
_log = logs.get("notices")


class MessageSender(Protocol):
    """Sends one message; blocks, and raises `NotSentError`."""

    def send(self, message: Message) -> None: ...


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to people, and its name."""

    name: str
    sender: MessageSender


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message on one channel; `error` is None where it was taken."""

    channel: str
    error: str | None


class Channels:
    """Every channel gets each message, at the same time; one that fails keeps none from the others."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = channels

    async def send(self, message: Message) -> list[Outcome]:
        """Send a message and tell what became of it on each channel; raises nothing of theirs."""
        outcomes = await asyncio.gather(*(_sent(channel, message) for channel in self._channels))
        for outcome in outcomes:
            if outcome.error is not None:
                metrics.notices_refused.inc()
                _log.error("notice_not_sent", channel=outcome.channel, error=outcome.error)
        return list(outcomes)


async def _sent(channel: Channel, message: Message) -> Outcome:
    try:
        async with asyncio.timeout(LONGEST_SEND.total_seconds()):
            await asyncio.to_thread(channel.sender.send, message)
    except NotSentError as e:
        return Outcome(channel.name, str(e))
    except TimeoutError:
        return Outcome(channel.name, f"took no message within {LONGEST_SEND.total_seconds():g} s")
    return Outcome(channel.name, None)


def open_channels(urls: Sequence[str]) -> Channels:
    """Make the channels of `NOTIFY_URLS`; nothing is sent. Raises `SettingsError`, naming the channel."""
    return Channels([_channel(number, url) for number, url in enumerate(urls, 1)])


def _channel(number: int, url: str) -> Channel:
    parts = urlsplit(url)
    if parts.scheme in {"smtp", "smtps"}:
        from receiver.notices.mail import MailServer  # noqa: PLC0415  (smtplib, for those alone who ask for it)

        return Channel(f"{number} ({parts.scheme} {parts.hostname})", MailServer.of(url))
    return Channel(name := f"{number} ({parts.scheme})", _AppriseSender(url, name))


class _AppriseSender:
    """One of Apprise's services. What it logs is dropped: its lines may hold the URL."""

    def __init__(self, url: str, name: str) -> None:
        if find_spec("apprise") is None:
            raise SettingsError(
                f"channel {name} of RECEIVER_NOTIFY_URLS needs Apprise, which is not installed",
                "install the extra: pip install '.[notify]' (or uv sync --extra notify); smtps:// needs none",
            )
        apprise: Any = import_module("apprise")  # 40 MB, for those alone who ask for it
        logging.getLogger("apprise").disabled = True
        asset = apprise.AppriseAsset(storage_mode=apprise.PersistentStoreMode.MEMORY)
        self._apprise: Any = apprise.Apprise(asset=asset)
        if not self._apprise.add(url):
            raise SettingsError(
                f"channel {name} of RECEIVER_NOTIFY_URLS is none that Apprise can use",
                "see its documentation for how that service's URL is written",
            )

    def send(self, message: Message) -> None:
        if not self._apprise.notify(title=message.title, body=message.body, body_format="text"):
            raise NotSentError("the service did not take it", "see whether its token is still valid")
