"""How far a recording's upload is, and how fast the run at work on it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """An upload as of the last part that the store confirmed.

    `bytes_done` counts the parts of every run; `sent_bytes` are those of the run at work, which it sent in the first
    `elapsed_s` seconds since it began to send. So what an earlier run sent does not make this one look fast.
    """

    bytes_done: int
    size_bytes: int
    sent_bytes: int = 0
    elapsed_s: float = 0.0
    read_back_bytes: int | None = None
    """How much of the stored object was read back to prove it; None before that, and where the store proves it."""

    @property
    def rate_bytes_s(self) -> float | None:
        """Return the run's average, or None before its first part."""
        return self.sent_bytes / self.elapsed_s if self.sent_bytes > 0 and self.elapsed_s > 0 else None

    @property
    def eta_s(self) -> float | None:
        """Return the seconds that the rest will take at that rate, counted from the last part."""
        rate = self.rate_bytes_s
        return None if rate is None else max(0, self.size_bytes - self.bytes_done) / rate
