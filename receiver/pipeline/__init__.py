"""One run of a recording's job: claim, refresh, transfer, prove, record."""

from __future__ import annotations

from receiver.pipeline.keys import KeyTemplate
from receiver.pipeline.parts import PipelineParts
from receiver.pipeline.run import Pipeline
from receiver.pipeline.strays import end_strays

__all__ = ["KeyTemplate", "Pipeline", "PipelineParts", "end_strays"]
