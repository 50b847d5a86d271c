"""The index: what operators read and change (`Catalogue`), what a run may write (`Runs`, fenced), and what a
reconciliation compares (`Known`) and notes of its progress (`Walks`), and what a clean-up may delete (`Cleanups`).
"""

from __future__ import annotations

from receiver.catalogue.cleanups import Cleanups
from receiver.catalogue.filters import SORTS, Bound, Filters
from receiver.catalogue.known import Known
from receiver.catalogue.reading import Catalogue
from receiver.catalogue.runs import Runs
from receiver.catalogue.walks import Walks

__all__ = ["SORTS", "Bound", "Catalogue", "Cleanups", "Filters", "Known", "Runs", "Walks"]
