"""Speaks up: events for another program (`events`), and messages to people (`watch`, `texts`, `channels`, `mail`)."""

from __future__ import annotations

from receiver.notices.channels import Channel, Channels, Outcome, open_channels
from receiver.notices.events import EventDelivery, EventRefusedError, EventSender, EventTarget, open_sender
from receiver.notices.texts import Message, trial
from receiver.notices.watch import Watch, WatchPace, WatchParts

__all__ = [
    "Channel",
    "Channels",
    "EventDelivery",
    "EventRefusedError",
    "EventSender",
    "EventTarget",
    "Message",
    "Outcome",
    "Watch",
    "WatchPace",
    "WatchParts",
    "open_channels",
    "open_sender",
    "trial",
]
