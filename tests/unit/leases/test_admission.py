"""Admission for any request and any snapshot: it always answers, what it says is true, and the policy is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadycast.leases.admission import admit
from steadycast.leases.cost import assumed_cpu, bar1_bytes, cpu_pixels
from steadycast.leases.decisions import (
    Denial,
    Deny,
    DeviceFacts,
    EncodeRequest,
    Fallback,
    Grant,
    Queue,
    Snapshot,
)
from steadycast.leases.encoder_memory import in_hardware, in_software
from steadycast.model import Codec, HardwareUse, WhenFull
from tests.support.decision_check import check_decision

H264 = frozenset({Codec.H264})
PIXELS = 1280 * 720 * 30.0


def gpu(name: str, **facts: object) -> DeviceFacts:
    known: dict[str, object] = {
        "name": f"GPU {name}",
        "hardware": True,
        "pool": name,
        "codecs": H264,
        "sessions_free": 1,
    }
    return DeviceFacts(name, **{**known, **facts})  # type: ignore[arg-type]


def house(*devices: DeviceFacts, **facts: object) -> Snapshot:
    known: dict[str, object] = {"cpu_free": 1e9, "cpu_total": 1e9, "cpu_factors": {}, "software_codecs": H264}
    return Snapshot(devices, **{**known, **facts})  # type: ignore[arg-type]


def ask(**facts: object) -> EncodeRequest:
    return replace(EncodeRequest("lobby/720p", Codec.H264, 1280, 720, 30, 0.0), **facts)  # type: ignore[arg-type]


FULL = gpu("a", sessions_free=0, sessions_limit=3)
REQUIRE = {"hardware": HardwareUse.REQUIRE}


def test_what_software_is_not_known_to_do_is_said_with_the_reason() -> None:
    cpu = gpu("software", hardware=False, doubts={Codec.AV1: "its trial runs"})
    unknown = admit(ask(codec=Codec.AV1), house(cpu), 0)
    assert isinstance(unknown, Deny) and unknown.code is Denial.NO_ENCODER
    assert (
        unknown.why is not None and "No software encoder for av1 is known to work here: its trial runs." in unknown.why
    )


def test_the_least_loaded_for_its_weight_gets_it_and_ties_go_by_id() -> None:
    devices = [gpu("c", load=PIXELS), gpu("b"), gpu("a")]
    grant = admit(ask(), house(*devices), 0)
    assert isinstance(grant, Grant) and grant.device == "a" and grant.gives_up == ()
    assert [(step.option, step.code) for step in grant.trail] == [("a", "ok"), ("b", "ok"), ("c", "ok")]
    heavy = admit(ask(), house(gpu("a", load=PIXELS), gpu("b", load=4 * PIXELS, weight=4.0)), 0)
    assert isinstance(heavy, Grant) and heavy.device == "b"


def test_what_a_grant_takes() -> None:
    grant = admit(ask(), house(gpu("a", pool="geforce")), 0)
    assert isinstance(grant, Grant)
    vram = in_hardware(Codec.H264, 1280, 720).total
    assert grant.takes == {"sessions:geforce": 1, "vram:a": vram, "bar1:a": bar1_bytes()}


def test_a_full_pool_falls_back_with_the_reason() -> None:
    answer = admit(ask(), house(FULL), 0)
    assert isinstance(answer, Fallback) and answer.device == "software"
    assert answer.code is Denial.ENCODER_SESSIONS and "all 3 encoder sessions" in answer.why
    assert answer.takes == {"cpu": PIXELS}


@pytest.mark.parametrize(
    ("when_full", "kind"), [(WhenFull.FALLBACK, Fallback), (WhenFull.QUEUE, Queue), (WhenFull.REFUSE, Deny)]
)
def test_the_policy_says_what_happens_when_full(when_full: WhenFull, kind: type) -> None:
    assert isinstance(admit(ask(when_full=when_full), house(FULL), 0), kind)
    # Where there is nothing to wait for, a lobby that only prefers hardware plays in software all the same.
    assert isinstance(admit(ask(when_full=when_full), house(), 0), Fallback)
    assert isinstance(admit(ask(when_full=when_full), house(gpu("a", codecs=frozenset())), 0), Fallback)
    denied = admit(ask(when_full=when_full, **REQUIRE), house(), 0)
    assert isinstance(denied, Deny) and (denied.code, denied.retry_after) == (Denial.NO_ENCODER, None)


def test_fallback_without_cpu_waits_where_a_slot_could_come() -> None:
    busy = {"cpu_free": 1e6}
    waits = admit(ask(), house(FULL, ahead=4, **busy), 0)
    assert isinstance(waits, Queue) and (waits.ahead, waits.code) == (4, Denial.ENCODER_SESSIONS)
    assert [step.code for step in waits.trail] == ["encoder_sessions", "cpu_budget", "ok"]
    denied = admit(ask(), house(**busy), 0)
    assert isinstance(denied, Deny) and (denied.code, denied.retry_after) == (Denial.CPU_BUDGET, 5.0)
    full = admit(ask(), house(FULL, line_full=True, **busy), 0)
    assert isinstance(full, Deny) and full.code is Denial.QUEUE_FULL


def test_a_picture_above_the_whole_budget_is_told_so() -> None:
    request = ask(hardware=HardwareUse.FORBID, width=7680, height=4320)
    denied = admit(request, house(gpu("a"), cpu_total=5e8, cpu_free=5e8), 0)
    assert isinstance(denied, Deny) and (denied.code, denied.retry_after) == (Denial.CPU_BUDGET, None)
    assert "7680x4320" in denied.why and "smaller" in denied.hint
    later = admit(ask(hardware=HardwareUse.FORBID), house(cpu_free=1e6), 0)
    assert isinstance(later, Deny) and later.retry_after == 5.0


def test_pinned() -> None:
    two = house(gpu("a", load=9e9), gpu("b"))
    grant = admit(ask(device="a"), two, 0)
    assert isinstance(grant, Grant) and grant.device == "a" and len(grant.trail) == 1
    unknown = admit(ask(device="c"), two, 0)
    assert isinstance(unknown, Deny) and unknown.code is Denial.NO_ENCODER
    assert "'c'" in unknown.why and "a, b" in unknown.hint and unknown.retry_after is None
    full = admit(ask(device="a", **REQUIRE), house(FULL, gpu("b")), 0)
    assert isinstance(full, Queue)


def test_pinned_to_software() -> None:
    software = DeviceFacts("software", "CPU", False, "software", H264)
    grant = admit(ask(device="software"), house(gpu("a"), software), 0)
    assert isinstance(grant, Grant) and grant.device == "software" and "cpu" in grant.takes
    assert isinstance(admit(ask(device="software", **REQUIRE), house(software), 0), Deny)


def test_a_newcomer_does_not_pass_the_line() -> None:
    assert isinstance(admit(ask(**REQUIRE), house(gpu("a", sessions_free=2), ahead=2), 0), Queue)
    assert isinstance(admit(ask(**REQUIRE), house(gpu("a", sessions_free=3), ahead=2), 0), Grant)
    elsewhere = house(gpu("a"), ahead=2, ahead_in={"a": 0})
    assert isinstance(admit(ask(**REQUIRE), elsewhere, 0), Grant)


def test_parked_encoders_are_given_up_before_anybody_waits() -> None:
    shared = [gpu(name, pool="geforce", sessions_free=0) for name in "ab"]
    grant = admit(ask(), house(*shared, parked={"b": 1}), 0)
    assert isinstance(grant, Grant) and (grant.device, grant.gives_up) == ("a", ("b",))
    free = admit(ask(), house(gpu("a"), parked={"a": 1}), 0)
    assert isinstance(free, Grant) and free.gives_up == ()
    memory = admit(ask(), house(gpu("a", vram_free=0), parked={"a": 2}), 0)
    assert isinstance(memory, Grant) and memory.gives_up == ("a",)


def test_memory() -> None:
    needs = in_hardware(Codec.H264, 1280, 720).total
    for short in (gpu("a", vram_free=needs - 1), gpu("a", vram_free=needs, bar1_free=bar1_bytes() - 1)):
        denied = admit(ask(when_full=WhenFull.REFUSE), house(short), 0)
        assert isinstance(denied, Deny) and denied.code is Denial.VRAM
    assert isinstance(admit(ask(), house(gpu("a", vram_free=needs, bar1_free=bar1_bytes())), 0), Grant)


def test_quarantined_devices_get_no_work() -> None:
    sick = gpu("a", quarantined="3 failures in 60 s")
    denied = admit(ask(when_full=WhenFull.REFUSE, **REQUIRE), house(sick), 0)
    assert isinstance(denied, Deny) and denied.code is Denial.GPU_QUARANTINED and "3 failures" in denied.why
    grant = admit(ask(), house(sick, gpu("b")), 0)
    assert isinstance(grant, Grant) and grant.device == "b"


def test_a_device_that_refused_is_not_asked_again() -> None:
    refused = {"refused": frozenset({"a"})}
    grant = admit(ask(**refused), house(gpu("a"), gpu("b", load=9e9)), 0)
    assert isinstance(grant, Grant) and grant.device == "b"
    fallback = admit(ask(**refused), house(gpu("a")), 0)
    assert isinstance(fallback, Fallback) and fallback.code is Denial.DRIVER_REFUSED
    learned = admit(ask(**refused), house(FULL), 0)
    assert isinstance(learned, Fallback) and learned.code is Denial.ENCODER_SESSIONS


def test_descriptors() -> None:
    few = admit(ask(descriptors_free=70), house(gpu("a")), 0)
    assert isinstance(few, Fallback) and few.code is Denial.DESCRIPTORS  # software needs fewer
    none = admit(ask(descriptors_free=64), house(gpu("a")), 0)
    assert isinstance(none, Deny) and none.code is Denial.DESCRIPTORS
    queue = admit(ask(descriptors_free=64, when_full=WhenFull.QUEUE, **REQUIRE), house(gpu("a")), 0)
    assert isinstance(queue, Deny)  # a session that comes back brings no descriptors


def test_a_gpu_without_an_encoder_says_so() -> None:
    h200 = gpu("a", codecs=frozenset(), none_because="NVIDIA H200 has no NVENC")
    denied = admit(ask(**REQUIRE), house(h200), 0)
    assert isinstance(denied, Deny) and "no NVENC" in denied.why


def test_a_cap_of_zero_is_nothing_to_wait_for() -> None:
    closed = gpu("a", sessions_free=0, sessions_limit=0)
    assert isinstance(admit(ask(when_full=WhenFull.QUEUE), house(closed), 0), Fallback)
    denied = admit(ask(when_full=WhenFull.QUEUE, **REQUIRE), house(closed), 0)
    assert isinstance(denied, Deny) and denied.retry_after is None


maybe = st.none() | st.integers(-2, 4)
memory = st.none() | st.integers(0, 600 << 20)
codecs = st.sampled_from([Codec.H264, Codec.AV1])
facts = st.builds(
    DeviceFacts,
    id=st.sampled_from("abcd"),
    name=st.just("GPU"),
    hardware=st.integers(0, 4).map(bool),
    pool=st.sampled_from(["geforce", "own"]),
    codecs=st.frozensets(codecs),
    none_because=st.none() | st.just("it has none"),
    quarantined=st.none() | st.none() | st.just("it hung"),
    sessions_free=maybe,
    sessions_limit=st.none() | st.integers(0, 4),
    vram_free=memory,
    bar1_free=memory,
    weight=st.sampled_from([0.5, 1.0, 2.0]),
    load=st.floats(0, 1e9),
)
snapshots = st.builds(
    Snapshot,
    devices=st.lists(facts, max_size=4, unique_by=lambda device: device.id).map(tuple),
    cpu_free=st.sampled_from([0.0, 1e7, 1e9]),
    cpu_total=st.sampled_from([1e7, 1e9]),
    cpu_factors=st.dictionaries(codecs, st.floats(0.5, 8)),
    software_codecs=st.frozensets(codecs),
    ahead=st.integers(0, 3),
    ahead_in=st.dictionaries(st.sampled_from(["geforce", "own"]), st.integers(0, 3)),
    line_full=st.booleans(),
    parked=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2), max_size=2),
)
requests = st.builds(
    EncodeRequest,
    holder=st.just("lobby/720p"),
    codec=codecs,
    width=st.sampled_from([640, 3840]),
    height=st.sampled_from([360, 2160]),
    fps=st.sampled_from([0.0, 30.0, float("inf"), float("nan")]),
    since=st.just(0.0),
    hardware=st.sampled_from(HardwareUse),
    when_full=st.sampled_from(WhenFull),
    device=st.sampled_from([None, None, None, "a", "b", "nowhere"]),
    refused=st.frozensets(st.sampled_from(["a", "b", "software"]), max_size=2),
    descriptors_free=st.sampled_from([None, None, 64, 70, 4000]),
)


@settings(max_examples=300)
@given(requests, snapshots)
def test_every_word_is_true(request: EncodeRequest, snapshot: Snapshot) -> None:
    decision = admit(request, snapshot, 5.0)
    if request.fps == 30:
        check_decision(decision, request, snapshot)
    assert admit(request, snapshot, 5.0) == decision


@settings(max_examples=80)
@given(requests, snapshots)
def test_unknown_memory_admits_no_more_than_plenty(request: EncodeRequest, snapshot: Snapshot) -> None:
    unknown = replace(snapshot, devices=tuple(replace(d, vram_free=None, bar1_free=None) for d in snapshot.devices))
    plenty = replace(
        snapshot, devices=tuple(replace(d, vram_free=1 << 60, bar1_free=1 << 60) for d in snapshot.devices)
    )
    assert admit(request, unknown, 5.0) == admit(request, plenty, 5.0)


def test_costs() -> None:
    sizes = [in_hardware(Codec.H264, width, height).total for width, height in ((640, 360), (1280, 720), (3840, 2160))]
    assert sizes == sorted(sizes) and 100 << 20 < sizes[0] < sizes[2] < 1 << 30
    assert in_hardware(Codec.H265, 1280, 720).total > sizes[1]
    assert cpu_pixels(Codec.H264, PIXELS, {}) == PIXELS
    assert cpu_pixels(Codec.AV1, PIXELS, {Codec.AV1: 7.5}) == 7.5 * PIXELS > cpu_pixels(Codec.AV1, PIXELS, {})
    assert cpu_pixels(Codec.H264, 0.0, {}) == 1.0
    assert assumed_cpu(2, 0.5) == assumed_cpu(1, 1.0) > PIXELS


def test_software_that_does_not_fit_into_memory_is_denied_with_the_sum() -> None:
    needs = in_software(Codec.H264, 1280, 720).total
    fits = admit(ask(memory_free=needs), house(), 0.0)
    assert isinstance(fits, Fallback | Grant)
    short = admit(ask(memory_free=needs - 1, hardware=HardwareUse.FORBID), house(), 0.0)
    assert isinstance(short, Deny)
    assert short.code is Denial.MEMORY
    assert "it may take 32 MiB (references 6, surfaces 5, input 9, context 12)" in short.why
    assert isinstance(admit(ask(memory_free=None), house(), 0.0), Fallback | Grant), "unknown is no limit"


@given(
    st.sampled_from([Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1]), st.integers(16, 8192),
    st.integers(16, 8192), st.integers(1, 15),
)  # fmt: skip
def test_more_references_and_larger_pictures_take_more(codec: Codec, width: int, height: int, count: int) -> None:
    one, more = in_software(codec, width, height, count), in_software(codec, width, height, count + 1)
    assert more.total >= one.total > in_software(codec, width // 2, height, count).total
    assert one.total == one.references + one.surfaces + one.input + one.bitstream + one.context
    assert in_hardware(codec, width, height, count).total == in_hardware(codec, width, height).total
