"""Guard's smaller pure parts: log lines, effects, admission, systemd's words, windows of evidence, the door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from steadycast.config.tokens import hash_token
from steadycast.model import (
    Bound,
    Exhaustion,
    Finding,
    FindingChange,
    FindingState,
    Look,
    Measured,
    Owner,
    Resource,
    Shape,
    Unit,
)  # fmt: skip
from steadycast.tracking.probes.sampler import Sample, Sampled
from steadycast.watching.common.growing import LINE, FileSource, Lines
from steadycast.watching.guard.admit import Room, refused
from steadycast.watching.guard.answers import Answer
from steadycast.watching.guard.door import refusal
from steadycast.watching.guard.effects import Came, begun, judge, overtaken
from steadycast.watching.guard.evidence import fitted
from steadycast.watching.guard.facts import Act, Cause, Ended, Facts, Health, Presence, Server
from steadycast.watching.guard.health import heard
from steadycast.watching.guard.leaks import LeakWatch, is_of_life, sign_of
from steadycast.watching.guard.policy import FindingsPolicy, GatePolicy, KnownPolicy, SignaturePolicy
from steadycast.watching.guard.reasons import Reason
from steadycast.watching.guard.signs import KnownSignatures, LogSigns
from steadycast.watching.guard.unit import parse_unit, presence

RUNNING = Server(Presence.RUNNING, since=0.0)


def test_lines_are_whole_and_an_endless_one_does_not_grow() -> None:
    lines = Lines()
    assert lines.feed(b"one\r\ntw") == ["one"]
    assert lines.feed(b"o\n") == ["two"]
    endless = [line for _ in range(20) for line in lines.feed(b"x" * 1000)]
    assert [len(line) for line in endless] == [LINE]
    assert lines.feed(b"rest\nnext\n\xff\n") == ["next", "\ufffd"]


def test_a_log_is_read_from_where_it_grows_over_rotation_and_truncation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    source = FileSource(path)
    assert source.read() == b""
    with path.open("ab") as file:
        file.write(b"new\n")
    assert source.read() == b"new\n"
    path.rename(tmp_path / "log.1")
    assert source.read() == b""
    path.write_bytes(b"a\n")
    assert source.read() == b"a\n"
    path.write_bytes(b"")
    assert source.read() == b""
    path.write_bytes(b"b\n")
    assert source.read() == b"b\n"


def test_output_of_a_command_is_cut_while_the_server_goes_on_writing(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    with path.open("ab") as server:
        source = FileSource(path, keep_bytes=65_536)
        for number in range(40):
            server.write(f"{number:04d} ".encode() * 1000)
            server.flush()
            assert source.read()
        assert path.stat().st_size < 2 * 65_536 and (tmp_path / "output.log.1").stat().st_size < 2 * 65_536
        server.write(b"end\n")
        server.flush()
        assert source.read() == b"end\n"


def test_own_patterns_count_and_tell_once() -> None:
    policy = SignaturePolicy(name="a", pattern="could not create element", times=3, within_s=60)
    signs = LogSigns((policy,), None)
    line = "(neolink:8): GStreamer-RTSP-Server-CRITICAL **: could not create element"
    assert signs.feed(b"", [line, line], 0.0) == []
    assert signs.feed(b"", [line], 100.0) == []  # the first two are too old
    assert [one.act for one in signs.feed(b"", [line, line], 101.0)] == [Act.RESTART]
    assert signs.feed(b"", [line, line], 102.0) == [] and len(signs.signs) == 1
    signs.begin()
    assert len(signs.signs) == 0


def test_known_lines_act_by_what_they_ask_for() -> None:
    known = KnownSignatures(KnownPolicy(recycle="quiet", at_least=0.0), lambda _: None)
    signs = LogSigns((), known)
    line = b"GStreamer-CRITICAL **: gst_poll_write_control: assertion 'set != NULL' failed\n"
    found = signs.feed(line, [], 0.0)
    assert found and found[0].cause is Cause.SIGNATURE and found[0].act in (Act.QUIET, Act.TELL)
    careful = KnownSignatures(KnownPolicy(at_least=1.0), lambda _: None)
    assert [one.act for one in LogSigns((), careful).feed(line, [], 0.0)] == [Act.TELL]


def test_cannot_tell_neither_adds_to_failures_nor_ends_them() -> None:
    state = Health("a", Act.RESTART, None, 0, 3, False)
    for ok, failures in ((False, 1), (None, 1), (False, 2), (None, 2), (True, 0), (False, 1)):
        state = heard(state, Answer(ok, ""))
        assert state.failures == failures
    assert state.was_good


def test_an_effect_is_judged_by_the_next_life() -> None:
    effect = begun(Reason(Cause.HEALTH, Act.RESTART, "ill", "web"), 0, 10.0, None, None)
    well = Health("web", Act.RESTART, True, 0, 3, True)
    ill = Health("web", Act.RESTART, False, 3, 3, True)
    young = Facts(Server(Presence.RUNNING, since=10.0), (well,))
    assert judge(effect, young, None, 15.0, 20.0).came is Came.MEASURING
    helped = judge(effect, young, None, 30.0, 20.0)
    assert helped.came is Came.HELPED
    assert judge(helped, Facts(RUNNING, (ill,)), None, 99.0, 20.0).came is Came.BACK
    assert judge(effect, Facts(RUNNING, (ill,)), None, 12.0, 20.0).came is Came.NOT
    not_yet = Health("web", Act.RESTART, False, 3, 3, False)
    assert judge(effect, Facts(RUNNING, (not_yet,)), None, 12.0, 20.0).came is Came.MEASURING
    assert overtaken(effect, 50.0).came is Came.NOT and overtaken(helped, 50.0) is helped
    unknown = Facts(Server(Presence.RUNNING, since=10.0), (Health("web", Act.RESTART, None, 0, 3, False),))
    assert judge(effect, unknown, None, 99.0, 20.0).came is Came.MEASURING
    ended = Facts(Server(Presence.ENDED, ended=Ended(11.0, 1)))
    assert judge(effect, ended, None, 12.0, 20.0).came is Came.NOT


def finding(**more: object) -> Finding:
    values: dict[str, object] = {
        "id": "f1", "shape": Shape.CYCLE, "state": FindingState.CONFIRMED, "owner": Owner("server", "100:5000", 100),
        "measured": Measured(Resource.DESCRIPTORS), "unit": Unit.COUNT, "headline": "descriptors grow", "opened": 0.0,
        "updated": 1000.0, "since": None, "level": None, "grown": None, **more,
    }  # fmt: skip
    return Finding(**values)  # type: ignore[arg-type]


def test_findings_act_by_the_policy_and_before_a_limit_at_once() -> None:
    policy = FindingsPolicy(act="quiet", exhaustion="restart", margin_s=600)
    assert sign_of(finding(), policy, 1000).act is Act.QUIET
    end = Exhaustion("RLIMIT_NOFILE", 1024, 900, seconds=2000, earliest=1000, at=3000)
    far = sign_of(finding(exhaustion=end), policy, 1000)
    assert far.act is Act.QUIET
    near = sign_of(finding(exhaustion=end), policy, 1500)
    assert near.act is Act.RESTART and near.cause is Cause.EXHAUSTION and "may be met in 500 s" in near.text
    other = FindingsPolicy(act="quiet", resources=("threads",))
    assert sign_of(finding(), other, 1000).act is Act.TELL
    assert is_of_life(finding(), 5000) and not is_of_life(finding(), 5001) and not is_of_life(finding(), None)


def test_the_gate_counts_those_it_has_just_let_in() -> None:
    policy = GatePolicy.model_validate({"sessions": 3, "count": {"port": 80}, "vram_free": 1 << 30})
    room = Room(sessions=1, held=1, vram_free=2 << 30)
    assert refused(policy, room, {}) is None
    full = refused(policy, Room(sessions=2, held=1, vram_free=2 << 30), {})
    assert full == "no room for a session: 3 of 3 sessions are there, 1 of them just let in"
    little = refused(policy, Room(sessions=0, vram_free=1 << 29), {})
    assert little == "no room for a session: 512 MiB of GPU memory free, 1024 MiB needed"
    assert "cannot be told" in (refused(policy, Room(sessions=0), {"vram_free": "no driver"}) or "")
    assert refused(policy.model_copy(update={"unknown": "allow"}), Room(sessions=0), {}) is None


SHOW = (
    "LoadState=loaded\nActiveState={active}\nSubState=x\nResult=exit-code\nMainPID=0\n"
    "ExecMainCode=1\nExecMainStatus=3\n"
)


@pytest.mark.parametrize(
    ("active", "was_running", "expected"),
    [
        ("active", False, Presence.RUNNING),
        ("activating", True, Presence.AWAY),
        ("deactivating", True, Presence.AWAY),
        ("failed", True, Presence.ENDED),
        ("inactive", True, Presence.AWAY),  # a person stopped it
        ("inactive", False, Presence.ABSENT),
        ("maintenance", True, Presence.UNKNOWN),
    ],
)
def test_states_of_units(active: str, was_running: bool, expected: Presence) -> None:
    unit = parse_unit(SHOW.format(active=active))
    assert unit is not None
    server = presence(unit, was_running, 7.0)
    assert server.presence is expected
    if expected is Presence.ENDED:
        assert server.ended == Ended(7.0, 3)
    assert parse_unit("Failed to connect to bus") is None


def test_evidence_fits_whatever_is_in_it() -> None:
    body = {"at": 1.0, "cause": "exit", "why": "x", "command": {"output": "y" * 9000}, "log": ["z" * 100] * 3000}
    for most in (100_000, 12_000, 2000, 300):
        data = fitted(body, most)
        assert len(data) <= most and json.loads(data)["cause"] == "exit"
    assert json.loads(fitted(body, 100_000))["log"][-1] == "z" * 100


def test_the_door_lets_in_this_machine_and_the_token_only() -> None:
    token = hash_token("0123456789abcdef")
    good = {"host": "127.0.0.1:9000"}

    def code(headers: dict[str, str], needs: bool = True) -> str | None:
        error = refusal(Headers(headers), token if needs else None)
        return error.code if error is not None else None

    assert code(good, needs=False) is None
    assert code({"host": "evil.example"}, needs=False) == "host.refused"
    assert code({}, needs=False) == "host.refused"
    assert code({**good, "origin": "http://evil.example"}, needs=False) == "origin.refused"
    assert code({**good, "sec-fetch-site": "cross-site"}, needs=False) == "origin.refused"
    assert code(good) == "auth.missing"
    assert code({**good, "authorization": "Bearer 0123456789abcdeX"}) == "auth.wrong"
    assert code({**good, "authorization": "Bearer 0123456789abcdef"}) is None


def looks(epoch: str, cycles: range, lost: int, clock: float) -> list[Sampled]:
    """A server with a session a minute, that loses descriptors with each."""
    owner = Owner("server", epoch, 100)
    found = []
    for number in cycles:
        values = {Measured(Resource.DESCRIPTORS): 20.0 + lost * number}
        at = clock + 60.0 * number
        look = Look(owner, 1e9 + at, at, values, finished={"session": number}, load={"sessions": 0.0}, quiet=True)
        found.append(
            Sampled(
                (Sample(look, (Bound("RLIMIT_NOFILE", Measured(Resource.DESCRIPTORS), 4096, 30),)),), {}, (), (), 0.0
            )
        )
    return found


def test_a_leak_a_session_acts_in_its_own_life_only(tmp_path: Path) -> None:
    watch = LeakWatch("server", FindingsPolicy(act="quiet"), tmp_path, lambda: None)
    watch.born(100)
    for sampled in looks("100:100", range(30), 6, 0.0):
        watch.take(sampled)
    changes = [event.change for event in watch.events()]
    assert FindingChange.CONFIRMED in changes
    signs = watch.signs(1e9 + 1800)
    assert [(one.cause, one.act, one.key) for one in signs] == [(Cause.FINDING, Act.QUIET, "server descriptors")]
    assert watch.level(signs[0].finding, 100) == 194
    watch.acted(signs[0].finding, "the server was restarted", "it runs anew")
    assert any(one.actions for one in watch.findings)
    watch.born(200)
    assert watch.signs(1e9 + 1800) == () and watch.level(signs[0].finding, 200) is None
    for sampled in looks("101:200", range(3), 0, 1860.0):
        watch.take(sampled)
    watch.events()
    assert watch.signs(1e9 + 2000) == () and watch.level(signs[0].finding, 200) == 20
    watch.close()
    again = LeakWatch("server", FindingsPolicy(), tmp_path, lambda: None)
    assert [one.id for one in again.findings] == [one.id for one in watch.findings]
    again.close()
