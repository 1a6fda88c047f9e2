"""The kinds of sources, one file each: what to build, and how each tells that it failed. All answer to one protocol."""

from __future__ import annotations

from steadycast.model import DesktopSource, PushSource, RtspSource, TestSource
from steadycast.pipelines.source_plan import SourceOrder
from steadycast.pipelines.sources.base import SourceParts
from steadycast.pipelines.sources.desktop import DesktopParts
from steadycast.pipelines.sources.file import FileParts
from steadycast.pipelines.sources.push import PushParts
from steadycast.pipelines.sources.rtsp import RtspParts
from steadycast.pipelines.sources.test import TestParts


def make_source(order: SourceOrder) -> SourceParts:
    """The parts of the kind of source that is ordered, nothing built yet."""
    source = order.source
    match source:
        case TestSource():
            return TestParts(source)
        case DesktopSource():
            return DesktopParts(source, order.display, order.xauthority)
        case RtspSource():
            return RtspParts(source, order.timeout_s)
        case PushSource():
            return PushParts(source, order.push)
    return FileParts(source, order.began)
