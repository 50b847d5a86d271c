"""What is kept no longer than it must be: erasure, on request, whatever names what is to go."""

from __future__ import annotations

from receiver.retention.bodies import Redaction
from receiver.retention.erasure import Erasure, check_reason
from receiver.retention.persons import PersonErasure

__all__ = ["Erasure", "PersonErasure", "Redaction", "check_reason"]
