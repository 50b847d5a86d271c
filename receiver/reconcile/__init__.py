"""What the webhook did not bring (P10): the API's listings compared with the catalogue, and what it lacks taken in."""

from __future__ import annotations

from receiver.reconcile.difference import GRACE
from receiver.reconcile.named import NamedMeetingsAsker
from receiver.reconcile.reconciler import Reconciler, Reconciliation

__all__ = ["GRACE", "NamedMeetingsAsker", "Reconciler", "Reconciliation"]
