"""The index: what operators read and change (`Catalogue`), and what a run may write (`Runs`, fenced)."""

from __future__ import annotations

from receiver.catalogue.filters import SORTS, Bound, Filters
from receiver.catalogue.reading import Catalogue
from receiver.catalogue.runs import Runs

__all__ = ["SORTS", "Bound", "Catalogue", "Filters", "Runs"]
