"""The kinds of sources, one file each: what to build, and how each tells that it failed. All answer to one protocol."""

from __future__ import annotations

from steadycast.model import TestSource
from steadycast.pipelines.source_plan import SourceOrder
from steadycast.pipelines.sources.base import SourceParts
from steadycast.pipelines.sources.test import TestParts


def make_source(order: SourceOrder) -> SourceParts:
    """The parts of the kind of source that is ordered, nothing built yet."""
    source = order.source
    if isinstance(source, TestSource):
        return TestParts(source)
    raise NotImplementedError
