"""The operators' page: recordings and deliveries as HTML, for people who signed in with an ops token."""

from __future__ import annotations

from receiver.page.parts import PageParts
from receiver.page.routes import routes

__all__ = ["PageParts", "routes"]
