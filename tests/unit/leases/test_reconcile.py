"""What is lent against what drivers show: foreign sessions, orphans, unseen leases; what is unknown is no claim."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steadycast.leases.reconcile import Drift, Finding, Held, Shown, reconcile, used_by_others

NOW = 1000.0


def held(holder: str, pid: int | None, opened: float | None = 900.0, device: str = "a") -> Held:
    return Held(holder, device, pid, opened)


def test_sessions_of_other_programs() -> None:
    result = reconcile(
        [held("x", 10)], [Shown("a", "geforce", (10, 77, 77)), Shown("b", "geforce", (78,))], {10: 0}, NOW
    )
    assert result.findings == (Finding(Drift.FOREIGN, "a", 77, 2), Finding(Drift.FOREIGN, "b", 78, 1))
    assert result.foreign == {"geforce": 3} == result.taken


def test_an_orphan_is_a_session_of_ours_without_a_lease() -> None:
    shown = [Shown("a", "geforce", (10, 10, 11))]
    result = reconcile([held("x", 10)], shown, {10: 900, 11: 900}, NOW)
    assert result.findings == (Finding(Drift.ORPHAN, "a", 10, 1), Finding(Drift.ORPHAN, "a", 11, 1))
    assert result.foreign == {"geforce": 0}
    fresh = reconcile([held("x", 10)], shown, {10: 995, 11: 995}, NOW)
    assert fresh.findings == ()  # it has just opened or closed
    opening = reconcile([held("x", 10), held("y", None, None)], shown, {10: 900, 11: 900}, NOW)
    assert opening.findings == ()  # the lease that opens may be the one


def test_a_lease_on_another_device_does_not_explain_a_session() -> None:
    result = reconcile([held("x", 10, device="b")], [Shown("a", "geforce", (10,))], {10: 0}, NOW)
    assert result.findings == (Finding(Drift.ORPHAN, "a", 10, 1),)


def test_an_unseen_lease() -> None:
    shown = [Shown("a", "geforce", (11,))]
    result = reconcile([held("x", 10), held("y", 11)], shown, {10: 0, 11: 0}, NOW)
    assert result.findings == (Finding(Drift.UNSEEN, "a", 10, 1, "x"),)
    assert reconcile([held("x", 10, 995.0)], shown, {10: 0, 11: 999}, NOW).findings == ()
    assert reconcile([held("x", 10)], [Shown("a", "geforce", (11, None))], {10: 0, 11: 999}, NOW).findings == ()


def test_what_is_not_known_is_no_claim() -> None:
    result = reconcile([held("x", 10)], [Shown("a", "p", None), Shown("b", "p", (5,))], {10: 0}, NOW)
    assert result.foreign == {"p": None} and result.taken == {"p": 1}
    assert [finding.drift for finding in result.findings] == [Drift.FOREIGN]


def test_numbers_without_processes() -> None:
    assert reconcile([held("x", 10)], [Shown("a", "p", None, 3)], {10: 0}, NOW).foreign == {"p": 2}
    assert reconcile([held("x", 10)], [Shown("a", "p", (None, None, 77))], {10: 0}, NOW).foreign == {"p": 2}
    assert reconcile([held("x", 10)], [Shown("a", "p", None, 0)], {10: 0}, NOW).foreign == {"p": 0}


pids = st.none() | st.integers(1, 6)


@given(
    st.lists(st.builds(Held, st.just("h"), st.sampled_from("ab"), pids, st.none() | st.floats(0, 1000)), max_size=6),
    st.lists(pids, max_size=8),
    st.dictionaries(st.integers(1, 3), st.floats(0, 1000)),
)
def test_findings_are_true(leases: list[Held], sessions: list[int | None], ours: dict[int, float]) -> None:
    result = reconcile(leases, [Shown("a", "p", tuple(sessions))], ours, NOW)
    for finding in result.findings:
        of_pid = sessions.count(finding.pid)
        match finding.drift:
            case Drift.FOREIGN:
                assert finding.pid not in ours and finding.sessions == of_pid > 0
            case Drift.ORPHAN:
                here = sum(h.pid == finding.pid and h.device == "a" for h in leases)
                assert finding.pid in ours and finding.sessions == of_pid - here > 0
                assert NOW - ours[finding.pid] > 10
            case Drift.UNSEEN:
                assert of_pid == 0 and None not in sessions and finding.holder == "h"
    foreign = result.foreign["p"]
    known = sum(pid is not None and pid not in ours for pid in sessions)
    assert foreign is not None and known <= foreign <= known + sessions.count(None)


def test_memory_of_others() -> None:
    assert used_by_others(None, 5, 5) is None
    assert used_by_others(1000, 300, 400) == 700
    assert used_by_others(1000, 600, 400) == 600  # we use more than we lent: it counts as gone
    assert used_by_others(1000, None, 400) == 600
    assert used_by_others(100, None, 400) == 0
