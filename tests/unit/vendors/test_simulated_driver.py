"""The pretended driver seen from several real processes: its cap, its faults, and who is seen to hold what."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steadycast.config.encoder_settings import SimulatedSettings
from steadycast.errors import CallerError, ConfigError, WorkerError
from steadycast.model import Codec
from steadycast.tracking import proc
from steadycast.vendors.protocol import Vendor, VendorError
from steadycast.vendors.simulated.driver import SimulatedDriver, SimulatedRefusal, SimulatedSession
from steadycast.vendors.simulated.vendor import SimulatedVendor

DEADLINE_S = 30
ROOT = Path(__file__).parents[3]


class Process:
    """A real process that opens sessions when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.child = subprocess.Popen(
            (sys.executable, "-m", "tests.unit.vendors.simulated_holder_child", str(folder)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip

    def send(self, command: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(command + "\n")
        self.child.stdin.flush()

    def answer(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline().strip()

    def ask(self, command: str) -> str:
        self.send(command)
        return self.answer()

    def end(self) -> None:
        self.child.kill()
        self.child.communicate()


@pytest.fixture
def vendor_of(tmp_path: Path) -> Iterator[Callable[..., SimulatedVendor]]:
    made: list[SimulatedVendor] = []

    def make(**settings: object) -> SimulatedVendor:
        made.append(SimulatedVendor(SimulatedSettings.model_validate({"enabled": True, **settings}), tmp_path))
        return made[-1]

    yield make
    for vendor in made:
        vendor.close()


@pytest.fixture
def process_of(tmp_path: Path) -> Iterator[Callable[[], Process]]:
    made: list[Process] = []

    def make() -> Process:
        made.append(Process(tmp_path / "simulated"))
        return made[-1]

    yield make
    for process in made:
        process.end()


def driver_of(vendor: SimulatedVendor) -> SimulatedDriver:
    return SimulatedDriver(Path(vendor.look().devices[0].choices[0].options["driver-folder"]))


def open_one(vendor: SimulatedVendor, gpu: int = 0) -> SimulatedSession:
    return driver_of(vendor).open_session(gpu, "h264", 640, 480)


def refusal(vendor: SimulatedVendor, gpu: int = 0) -> int:
    with pytest.raises(SimulatedRefusal) as caught:
        open_one(vendor, gpu)
    return caught.value.code


def pids(vendor: SimulatedVendor) -> list[int | None]:
    return [one.pid for use in vendor.look().uses for one in use.sessions or ()]


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while not true():
        assert time.monotonic() < end
        pause.wait(0.02)


def test_the_cap_holds_over_processes_and_a_killed_one_frees_its_sessions(
    vendor_of: Callable[..., SimulatedVendor], process_of: Callable[[], Process]
) -> None:
    vendor: Vendor = vendor_of(sessions=3)
    assert isinstance(vendor, SimulatedVendor)
    first, second = process_of(), process_of()
    assert [first.ask("open 0"), first.ask("open 0"), second.ask("open 0")] == ["done"] * 3
    assert second.ask("open 0") == "refused 21"
    assert refusal(vendor) == 21
    assert sorted(filter(None, pids(vendor))) == sorted([first.child.pid] * 2 + [second.child.pid])
    first.end()
    assert pids(vendor) == [second.child.pid]
    assert [second.ask("open 0"), second.ask("open 0"), second.ask("open 0")] == ["done", "done", "refused 21"]
    assert second.ask("close") == "done"
    assert len(pids(vendor)) == 2


def test_never_a_fourth_of_three_while_many_open_and_somebody_looks(
    vendor_of: Callable[..., SimulatedVendor], process_of: Callable[[], Process]
) -> None:
    vendor = vendor_of(sessions=3)
    processes = [process_of() for _ in range(5)]
    for process in processes:
        assert process.ask("churn 1").isdigit()  # started
        process.send("churn 150")
    given: list[str] = []
    reader = threading.Thread(target=lambda: given.extend(process.answer() for process in processes))
    reader.start()
    most = 0
    while reader.is_alive():  # looking all the time makes no opener fail
        most = max(most, len(pids(vendor)))
    assert most <= 3
    assert all(one.isdigit() for one in given), given  # a child that saw a fourth died of its assertion
    assert sum(map(int, given)) >= 150
    assert pids(vendor) == []


def test_threads_of_one_process_share_the_cap(vendor_of: Callable[..., SimulatedVendor]) -> None:
    vendor = vendor_of(sessions=3)
    driver = driver_of(vendor)
    held: list[SimulatedSession] = []
    refused: list[int] = []

    def work() -> None:
        try:
            held.append(driver.open_session(0, "h264"))
        except SimulatedRefusal as error:
            refused.append(error.code)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert (len(held), refused) == (3, [21] * 9)
    held.pop()  # one that is forgotten is closed, too
    assert len(pids(vendor)) == 2
    for session in held:
        session.close()
        session.close()
    assert pids(vendor) == []


def test_a_child_of_the_holder_keeps_no_session(vendor_of: Callable[..., SimulatedVendor]) -> None:
    vendor = vendor_of()
    session = open_one(vendor)
    with subprocess.Popen(
        (sys.executable, "-c", "import sys; sys.stdin.read()"), stdin=subprocess.PIPE, close_fds=False
    ) as child:
        session.close()
        assert pids(vendor) == []
        assert child.poll() is None


def test_pools_memory_and_what_is_told(vendor_of: Callable[..., SimulatedVendor]) -> None:
    vendor = vendor_of(gpus=2, pool="each", sessions=1, told_sessions=5, refusal_code=10)
    look = vendor.look()
    assert [(d.id, d.pool, d.session_cap) for d in look.devices] == [
        ("simulated:0", "simulated:0", 5),
        ("simulated:1", "simulated:1", 5),
    ]
    assert all(d.hardware and d.simulated and "not real" in d.name and not d.opens_alone for d in look.devices)
    assert [(c.codec, c.entry) for c in look.devices[1].choices] == [(Codec.H264, "simulated")]
    assert look.devices[1].choices[0].options["gpu"] == "1"
    held = [open_one(vendor, 0), open_one(vendor, 1)]
    assert refusal(vendor, 0) == 10
    assert refusal(vendor, 7) == 4
    assert [len(use.sessions or ()) for use in vendor.look().uses] == [1, 1]
    for session in held:
        session.close()

    shared = vendor_of(gpus=2, sessions=9, vram_bytes=500, session_vram_bytes=200, style="missing")
    held = [open_one(shared, 0), open_one(shared, 0), open_one(shared, 1)]
    assert refusal(shared, 0) == 10  # memory, not the cap
    assert [(use.vram_used, use.vram_total) for use in shared.look().uses] == [(400, 500), (200, 500)]
    assert shared.look().uses[0].memory_by_pid == {os.getpid(): 400}
    assert [(d.pool, d.opens_alone) for d in shared.look().devices] == [("simulated", True)] * 2
    for session in held:
        session.close()


def test_refusals_are_counted_down_once_over_processes(
    vendor_of: Callable[..., SimulatedVendor], process_of: Callable[[], Process]
) -> None:
    vendor = vendor_of(sessions=100, faults={"refuse_next": 4})
    processes = [process_of() for _ in range(4)]
    for process in processes:
        for _ in range(5):
            process.send("open 0")
    answers = [process.answer() for process in processes for _ in range(5)]
    assert (answers.count("refused 21"), answers.count("done")) == (4, 16)
    assert vendor.faults()["refuse_next"] == 0
    assert vendor.set_faults({"steal_slot": 1})["steal_slot"] == 1
    assert processes[0].ask("open 0") == "refused 21"
    assert processes[0].ask("open 0") == "done"


def test_an_open_session_fails_on_command(
    vendor_of: Callable[..., SimulatedVendor], process_of: Callable[[], Process]
) -> None:
    vendor = vendor_of(faults={"fail_after_frames": 3})
    process = process_of()
    assert process.ask("open 0") == "done"
    vendor.set_faults({"fail_after_frames": 0})
    assert [process.ask("frames 3"), process.ask("frames 1")] == ["done", "failed 20"]
    assert [process.ask("close"), process.ask("open 0"), process.ask("frames 50")] == ["done"] * 3
    vendor.set_faults({"driver_lost": 1})
    assert [process.ask("frames 1"), process.ask("open 0")] == ["failed 5", "refused 5"]
    faults = vendor.look().uses[0].faults
    assert [(one.code, one.fatal) for one in faults] == [("driver_lost", True)]
    assert vendor.look().uses[0].faults == ()  # it is told once
    vendor.set_faults({"driver_lost": 0})
    assert [process.ask("frames 1"), process.ask("open 0")] == ["done", "done"]


def test_an_open_that_hangs_goes_on_when_it_is_let(
    vendor_of: Callable[..., SimulatedVendor], process_of: Callable[[], Process]
) -> None:
    vendor = vendor_of(faults={"hang_on_open": 1})
    hanging, killed = process_of(), process_of()
    hanging.send("open 0")
    killed.send("open 0")
    killed.end()
    assert pids(vendor) == []  # and looking does not hang
    vendor.set_faults({"hang_on_open": 0})
    assert hanging.answer() == "done"


def test_another_program_holds_sessions_and_is_seen(vendor_of: Callable[..., SimulatedVendor]) -> None:
    vendor = vendor_of(sessions=3, foreign_sessions=2)
    (use,) = vendor.look().uses
    assert use.sessions is not None
    (pid,) = {one.pid for one in use.sessions}
    assert pid not in (None, os.getpid())
    assert pid is not None
    assert [one.name for one in use.sessions] == ["pretended-game"] * 2
    assert Path(f"/proc/{pid}/comm").read_text().strip() == "pretended-game"
    mine = open_one(vendor)
    assert refusal(vendor) == 21
    vendor.set_faults({"foreign_sessions": 3, "refuse_next": 1})
    assert len(pids(vendor)) == 3  # it takes what it gets, and faults are not spent on it
    assert vendor.faults()["refuse_next"] == 1
    vendor.set_faults({"foreign_sessions": 0, "refuse_next": 0})
    assert pids(vendor) == [os.getpid()]
    mine.close()
    os.kill(pid, 9)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is reaped by whoever started it
    vendor.set_faults({"foreign_sessions": 1})
    assert len(pids(vendor)) == 1
    assert pids(vendor) != [pid]


def test_the_other_program_ends_with_a_host_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from steadycast.config.encoder_settings import SimulatedSettings as S;"
        "from steadycast.vendors.simulated.vendor import SimulatedVendor as V;"
        "v = V(S(foreign_sessions=1), pathlib.Path(sys.argv[1]));"
        "print(v.look().uses[0].sessions[0].pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        (sys.executable, "-c", script, str(tmp_path)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        host.kill()
        host.wait(DEADLINE_S)
    wait_until(lambda: (found := proc.stat(pid)) is None or found.state == "Z")
    wait_until(lambda: not SimulatedDriver(tmp_path / "simulated").sessions())


def test_nothing_is_left_after_the_end(vendor_of: Callable[..., SimulatedVendor], tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    vendor = vendor_of(foreign_sessions=1)
    assert (tmp_path / "simulated").stat().st_mode & 0o777 == 0o700
    (pid,) = pids(vendor)
    kept = open_one(vendor)
    for _ in range(50):
        open_one(vendor).close()
        vendor.set_faults({"refuse_next": 1})
        assert refusal(vendor) == 21
    vendor.close()
    assert proc.stat(pid or 0) is None
    assert (tmp_path / "simulated").exists()  # a session outlives the host: the next one takes the driver over
    again = vendor_of()
    assert pids(again) == [os.getpid()]
    kept.close()
    again.close()
    assert not (tmp_path / "simulated").exists()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(VendorError, match="does not answer"):
        again.look()
    with pytest.raises(WorkerError, match="does not answer"):
        again.faults()
    with pytest.raises(SimulatedRefusal):
        SimulatedDriver(tmp_path / "simulated").open_session(0, "h264")


def test_a_folder_that_cannot_be_used_is_a_refusal_and_keeps_no_descriptor(
    vendor_of: Callable[..., SimulatedVendor], tmp_path: Path
) -> None:
    vendor = vendor_of()
    folder, before = tmp_path / "simulated", len(list(Path("/proc/self/fd").iterdir()))
    session = open_one(vendor)
    facts = (folder / "driver.json").read_text()
    for damage in ("", "{}", "[1]", '{"gpus": 1}'):
        (folder / "driver.json").write_text(damage)
        assert refusal(vendor) == 20
    (folder / "driver.json").write_text(facts)
    faults = (folder / "faults.json").read_text()
    (folder / "faults.json").write_text("{")
    session.frame()
    (folder / "faults.json").write_text(faults)
    session.close()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    driver = driver_of(vendor)
    try:
        for spare in range(6):  # somewhere on the way there is no descriptor left
            resource.setrlimit(resource.RLIMIT_NOFILE, (before + spare, limits[1]))
            try:
                driver.open_session(0, "h264").close()
            except SimulatedRefusal as error:
                assert error.code == 20
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    open_one(vendor).close()


@pytest.mark.parametrize(
    ("faults", "code", "said"),
    [
        ({"refuse_nxt": 1}, "fault.unknown", "refuse_nxt"),
        ({"refuse_next": -1}, "fault.value", "refuse_next"),
        ({"refuse_next": 1.5}, "fault.value", "refuse_next"),
        ({"hang_on_open": float("nan")}, "fault.value", "hang_on_open"),
        ({"driver_lost": float("inf")}, "fault.value", "driver_lost"),
    ],
)
def test_faults_that_make_no_sense(
    vendor_of: Callable[..., SimulatedVendor], faults: dict[str, float], code: str, said: str
) -> None:
    vendor = vendor_of()
    with pytest.raises(CallerError) as caught:
        vendor.set_faults(faults)
    assert (caught.value.code, caught.value.status) == (code, 422)
    assert said in caught.value.what
    assert not any(vendor.faults().values())


def test_an_unknown_fault_of_the_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="refuse_nxt") as caught:
        SimulatedVendor(SimulatedSettings(faults={"refuse_nxt": 1}), tmp_path)
    assert caught.value.hint == "Did you mean `refuse_next`?"
    assert not (tmp_path / "simulated").exists()
