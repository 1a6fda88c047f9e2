"""What an encoder takes, by the allocator of its worker: as it was before it opened against as it is while it runs.

Only where nothing else of the worker changed meanwhile, so that it cannot be somebody else's. malloc counts what is
mapped for pictures as well; what a driver takes is not in it, so software alone is noted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from steadycast.leases.encoder_memory import in_software
from steadycast.leases.memory_seen import MemorySeen
from steadycast.lobbies.views import Event
from steadycast.model import Codec
from steadycast.workers.worker import Worker

log = structlog.get_logger("memory")

OPENING, OPEN, ENDS = "rendition.OPENING", "rendition.OPEN", ("rendition.IDLE", "rendition.CLOSING")
SOFTWARE = "software"
AUDIO = "audio"  # too small to matter
LOBBIES = 1024
Kind = tuple[str, int, int, int]  # codec, width, height, references asked


@dataclass(frozen=True, slots=True)
class _Begun:
    worker: str
    track: str
    in_use: int
    kind: Kind | None = None  # known once it is open


class EncoderWatch:
    """`seen` gets what was found; `kind_of(lobby, track)` says what an open track is, None where nobody knows."""

    def __init__(self, seen: MemorySeen, kind_of: Callable[[str, str], Kind | None]) -> None:
        self._seen = seen
        self._kind_of = kind_of
        self._begun: dict[str, _Begun] = {}  # by lobby

    def hear(self, lobby: str, event: Event, worker: Worker) -> None:
        """An event of one of its renditions. Whatever another one does meanwhile spoils it."""
        track, in_use = event.data.get("track"), worker.allocated.get("in_use")
        if not isinstance(track, str) or track == AUDIO or event.name not in (OPENING, OPEN, *ENDS):
            return
        begun = self._begun.pop(lobby, None)
        if in_use is None:
            return
        if event.name == OPENING:
            if begun is None and len(self._begun) < LOBBIES:
                self._begun[lobby] = _Begun(worker.id, track, in_use)
        elif begun is None or begun.track != track or begun.worker != worker.id:
            return
        elif event.name == OPEN:
            kind = self._kind_of(lobby, track) if event.data.get("device") == SOFTWARE else None
            if kind is not None:  # what it was is soon forgotten when it ends
                self._begun[lobby] = replace(begun, kind=kind)
        elif begun.kind is not None:
            took, seen = in_use - begun.in_use, self._seen.count(begun.kind)
            log.debug("encoder memory", kind=begun.kind, took=took, seen=seen, foretold=_foretold(begun.kind))
            self._seen.note(begun.kind, took)

    def forget(self, lobby: str) -> None:
        """It is gone."""
        self._begun.pop(lobby, None)


def _foretold(kind: Kind) -> int:
    codec, width, height, references = kind
    return in_software(Codec(codec), width, height, references).total
