"""Structured logs on stderr: past-tense events with the same keys everywhere, and no secret in any of them."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from receiver.absent import absent

with absent("rich"):  # for tracebacks in colour: 4 MB and a tenth of a second of each start
    import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, MutableMapping

# Query parameters and headers that are credentials (vendor-facts "Download URLs"; AWS SigV2 and SigV4 query forms).
_PARAMETER = re.compile(
    r"(?i)\b(signature|awsaccesskeyid|x-amz-[a-z0-9-]+|cb-token|cb-administration-api-key|authorization|password|token)"
    r"(\s*[=:]\s*|%3d)(\"[^\"]*\"|(?:(?:basic|bearer)\s+)?[^\s&\"',;)}]+)"
)
_SECRET_PATH = re.compile(r"(/webhooks/recording-done/)[^\s/?\"']+")
_MASK = "[redacted]"
_LEAST_CHARS = 8
"""A shorter secret is not blanked: it stands in other words too, and the gaps that it left would spell it."""
_OURS = frozenset({"event", "level", "at", "part", "method", "route"})
"""Keys of an event whose values are this service's own words."""
_PLAIN = frozenset({int, float, bool, type(None)})


class Redactor:
    """Blanks credentials in text: known secret values wherever they stand, and credential-named parameters.

    It may run again over what it has blanked: that stays as it is.
    """

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()
        self._shortest = 0

    def remember(self, secrets: Iterable[str]) -> None:
        """Blank these exact values from now on, besides the ones remembered before; short ones are left alone."""
        self._secrets = tuple({*self._secrets, *(s for s in secrets if len(s) >= _LEAST_CHARS)})
        self._shortest = min(map(len, self._secrets), default=0)

    def __call__(self, text: str) -> str:
        if len(text) >= self._shortest and any(secret in text for secret in self._secrets):
            text = _MASK.join(map(self._blanked, text.split(_MASK)))
        if "/" in text:
            text = _SECRET_PATH.sub(rf"\1{_MASK}", text)
        if "=" in text or ":" in text or "%3" in text:
            text = _PARAMETER.sub(rf"\1\2{_MASK}", text)
        return text

    def _blanked(self, text: str) -> str:
        """Blank every place of a secret; where several overlap, all that any of them covers, once."""
        kept, end = [], 0
        for first, after in sorted(place for secret in self._secrets for place in _places(secret, text)):
            if first >= end:
                kept += [text[end:first], _MASK]
            end = max(end, after)
        return "".join([*kept, text[end:]])

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {k: self._value(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._value(v) for v in value]
        return value if type(value) in _PLAIN else self(str(value))

    def processor(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Run as structlog's last step before rendering, so that tracebacks are covered too."""
        for key, value in event.items():
            if type(value) not in _PLAIN and key not in _OURS:
                event[key] = self._value(value)
        return event

    def foreign(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Run in front of `processor` for the standard library's logging, where an event's name is any text."""
        event["event"] = self._value(event["event"])
        return event


def _places(secret: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield where the secret begins and ends in the text, overlapping places too."""
    first = text.find(secret)
    while first >= 0:
        yield first, first + len(secret)
        first = text.find(secret, first + 1)


redact = Redactor()
"""The process's one redactor: `app` tells it the configured secrets, every log line and stored message passes it."""


def configure(*, level: int = logging.INFO, pretty: bool | None = None) -> None:
    """Send structlog and the standard library's logging to stderr: `pretty` as text, or as JSON lines.

    None is text on a terminal.
    """
    pretty = sys.stderr.isatty() if pretty is None else pretty
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        redact.processor,
    ]
    renderer: Any = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared[:-1], structlog.stdlib.add_logger_name, redact.foreign],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact.processor, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))  # libraries speak up only when something is wrong
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # `problems` has logged what it would log again


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Add these fields to every event logged inside the block, whatever part logs it."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def get(part: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a part of the service."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=part)
    return logger
