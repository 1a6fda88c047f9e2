"""Lines of one incident become one diagnosis, and facts tell its causes apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadycast.model import Remedy
from steadycast.tracking.signatures import Diagnosis, Facts, Incidents, Match, Matcher, load_table
from steadycast.tracking.signatures.incidents import EVIDENCE, INCIDENTS
from steadycast.tracking.signatures.weighing import SURE

TABLE = load_table()
MIB = 1 << 20
COMPOSITOR = """\
2025-10-02T06:40:11.752176Z ERROR smithay::backend::renderer::gles:
  [GL] GL_OUT_OF_MEMORY error generated. Failed to allocate memory for buffer object.
2025-10-02T06:40:11.784585Z ERROR smithay::backend::egl::ffi:
  [EGL] 0x300c (BAD_PARAMETER) eglCreateImageKHR: EGL_BAD_PARAMETER error:
  In eglCreateImageKHR: could not bind to DMA buffer
2025-10-02T06:40:11.784595Z ERROR smithay::backend::egl::display: error=Failed to create `EGLImage` from the buffer
2025-10-02T06:40:11.784607Z ERROR waylanddisplaycore::comp:
  Rendering failed. err=BindBufferEGLError(EGLImageCreationFailed)
40:56:30.661481638 WARN cudacontext gstcudacontext.cpp:402: CUDA call failed: CUDA_ERROR_NOT_PERMITTED, not permitted
"""
REFUSED = "[h264_nvenc @ 0x55d0c8a1c0] OpenEncodeSessionEx failed: out of memory (10): (no details)\n"
FREE = Facts(descriptors=80, descriptor_limit=1024, vram_free=9000 * MIB, vram_total=16000 * MIB)


def all_of(log: str, facts: Facts | None = None) -> tuple[Diagnosis, ...]:
    incidents = Incidents()
    for one in read(log):
        incidents.add(one, facts)
    return incidents.diagnoses()


def read(log: str) -> Iterator[Match]:
    matcher = Matcher(TABLE, year=2026)
    yield from matcher.feed(log.encode())
    yield from matcher.finish()


def only(log: str, facts: Facts | None = None) -> Diagnosis:
    (one,) = all_of(log, facts)
    return one


def test_a_compositor_that_ends_is_one_incident_with_one_root() -> None:
    one = only(COMPOSITOR)
    assert one.signature == "gl.out-of-memory"
    assert [(line.signature, line.follows) for line in one.evidence] == [
        ("gl.out-of-memory", False),
        ("egl.dmabuf-bind", True),
        ("egl.image", True),
        ("cuda.not-permitted", True),
    ]
    assert one.lines == 5
    assert one.remedy is Remedy.RECYCLE
    assert one.sure < 0.5, "the lines alone do not tell what ran out"
    assert one.remedy_sure > 0.7, "but what to do"
    assert len(one.unknown) == 5
    assert one.decide


@pytest.mark.parametrize(
    ("facts", "why", "remedy"),
    [
        (Facts(sessions=8, session_cap=8, cap_source="measured"), "cap", Remedy.FALLBACK),
        (Facts(sessions=2, session_cap=8, vram_free=20 * MIB, vram_total=8000 * MIB), "no memory left", Remedy.DENY),
        (Facts(sessions=1, session_cap=8, descriptors=1020, descriptor_limit=1024), "descriptors", Remedy.RECYCLE),
        (Facts(sessions=1, session_cap=8, cap_source="measured", descriptors=9, descriptor_limit=1024), "memory", None),
    ],
)
def test_the_same_line_is_the_cap_or_memory_or_descriptors(facts: Facts, why: str, remedy: Remedy | None) -> None:
    one = only(REFUSED, facts)
    assert one.signature == "nvenc.open-memory"
    assert why in one.why
    assert one.sure > 0.6
    assert remedy in (None, one.remedy)
    assert one.known


def test_what_is_full_is_not_so_when_it_is_free() -> None:
    one = only(COMPOSITOR, FREE)
    assert "state in this process" in one.why
    assert one.sure > 0.7
    assert "80 of 1024 descriptors are open" in one.known


def test_a_cap_of_a_table_says_less_than_one_that_was_measured() -> None:
    table, measured = (
        only(REFUSED, Facts(sessions=8, session_cap=8, cap_source=c)) for c in ("driver table", "measured")
    )
    assert table.sure < measured.sure <= SURE


def test_old_facts_say_less() -> None:
    line = f"2026-03-01T10:00:00Z {REFUSED}"
    at = 1772359200.0
    now, later = (only(line, Facts(at=at + after, sessions=8, session_cap=8)) for after in (1, 90_000))
    assert later.sure < now.sure
    assert "25 hours later" in later.known[0]


def test_a_line_beside_it_decides_too() -> None:
    one = only(REFUSED + "accept: Too many open files\n")
    assert one.signature == "system.too-many-files", "it explains the other"
    assert [line.signature for line in one.evidence] == ["system.too-many-files", "nvenc.open-memory"]


def test_follow_ups_alone_say_so() -> None:
    one = only("[GSTREAMER] Pipeline error: Internal data stream error.\n")
    assert one.only_follow_ups
    assert one.remedy is Remedy.NONE


def test_what_is_no_fault_is_not_told() -> None:
    assert all_of("SubmitInput: AMF_INPUT_FULL\n") == ()


def test_time_parts_incidents_and_joins_their_kind() -> None:
    one = only("".join(f"2026-03-0{day}T10:00:00Z {REFUSED}" for day in range(1, 8)))
    assert (one.occurrences, one.lines) == (7, 7)
    assert (one.first, one.last) == ("2026-03-01T10:00:00Z", "2026-03-07T10:00:00Z")


def test_without_times_the_distance_parts_them() -> None:
    near, far = (only(REFUSED + "all is well\n" * lines + REFUSED) for lines in (10, 100))
    assert (near.occurrences, far.occurrences) == (1, 2)


def test_two_processes_are_two_incidents() -> None:
    lines = [f"Mar 01 10:00:00 host wolf[{pid}]: could not bind to DMA buffer\n" for pid in (11, 12)]
    lines.append("Mar 01 10:00:00 host other[13]: CUDA_ERROR_UNKNOWN\n")
    assert [one.pid for one in all_of("".join(lines))] == [11, 13], "the same program once more is another occurrence"
    assert [one.occurrences for one in all_of("".join(lines))] == [2, 1]


def test_the_kernel_speaks_about_others() -> None:
    one = only(
        "Mar 01 10:00:00 host wolf[11]: CUDA call failed: CUDA_ERROR_LAUNCH_FAILED\n"
        "Mar 01 10:00:01 host kernel: NVRM: Xid (PCI:0000:01:00): 79, pid='<unknown>', name=<unknown>, GPU has\n"
    )
    assert one.signature == "xid.lost"
    assert one.remedy is Remedy.GPU


def test_an_incident_that_begins_with_another_line_is_the_same_once_more() -> None:
    root = "ERROR gles: [GL] GL_OUT_OF_MEMORY error generated."
    follows = ("Failed to create `EGLImage` from the buffer", "eglCreateImageKHR: could not bind to DMA buffer")
    log = f"2026-03-01T10:00:00Z {root}\n"
    for hour, line in enumerate(follows * 3, 11):
        log += f"2026-03-01T{hour}:00:00Z {line}\n2026-03-01T{hour}:00:01Z {root}\n"
    one = only(log)
    assert (one.signature, one.occurrences, one.lines) == ("gl.out-of-memory", 7, 13)
    incidents = Incidents()
    told = [made for match in read(log) if (made := incidents.add(match)) is not None]
    assert {made.absorbed for made in told if made.id == 1} > {None}, "who was told of the other learns that it is this"
    assert told[-1].id == 1


def test_many_kinds_at_once_are_not_counted_anew_with_each_line() -> None:
    kinds = [one.examples[0] for one in TABLE.signatures.values() if one.id.startswith(("xid.", "cuda."))]
    assert len(kinds) > 16
    turn = "".join(f"{line}\n" * 5 + "filler\n" * 50 for line in kinds)
    assert max(one.occurrences for one in all_of(turn * 3)) <= 3


def test_only_news_are_answered() -> None:
    incidents = Incidents()
    told = [incidents.add(one) for one in read(COMPOSITOR + "accept: Too many open files\n" * 3)]
    news = [one.signature for one in told if one]
    assert news[0] == "gl.out-of-memory"
    assert news[-1] == "system.too-many-files"
    assert len(news) <= 4
    assert len({one.id for one in told if one}) == 1, "it is one incident all the time"


def test_facts_are_asked_for_once_an_incident() -> None:
    asked = []

    def look(match: Match) -> Facts:
        asked.append(match.signature.id)
        return FREE

    incidents = Incidents(look)
    for one in read(COMPOSITOR):
        incidents.add(one)
    assert asked == ["gl.out-of-memory"]


def test_any_number_of_incidents_takes_bounded_memory() -> None:
    log = "".join(f"Mar 01 10:00:{at % 60:02d} host p{at}[{at}]: CUDA_ERROR_UNKNOWN\n" for at in range(INCIDENTS + 50))
    incidents = Incidents()
    for one in read(log):
        incidents.add(one)
    assert len(incidents.diagnoses()) == INCIDENTS
    assert incidents.forgotten == 50


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([line for one in TABLE.signatures.values() for line in one.examples]), max_size=40),
    st.builds(
        Facts,
        descriptors=st.none() | st.integers(0, 2000),
        descriptor_limit=st.none() | st.integers(0, 1024),
        vram_free=st.none() | st.integers(0, 1 << 34),
        vram_total=st.none() | st.integers(0, 1 << 34),
        sessions=st.none() | st.integers(0, 20),
        session_cap=st.none() | st.integers(0, 12),
        fresh=st.none() | st.booleans(),
        at=st.none() | st.floats(0, 4e9),
    ),
)
def test_whatever_the_lines_and_facts_shares_are_shares(lines: list[str], facts: Facts) -> None:
    for one in all_of("\n".join(lines), facts):
        assert 0 < one.sure <= SURE
        assert one.sure + sum(other.sure for other in one.alternatives) <= 1.0001
        assert one.sure >= max((other.sure for other in one.alternatives), default=0)
        assert len(one.evidence) <= EVIDENCE
        assert one.do
