"""Guard over real processes that die, hang, hide, fork away or go into the background."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from steadycast.tracking import proc
from steadycast.watching.guard.decide import Do
from steadycast.watching.guard.facts import Cause, Presence
from tests.support.guarding import BUDGET, PROGRAM, PYTHON, SERVER, end, end_all, guarding, lives, toml

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path) -> Iterator[None]:
    yield
    end_all(tmp_path)


def target(*words: str, more: str = "") -> str:
    return f"[target]\ncommand = {toml([PYTHON, '-S', str(SERVER), *words])}\n{more}{BUDGET}"


async def test_a_server_that_dies_at_once_is_tried_three_times_and_then_left_until_a_person_resets(
    tmp_path: Path,
) -> None:
    async with guarding(tmp_path, target("exit=3")) as kept:
        await kept.until(lambda: kept.keeper.memory.latch, "a latch")
        assert sum("started as process" in text for text in kept.said) == 4
        latch = kept.keeper.memory.latch
        assert latch is not None and "it exited with 3; 3 restarts" in latch.why
        evidence = sorted((tmp_path / "state" / "evidence").iterdir())
        assert len(evidence) == 3 and json.loads(evidence[0].read_text())["cause"] == "exit"
        assert kept.keeper.reset("a test")
        await kept.until_said("started as process", times=5)


async def test_failed_health_restarts_and_the_effect_is_told(tmp_path: Path) -> None:
    sick = tmp_path / "sick"
    health = f"""
[[health]]
name = "flag"
kind = "command"
command = ["sh", "-c", "if test -e {sick}; then echo no such picture; exit 1; fi"]
every_s = 0.1
failures = 2
"""
    async with guarding(tmp_path, target("say=token=abcdef", "stay") + health) as kept:
        await kept.until_said("flag is well")
        first = kept.pid
        sick.touch()
        await kept.until_said("flag failed (2 of 2 times): exited with 1: no such picture")
        await kept.until(lambda: kept.pid != first and lives(kept.pid), "another process")
        sick.unlink()
        assert not lives(first)
        await kept.until_said("the restart (health) helped")
        case = json.loads(next((tmp_path / "state" / "evidence").iterdir()).read_text())
        assert case["processes"][0]["pid"] == first and case["log"] == ["token=***"]
        assert kept.keeper.memory.restarts[-1].cause is Cause.HEALTH


async def test_a_probe_that_cannot_ask_restarts_nothing(tmp_path: Path) -> None:
    health = '[[health]]\nname = "gone"\nkind = "command"\ncommand = ["/nowhere"]\nevery_s = 0.05\nfailures = 1\n'
    async with guarding(tmp_path, target("stay") + health) as kept:
        await kept.until(lambda: kept.keeper.watchers.health[0].unknown > 5, "answers that tell nothing")
        assert kept.keeper.memory.restarts == () and lives(kept.pid)
        assert sum("gone cannot tell" in text for text in kept.said) == 1


async def test_a_server_that_never_gets_well_is_given_up(tmp_path: Path) -> None:
    more = "[start]\nready_s = 0.3\n"
    health = '[[health]]\nname = "no"\nkind = "command"\ncommand = ["false"]\nevery_s = 0.05\nfailures = 1\n'
    async with guarding(tmp_path, target("stay", more=more) + health) as kept:
        await kept.until(lambda: kept.keeper.memory.latch, "a latch")
        assert {one.cause for one in kept.keeper.memory.restarts} == {Cause.NEVER_HEALTHY}
        assert lives(kept.pid)  # left as it is


async def test_a_line_of_the_log_restarts_all_of_a_deaf_tree(tmp_path: Path) -> None:
    stray = tmp_path / "stray"
    words = (f"stray={stray}", "deaf", "wait=0.2", "say=ERROR [GL] GL_OUT_OF_MEMORY error generated", "stay")
    more = "[stop]\ngraceful_s = 0.2\n[[signatures]]\nname = 'gl'\npattern = 'GL_OUT_OF_MEMORY.*generated'\n"
    async with guarding(tmp_path, target(*words, more=more)) as kept:
        await kept.until(stray.exists, "a process that forked away")
        first, forked = kept.pid, int(stray.read_text())
        await kept.until(lambda: kept.pid not in (None, first), "another process")
        assert not lives(first) and not lives(forked)
        assert any("SIGTERM: still there after 0.2 s; SIGKILL: ended" in text for text in kept.said)
        last = kept.pid
    assert not lives(last) and not lives(int(stray.read_text()))


async def test_a_command_that_goes_into_the_background_is_told_and_not_started_again(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    more = "[start]\nready_s = 0.5\n"
    async with guarding(tmp_path, target(f"daemon={pid}", "stay", more=more)) as kept:
        await kept.until(lambda: kept.keeper.memory.latch, "a latch")
        latch = kept.keeper.memory.latch
        assert latch is not None and "went into the background" in latch.why and pid.read_text().strip() in latch.why
        assert sum("started as process" in text for text in kept.said) == 1
    assert not lives(int(pid.read_text()))


async def test_a_command_that_goes_into_the_background_is_followed_by_its_pid_file(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    name = PROGRAM
    more = f"background = 'follow'\npid_file = '{pid}'\nprogram = '{name}'\n"
    async with guarding(tmp_path, target(f"daemon={pid}", "stay", more=more)) as kept:
        await kept.until(lambda: pid.exists() and kept.pid == int(pid.read_text()), "the process of the pid file")
        first = kept.pid
        end(first)
        await kept.until(lambda: kept.pid not in (None, first) and lives(kept.pid), "another one")
        assert kept.keeper.memory.restarts[-1].cause is Cause.EXIT


async def test_a_pid_file_that_names_another_program_is_left_alone(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    pid.write_text(f"{os.getpid()}\n")
    text = f"[target]\npid_file = '{pid}'\nprogram = 'wolf'\nstart = ['touch', '{tmp_path}/started']\n{BUDGET}"
    async with guarding(tmp_path, text) as kept:
        await kept.until(lambda: "guard itself descends from it" in kept.keeper.server.why or kept.said, "an answer")
        assert kept.keeper.server.presence is Presence.UNKNOWN
        pid.write_text("1\n")
        await kept.until(lambda: "first process of the system" in kept.keeper.server.why, "a refusal")
    assert not (tmp_path / "started").exists()


async def test_a_process_of_a_pid_file_is_followed_ended_and_started_by_command(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    name = PROGRAM
    start = toml([PYTHON, "-S", str(SERVER), f"daemon={pid}", "stay"])
    text = f"[target]\npid_file = '{pid}'\nprogram = '{name}'\nstart = {start}\n{BUDGET}"
    async with guarding(tmp_path, text) as kept:
        await kept.until(lambda: lives(kept.pid), "a process")
        first = kept.pid
        kept.keeper.ask_restart("a test")
        await kept.until(lambda: kept.pid not in (None, first) and lives(kept.pid), "another process")
        assert not lives(first)
        last = kept.pid
    assert lives(last)  # guard was given it, so it is left
    end(last)


async def test_descriptors_that_run_out_restart_before_the_server_fails(tmp_path: Path) -> None:
    words = toml(["sh", "-c", f"ulimit -n 64; exec {PYTHON} -S {SERVER} hoard=0.02 stay"])
    more = "[findings]\nevery_s = 0.1\nfull = 0.7\n"
    async with guarding(tmp_path, f"[target]\ncommand = {words}\n{more}{BUDGET}") as kept:
        await kept.until_said("descriptors are open (RLIMIT_NOFILE)")
        await kept.until(lambda: kept.keeper.memory.restarts, "a restart")
        assert kept.keeper.memory.restarts[0].cause is Cause.EXHAUSTION
        assert not any("it exited" in text for text in kept.said)


async def test_a_server_whose_record_is_lost_is_found_by_its_mark(tmp_path: Path) -> None:
    text = target("stay", more="on_end = 'leave'\n")
    async with guarding(tmp_path, text) as kept:
        await kept.until(lambda: lives(kept.pid), "a server")
        first = kept.pid
    assert lives(first)
    (tmp_path / "state" / "state.json").unlink()
    async with guarding(tmp_path, text.replace("'leave'", "'stop'")) as kept:
        await kept.until_said("looks after a server that runs already")
        assert kept.pid == first
    assert not lives(first)


async def test_guard_keeps_nothing_of_the_lives_that_it_ended(tmp_path: Path) -> None:
    health = '[[health]]\nname = "yes"\nkind = "command"\ncommand = ["true"]\nevery_s = 0.05\n'
    async with guarding(tmp_path, target("stay") + health) as kept:
        counts = []
        for _ in range(12):
            await kept.until(lambda: lives(kept.pid) and kept.keeper.busy is None, "a server")
            before, asked = kept.pid, kept.keeper.watchers.health[0].asked
            await kept.until(lambda asked=asked: kept.keeper.watchers.health[0].asked > asked + 1, "health")  # type: ignore[misc]
            kept.keeper.ask_restart("a test")
            await kept.until(lambda before=before: kept.pid not in (None, before), "another")  # type: ignore[misc]
            await kept.until(lambda: kept.keeper.busy is None, "the end of the restart")
            kinds = proc.descriptors_by_kind(os.getpid()) or {}
            counts.append(kinds.get("anon_inode:[pidfd]", 0) + kinds.get("file", 0))
        # A probe that is under way and files that are just read or written come and go: one a life would be nine more.
        assert max(counts[-3:]) <= max(counts[:3]) + 4, counts
        assert len(list((tmp_path / "state" / "evidence").iterdir())) == 12


async def test_one_that_was_given_is_started_only_where_it_is_known_that_none_runs(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    start = toml([PYTHON, "-S", str(SERVER), f"daemon={pid}", "stay"])
    text = f"[target]\npid_file = '{pid}'\nprogram = '{PROGRAM}'\nstart = {start}\n{BUDGET}"
    async with guarding(tmp_path, text) as kept:
        await kept.until(lambda: lives(kept.pid), "a process")
        first = kept.pid
        pid.write_text("")  # it may begin anew by itself, and write its pid next
        end(first)
        await kept.until(lambda: kept.keeper.server.presence is Presence.UNKNOWN, "a look that cannot tell")
        await kept.until(lambda: kept.keeper.decision.do is Do.NOTHING, "no decision")
        assert kept.keeper.memory.restarts == ()
        pid.unlink()
        await kept.until(lambda: kept.pid not in (None, first) and lives(kept.pid), "another process")
        last = kept.pid
    end(last)


async def test_one_that_was_replaced_while_evidence_was_kept_is_left_alone(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    start = [PYTHON, "-S", str(SERVER), f"daemon={pid}", "stay"]
    evidence = toml(["sh", "-c", f"kill -9 $0; exec {' '.join(start)}", "{pid}"])
    health = '[[health]]\nname = "ill"\nkind = "command"\ncommand = ["false"]\nevery_s = 0.1\nfailures = 1\n'
    text = f"[target]\npid_file = '{pid}'\nprogram = '{PROGRAM}'\nstart = {toml(start)}\non_end = 'leave'\n"
    ready = f"[start]\nready_s = 0.5\n[evidence]\ncommand = {evidence}\n{health}"
    async with guarding(tmp_path, text + ready + BUDGET) as kept:
        await kept.until_said("it looks again: something changed while evidence was kept")
        assert kept.keeper.memory.restarts == ()
        assert not any("ended: SIGTERM" in one for one in kept.said)


async def test_a_child_that_is_left_for_a_moment_is_no_server_in_the_background(tmp_path: Path) -> None:
    words = toml(["sh", "-c", f"sleep 0.7 & echo $! > {tmp_path}/child; exit 0"])
    text = f"[target]\ncommand = {words}\n[start]\nready_s = 20\nafter_exit = 'always'\n{BUDGET}"
    async with guarding(tmp_path, text) as kept:
        await kept.until_said("that may be the server, in the background")
        await kept.until_said("started as process", times=3)
        latch = kept.keeper.memory.latch
        assert latch is None or "went into the background" not in latch.why
