"""A branch: a bin that hangs on a tee of a playing pipeline, opened and closed without stopping anything else."""

from __future__ import annotations

from typing import Any

from steadycast.pipelines.build import ghost, link_pads, put
from steadycast.pipelines.debug_log import BRANCH
from steadycast.pipelines.gst import Gst
from steadycast.pipelines.parts import Chain
from steadycast.pipelines.teardown import to_null, unlink_from_tee

IDLE_S = 2.0  # until the tee's pad is between two buffers
NULL_S = 3.0  # until the branch's own threads ended


class Branch:
    """The elements of a chain behind a tee. With `tail` the last of them feeds that pad of the pipeline."""

    def __init__(self, pipeline: Any, tee: Any, name: str, chain: Chain, tail: Any = None) -> None:
        self.name = name
        self._pipeline = pipeline
        self._tee = tee
        self._tail = tail
        self._pad: Any = None
        self._closed = False
        self.bin = Gst.Bin.new(f"{BRANCH}{name}")  # a rendition may have any name
        elements = put(chain, self.bin)
        ghost("sink", elements[0].get_static_pad("sink"), self.bin)
        if tail is not None:
            ghost("src", elements[-1].get_static_pad("src"), self.bin)

    def element(self, name: str) -> Any:
        """The element of this name in the plan."""
        return self.bin.get_by_name(name)

    def open(self) -> bool:
        """Start, then take data. May be called from a streaming thread of what is before the tee. False where an
        element refuses, and then says so on the bus."""
        if not self.start():
            return False
        self.link()
        return True

    def start(self) -> bool:
        self._pipeline.add(self.bin)
        if self._tail is not None:
            link_pads(self.bin.get_static_pad("src"), self._tail)
        return bool(self.bin.sync_state_with_parent())

    def link(self) -> None:
        self._pad = self._tee.request_pad_simple("src_%u")
        link_pads(self._pad, self.bin.get_static_pad("sink"))

    @property
    def fed(self) -> bool:
        """Whether it takes data."""
        return self._pad is not None

    async def rest(self) -> None:
        """Take nothing more, until `link`. Raises DeadlineError; then the process must end."""
        pad, self._pad = self._pad, None
        if pad is not None:
            await unlink_from_tee(self._tee, pad, IDLE_S)

    async def close(self) -> None:
        """Let go of the tee, end the elements and forget them. Raises DeadlineError; then the process must end."""
        if self._closed:
            return
        self._closed = True
        await self.rest()
        await to_null(self.bin, NULL_S)
        if self.bin.get_parent() is None:
            return
        if self._tail is not None:
            self.bin.get_static_pad("src").unlink(self._tail)
        self._pipeline.remove(self.bin)
