"""Reading archived objects again: are they what was archived? What is not is told, and repaired where it can be."""

from __future__ import annotations

from receiver.fixity.audit import Audit
from receiver.fixity.due import DueReadings
from receiver.fixity.pace import ReadingRate
from receiver.fixity.reading import ObjectReader
from receiver.fixity.reindex import Reindex
from receiver.fixity.repair import Repair
from receiver.fixity.walk import AuditWalk

__all__ = ["Audit", "AuditWalk", "DueReadings", "ObjectReader", "ReadingRate", "Reindex", "Repair"]
