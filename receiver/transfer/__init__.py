"""Copies one file from its download URL into the bucket, reading it once, and proves the copy."""

from receiver.transfer.copier import Copier, open_copier
from receiver.transfer.limits import MIN_RATE_BYTES_S, Limits
from receiver.transfer.policy import DownloadPolicy, origin_of
from receiver.transfer.ports import Ledger, Target
from receiver.transfer.proving import read_back
from receiver.transfer.source import Refresh

__all__ = [
    "MIN_RATE_BYTES_S",
    "Copier",
    "DownloadPolicy",
    "Ledger",
    "Limits",
    "Refresh",
    "Target",
    "open_copier",
    "origin_of",
    "read_back",
]
