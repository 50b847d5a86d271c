"""The operators' JSON API, and the probes (`/healthz`, `/readyz`, `/metrics`) beside it."""

from __future__ import annotations

from receiver.api.openapi import document
from receiver.api.parts import ApiParts
from receiver.api.probes import ProbeParts
from receiver.api.probes import routes as probe_routes
from receiver.api.routes import routes

__all__ = ["ApiParts", "ProbeParts", "document", "probe_routes", "routes"]
