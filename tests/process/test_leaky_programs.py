"""Real programs that lose one thing a cycle are named within the stated number of cycles, seen from outside; without
the loss the same programs are quiet over 500 cycles."""

from __future__ import annotations

import pytest

from steadycast.model.findings import FindingChange
from steadycast.model.series import Measured, Resource
from tests.support.leaky.driven import Absent, Leaky, watch

pytestmark = pytest.mark.process
QUIET = 500


def named(kind: str, cycles: int, *options: str) -> tuple[int, Measured, str]:
    """At which cycle, what, and the line for a person."""
    with Leaky(kind, "--lose", *options) as program:
        events, _ = watch(program, cycles, (FindingChange.OPENED,))
    assert events, f"{kind} is not named within {cycles} cycles"
    at, event = events[-1]
    return at, event.finding.measured, event.finding.headline


@pytest.mark.parametrize(
    ("kind", "within", "measured", "line"),
    [
        ("socket", 10, Measured(Resource.DESCRIPTORS, "socket"), "loses 1.0 descriptors (socket) each session"),
        ("thread", 10, Measured(Resource.THREADS, "session-worker"), "loses 1.0 threads (session-worker) each session"),
        ("zombie", 10, Measured(Resource.ZOMBIES), "loses 1.0 zombie processes each session"),
        ("malloc", 30, Measured(Resource.IN_USE), "of memory in use each session"),
    ],
)
def test_it_is_named_within_so_many_cycles(kind: str, within: int, measured: Measured, line: str) -> None:
    at, found, headline = named(kind, within)
    assert at <= within
    assert found == measured
    assert line in headline


def test_a_descriptor_lost_every_tenth_cycle_is_named_with_the_fourth_that_is_lost() -> None:
    at, found, _ = named("descriptor", 45, "--every", "10")
    assert at <= 41
    assert found.resource is Resource.DESCRIPTORS


def test_a_pipeline_that_is_never_set_to_null_is_named_within_five() -> None:
    try:
        at, found, _ = named("pipeline", 5)
    except Absent as absent:
        pytest.skip(str(absent))
    assert at <= 5
    assert found.resource is Resource.DESCRIPTORS


@pytest.mark.parametrize("kind", ["thread", "pool"])
def test_the_same_program_without_a_loss_is_quiet(kind: str) -> None:
    with Leaky(kind) as program:
        events, _ = watch(program, QUIET)
    assert not events


def test_a_program_says_what_its_machine_has_not() -> None:
    with pytest.raises(Absent) as found, Leaky("dmabuf") as program:
        program.cycle()
        raise Absent("there are dma-bufs here")
    assert "dma" in str(found.value)
