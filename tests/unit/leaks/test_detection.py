"""Looks in, findings out: opened, confirmed, worse, healed and closed, grouped, attributed, across restarts."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadycast.model.findings import ActionTaken, FindingChange, FindingState, ProbeOutcome, Shape
from steadycast.model.series import Bound, Measured, Resource
from steadycast.tracking.leaks.detection import Detection, DetectionPolicy
from steadycast.tracking.leaks.probing import ProbeStep
from tests.support.looks import ALL, IN_USE, PRIVATE, RETAINED, SOCKETS, THREADS, VRAM, Watched, first

OPENED, CONFIRMED = FindingChange.OPENED, FindingChange.CONFIRMED
MB = 1024.0**2


def test_lost_descriptors_are_named_with_when_it_ends() -> None:
    watched = Watched(minute=600.0, bounds=(Bound("RLIMIT_NOFILE", ALL, 1024, 30),))
    for n in range(12):
        watched.look({SOCKETS: 10 + 6 * n, ALL: 20 + 6 * n, THREADS: 4})
    assert watched.changes()[:2] == [OPENED, CONFIRMED]
    opened = first(watched.events, OPENED).finding
    assert opened.cycles is not None and opened.cycles <= 10
    found = watched.detection.findings()[0]
    assert found.measured == SOCKETS
    assert found.related == (ALL,)
    assert found.state is FindingState.CONFIRMED
    assert found.shape is Shape.CYCLE
    assert found.headline.startswith("ffmpeg (pid 4711) loses 6.0 descriptors (socket) each session, 66 so far; ")
    assert "the limit of 1,024 (RLIMIT_NOFILE) is met in about 28 hours" in found.headline
    assert found.exhaustion is not None
    assert found.exhaustion.at == pytest.approx(found.updated + found.exhaustion.seconds)
    assert found.sources[0].what == (
        "each session leaves 6.0 descriptors (socket): sockets are not closed: connections, "
        "or the buses of kept pipelines (two for each)"
    )


def test_what_grows_together_is_one_finding_and_names_its_source() -> None:
    nvidia, cuda = Measured(Resource.DESCRIPTORS, "/dev/nvidia0"), Measured(Resource.THREADS, "cuda-EvtHandlr")
    watched = Watched(kind="rendition")
    for n in range(12):
        watched.look({nvidia: 6 + 14 * n, cuda: 1 + n, VRAM: 500 * MB + 150 * MB * n, IN_USE: 8 * MB, THREADS: 9 + n})
    (found,) = watched.detection.findings()
    assert found.measured == nvidia
    assert set(found.related) == {cuda, VRAM, THREADS}
    best = found.sources[0]
    assert "each rendition leaves" in best.what
    assert "14.0 descriptors (/dev/nvidia0)" in best.what
    assert "1.0 threads (cuda-EvtHandlr)" in best.what
    assert "an encoder or CUDA context is not destroyed" in best.what
    assert sum(one.weight for one in found.sources) <= 1
    assert watched.changes().count(OPENED) == 1


def test_graphics_contexts_are_named_by_gpu_memory_alone() -> None:
    watched = Watched(kind="lobby")
    for n in range(6):
        watched.look({Measured(Resource.DESCRIPTORS, "/dev/nvidia0"): 31, VRAM: 200 * MB + 128 * MB * n})
    (found,) = watched.detection.findings()
    assert found.cycles is not None and found.measured == VRAM
    assert "loses 128.0 MiB of GPU memory (0) each lobby" in found.headline
    assert "EGL context" in found.sources[0].what


def test_signatures_and_receipts_are_evidence() -> None:
    watched = Watched()
    for n in range(8):
        watched.look({SOCKETS: 10 + n})
    watched.detection.note_signature(watched.role, "ice-timeout", "connections were given up and never closed")
    watched.detection.note_receipt(watched.role, ["2 sockets stayed of viewer ab12"])
    watched.look({SOCKETS: 18})
    (found,) = watched.detection.findings()
    assert found.signatures == ("ice-timeout",)
    assert any("given up" in one.what for one in found.sources)
    assert any("2 sockets stayed" in line for one in found.sources for line in one.evidence)


def test_a_suspect_wants_a_probe_and_ends_by_it() -> None:
    for confirmed, change in ((True, CONFIRMED), (False, FindingChange.CLOSED)):
        watched = Watched()
        for n in range(3):
            watched.look({SOCKETS: 10 + 14 * n})
        (wanted,) = watched.detection.probes_wanted()
        assert ProbeStep.CANARY in wanted.steps
        outcome = ProbeOutcome(1.0, 2.0, ("collected",), confirmed, "it stayed" if confirmed else "it was kept")
        (event,) = watched.detection.probed(wanted.finding, outcome)
        assert event.change is change
        assert event.finding.probe == outcome
        assert watched.detection.probes_wanted() == ()


def test_a_probe_that_cannot_decide_is_wanted_again_later() -> None:
    watched = Watched(minute=600.0)
    for n in range(7):
        watched.look({SOCKETS: 10 + n})
    (wanted,) = watched.detection.probes_wanted()
    assert watched.detection.probed(wanted.finding, ProbeOutcome(1.0, 2.0, (), None, "it did not answer")) == ()
    assert watched.detection.probes_wanted() == ()
    for _ in range(2):
        watched.look({SOCKETS: 16})
    assert [one.finding for one in watched.detection.probes_wanted()] == [wanted.finding]


def test_it_is_worse_when_it_doubled_and_heals_when_it_is_given_back() -> None:
    watched = Watched()
    for n in range(12):
        watched.look({SOCKETS: 10 + 6 * n})
    assert watched.changes() == [OPENED, CONFIRMED, FindingChange.WORSE]
    for _ in range(3):
        watched.look({SOCKETS: 10})
    assert watched.changes()[-1] is FindingChange.HEALED
    (found,) = watched.detection.findings()
    assert found.state is FindingState.HEALED
    assert found.why_closed


def test_a_pool_that_filled_up_is_closed() -> None:
    watched = Watched()
    for n in range(60):
        watched.look({SOCKETS: 10 + min(n, 6)})
    assert watched.changes() == [OPENED, FindingChange.CLOSED]


def test_what_may_be_a_pool_that_fills_is_confirmed_by_no_probe_but_by_many_pieces() -> None:
    watched = Watched(minute=10.0)
    for n in range(7):
        watched.look({SOCKETS: 10 + n})
    (wanted,) = watched.detection.probes_wanted()
    assert watched.detection.probed(wanted.finding, ProbeOutcome(1.0, 2.0, (), True, "2 stayed")) == ()
    for n in range(7, 140):
        watched.look({SOCKETS: 10 + n})
    assert watched.changes() == [OPENED, CONFIRMED]
    assert first(watched.events, CONFIRMED).finding.grown == 129


def test_it_is_confirmed_sooner_where_a_limit_comes_near() -> None:
    watched = Watched()
    for n in range(100):
        watched.bounds = (Bound("RLIMIT_NOFILE", SOCKETS, 256, 10.0 + n),)
        watched.look({SOCKETS: 10 + n})
    confirmed = first(watched.events, CONFIRMED).finding
    assert confirmed.measured == SOCKETS and confirmed.shape is Shape.CYCLE
    assert (confirmed.grown or 0) in range(10, 65)


def test_what_nobody_keeps_for_later_is_no_pool() -> None:
    watched = Watched()
    for n in range(12):
        watched.look({Measured(Resource.ZOMBIES): n})
    assert watched.changes()[:2] == [OPENED, CONFIRMED]


def test_a_restart_is_no_drop_and_what_comes_back_is_the_same_finding() -> None:
    watched = Watched()
    for n in range(12):
        watched.look({SOCKETS: 10 + n})
    assert watched.detection.acted(watched.detection.findings()[0].id, ActionTaken(1.0, "recycle", "done"))
    watched.restart("4712:900")
    for n in range(12):
        watched.look({SOCKETS: 10 + n})
    (found,) = watched.detection.findings()
    assert found.actions[0].effect == "it came back in the next life"
    assert watched.changes().count(OPENED) == 1
    assert found.owner.pid == 4712
    assert any("came back after each restart" in line for line in found.evidence)


def test_what_does_not_come_back_after_a_restart_has_healed() -> None:
    watched = Watched()
    for n in range(12):
        watched.look({SOCKETS: 10 + 6 * n})
    assert watched.detection.acted(watched.detection.findings()[0].id, ActionTaken(1.0, "recycle", "done"))
    watched.restart("4712:900")
    for _ in range(30):
        watched.look({SOCKETS: 10})
    (found,) = watched.detection.findings()
    assert found.state is FindingState.HEALED
    assert found.actions[0].what == "recycle"
    assert found.actions[0].effect == found.why_closed
    assert "started again" in (found.why_closed or "")


def test_a_suspect_that_comes_back_in_the_next_life_is_confirmed() -> None:
    watched = Watched()
    for n in range(7):
        watched.look({SOCKETS: 10 + n})
    assert watched.changes() == [OPENED]
    watched.restart("4712:900")
    for n in range(7):
        watched.look({SOCKETS: 10 + n})
    assert watched.changes() == [OPENED, CONFIRMED]


def test_a_late_look_of_an_earlier_life_is_none() -> None:
    watched = Watched()
    watched.look({SOCKETS: 10})
    watched.restart("4712:900")
    watched.look({SOCKETS: 10})
    watched.epoch = "4711:100"
    watched.look({SOCKETS: 500})
    assert watched.detection.statistics().lives == 1


def test_what_the_allocator_keeps_is_noted_and_never_pages() -> None:
    watched = Watched()
    for n in range(400):
        kept = min(n, 250) * 1.0 * MB
        watched.look({IN_USE: 40 * MB, RETAINED: 10 * MB + kept, PRIVATE: 60 * MB + kept})
    found = watched.detection.findings()
    assert {one.shape for one in found} == {Shape.RATCHET}
    assert {one.state for one in found} == {FindingState.CLOSED}  # a suspect is decided within the hour
    assert all("retention, not a loss" in str(one.why_closed) for one in found)
    assert len(found) == 2  # it is told again when it has doubled
    assert "none is lost" in found[0].headline
    assert watched.detection.probes_wanted() == ()


@pytest.mark.parametrize(("full", "confirmed"), [(400, True), (80, False)], ids=["lost", "a cache of 16 MB"])
def test_memory_seen_from_outside_is_confirmed_by_going_on_for_twice_as_many_cycles(full: int, confirmed: bool) -> None:
    rolls, watched = random.Random(5), Watched(minute=1200.0, detection=Detection(trends=lambda _: None))
    for n in range(400):
        watched.look({PRIVATE: 300 * MB + 0.2 * MB * min(n, full) + rolls.gauss(0, 0.3 * MB)})
    opened = first(watched.events, OPENED).finding
    assert opened.cycles is not None and opened.cycles <= 80
    assert (CONFIRMED in watched.changes()) is confirmed
    assert not confirmed or (first(watched.events, CONFIRMED).finding.grown or 0) < 100 * MB  # not by its size


def test_two_kinds_of_cycles_are_two_findings() -> None:
    rolls, watched, viewers, lobbies = random.Random(3), Watched(), 0, 0
    for _ in range(60):
        viewers += rolls.randint(0, 3)
        lobbies += rolls.random() < 0.4
        watched.look({SOCKETS: 10 + viewers, THREADS: 5 + lobbies}, {"viewer": viewers, "lobby": lobbies})
    cycles = {(one.measured, one.cycle) for one in watched.detection.findings()}
    assert cycles == {(SOCKETS, "viewer"), (THREADS, "lobby")}


def test_a_limit_that_comes_near_pages_without_a_known_leak() -> None:
    watched = Watched(minute=60.0)
    for n in range(120):
        used = 400 + 4.0 * n
        watched.bounds = (Bound("VRAM of GPU 0", VRAM, 1000, used),)
        watched.look({}, {})
    event = first(watched.events, CONFIRMED)
    assert event.finding.shape is Shape.EXHAUSTION
    assert event.finding.exhaustion is not None
    assert event.finding.exhaustion.seconds < 86400


@pytest.mark.parametrize("level", [300, 700, 930])
def test_a_level_that_only_breathes_never_pages(level: int) -> None:
    rolls, watched = random.Random(level), Watched(minute=60.0)
    for _ in range(600):
        watched.bounds = (Bound("VRAM of GPU 0", VRAM, 1000, level + rolls.uniform(-20, 20)),)
        watched.look({}, {})
    assert CONFIRMED not in watched.changes()


def test_files_of_nobody_are_told_after_a_while() -> None:
    watched = Watched(minute=60.0)
    files = Measured(Resource.FILES, "/tmp/.X11-unix")
    for _ in range(20):
        watched.look({files: 2}, {})
    assert watched.changes() == [OPENED, CONFIRMED]
    assert watched.detection.findings()[0].shape is Shape.FOREIGN
    watched.look({files: 0}, {})
    assert watched.changes()[-1] is FindingChange.HEALED


def test_it_goes_on_from_what_was_saved() -> None:
    straight, watched = Watched(), Watched()
    for n in range(7):
        straight.look({SOCKETS: 10 + n, IN_USE: 8 * MB})
        watched.look({SOCKETS: 10 + n, IN_USE: 8 * MB})
    saved = json.loads(json.dumps(watched.detection.saved()))
    watched.detection = Detection()
    watched.detection.restore(saved)
    for n in range(7, 14):
        straight.look({SOCKETS: 10 + n, IN_USE: 8 * MB})
        watched.look({SOCKETS: 10 + n, IN_USE: 8 * MB})
    assert watched.changes() == straight.changes()
    assert watched.detection.findings() == straight.detection.findings()


def test_what_was_saved_by_another_version_is_left_alone() -> None:
    detection = Detection()
    detection.restore({"version": 99})
    assert detection.findings() == ()


def test_series_and_lives_are_bounded_and_what_is_left_out_is_counted() -> None:
    detection = Detection(DetectionPolicy(lives=3, series=10))
    for n in range(8):
        watched = Watched(detection, role=f"server/{n}", monotonic=float(n))
        watched.look({Measured(Resource.THREADS, str(one)): 1 for one in range(6)})
    told = detection.statistics()
    assert told.lives == 3
    assert told.series <= 10
    assert told.refused_series > 0
    assert told.dropped_lives == 5


def test_forgotten_owners_end_their_findings() -> None:
    watched = Watched()
    for n in range(12):
        watched.look({SOCKETS: 10 + 6 * n})
    (event,) = watched.detection.forget(watched.role)
    assert event.change is FindingChange.HEALED
    assert watched.detection.statistics().series == 0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-86400, 86400), min_size=30, max_size=60))
def test_clocks_that_jump_change_nothing_but_times_told(jumps: list[float]) -> None:
    calm, jumping = Watched(), Watched()
    for n, jump in enumerate(jumps):
        values = {SOCKETS: 10.0 + n}
        calm.look(values)
        jumping.jump = jump
        jumping.look(values)
    assert calm.changes() == jumping.changes()


def test_what_the_first_quiet_look_does_not_show_is_read_at_the_next() -> None:
    watched = Watched()
    for n in range(12):
        watched.look({ALL: 20 + 6 * n} if n else {ALL: 20, SOCKETS: 10}, {"session": n + 1})
        watched.look({SOCKETS: 10 + 6 * n}, {"session": n + 1})
    assert watched.changes()[:2] == [OPENED, CONFIRMED]
    assert watched.detection.findings()[0].measured == SOCKETS


def test_a_kind_that_is_no_more_is_none_lost() -> None:
    watched = Watched()
    pipes = Measured(Resource.DESCRIPTORS, "pipe")
    for n in range(12):
        watched.look({SOCKETS: 10 + 6 * n, pipes: 4})
    for _ in range(3):
        watched.look({pipes: 4})
    assert watched.changes()[-1] is FindingChange.HEALED


def test_a_detail_that_was_not_read_is_unknown_and_not_0() -> None:
    watched = Watched()
    for n in range(12):
        watched.look({SOCKETS: 10 + 12 * n, ALL: 20 + 12 * n})
        watched.look({ALL: 20 + 12 * n})
    assert watched.changes()[:2] == [OPENED, CONFIRMED]


def test_names_that_come_and_go_do_not_fill_up_the_room() -> None:
    watched = Watched()
    for n in range(1000):
        watched.look({Measured(Resource.THREADS, f"job-{n}"): 1, SOCKETS: 10})
    assert watched.detection.statistics().series <= 257
    assert watched.detection.statistics().refused_series == 0


def test_what_is_no_number_is_left_out() -> None:
    watched = Watched()
    for n in range(12):
        watched.look({SOCKETS: float("nan") if n == 4 else 10 + n, IN_USE: float("inf")})
    assert watched.changes()[0] is OPENED


def test_a_limit_of_the_host_is_told_once() -> None:
    detection = Detection()
    some = [Watched(detection, role=f"worker:{n}", monotonic=float(n)) for n in range(3)]
    for n in range(120):
        for watched in some:
            watched.bounds = (Bound("RAM", PRIVATE, 1000, 400 + 4.0 * n),)
            watched.look({}, {})
    assert len(detection.findings()) == 1


def test_counters_that_begin_anew_are_no_reason_to_be_deaf() -> None:
    watched = Watched()
    for n in range(30):
        watched.look({SOCKETS: 10, IN_USE: 8 * MB}, {"session": n + 1})
    for n in range(30):
        watched.look({SOCKETS: 10 + 6 * n, IN_USE: 8 * MB}, {"session": n + 1})
    assert CONFIRMED in watched.changes()


def test_what_a_probe_has_cleared_is_not_told_again_until_it_is_as_much_again() -> None:
    watched = Watched()
    for n in range(4):
        watched.look({SOCKETS: 10 + 6 * n})
    (wanted,) = watched.detection.probes_wanted()
    watched.detection.probed(wanted.finding, ProbeOutcome(1.0, 2.0, (), False, "a pool"))
    for n in range(4, 6):
        watched.look({SOCKETS: 10 + 6 * n})
    assert watched.changes() == [OPENED]
    for n in range(6, 12):
        watched.look({SOCKETS: 10 + 6 * n})
    assert watched.changes() == [OPENED, OPENED, CONFIRMED]


def test_a_finding_that_gets_a_better_name_is_judged_by_what_it_is_now() -> None:
    watched = Watched()
    for n in range(100):
        late = max(0, n - 60)
        watched.look({IN_USE: 8 * MB + 100_000 * n, SOCKETS: 10 + (1 if late > 20 else 0)})
    assert watched.changes()[:2] == [OPENED, CONFIRMED]
    assert watched.detection.findings()[0].measured == IN_USE
