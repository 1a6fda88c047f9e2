"""What encoders really took corrects what is foretold of the next."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from steadycast.leases.memory_seen import ENOUGH, KINDS, MemorySeen
from steadycast.lobbies.encoder_watch import EncoderWatch, Kind
from steadycast.lobbies.views import Event

MB = 1 << 20
KIND: Kind = ("h264", 1280, 720, 1)


class Watched:
    def __init__(self) -> None:
        self.seen = MemorySeen()
        self.watch = EncoderWatch(self.seen, lambda lobby, track: KIND if track == "main" else None)
        self.worker: Any = SimpleNamespace(id="w1", allocated={"in_use": 30 * MB})

    def says(self, state: str, in_use: int | None = None, track: str = "main", device: str = "software") -> None:
        if in_use is not None:
            self.worker.allocated = {"in_use": in_use}
        event = Event(1, 0.0, "rendition", f"rendition.{state}", "l1", data={"track": track, "device": device})
        self.watch.hear("l1", event, self.worker)

    def round(self, took: int) -> None:
        self.says("OPENING", 30 * MB)
        self.says("OPEN")
        self.says("IDLE", 30 * MB + took)


def test_it_is_believed_when_enough_were_seen() -> None:
    watched = Watched()
    for number in range(ENOUGH):
        assert watched.seen.of(KIND) is None
        watched.round((20 + number) * MB)
    assert watched.seen.of(KIND) == pytest.approx(21 * MB * 1.1, abs=1)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: one.says("OPENING", track="other"),
        lambda one: one.says("CLOSING", track="other"),
        lambda one: setattr(one.worker, "id", "w2"),
    ],
)
def test_what_changes_meanwhile_spoils_it(spoil: Any) -> None:
    watched = Watched()
    watched.says("OPENING", 30 * MB)
    watched.says("OPEN")
    spoil(watched)
    watched.says("IDLE", 99 * MB)
    assert watched.seen.count(KIND) == 0


def test_where_the_allocator_tells_nothing_nothing_is_noted() -> None:
    watched = Watched()
    watched.says("OPENING", 30 * MB)
    watched.worker.allocated = {}
    watched.says("OPEN")
    watched.says("IDLE", 99 * MB)
    assert watched.seen.count(KIND) == 0


def test_sound_spoils_nothing_and_hardware_is_not_noted() -> None:
    watched = Watched()
    watched.says("OPENING", 30 * MB)
    watched.says("OPENING", track="audio")
    watched.says("OPEN")
    watched.says("CLOSING", 50 * MB)
    assert watched.seen.count(KIND) == 1
    watched.says("OPENING", 30 * MB)
    watched.says("OPEN", device="nvidia:0")
    watched.says("IDLE", 90 * MB)
    assert watched.seen.count(KIND) == 1


def test_it_is_bounded() -> None:
    seen = MemorySeen()
    for number in range(1000):
        for _ in range(ENOUGH):
            seen.note(("h264", number), number)
    assert seen.of(("h264", 999)) == round(999 * 1.1)
    assert seen.of(("h264", 999 - KINDS)) is None
    seen.note("nothing", 0)
    seen.note("nothing", -5)
    assert seen.count("nothing") == 0
