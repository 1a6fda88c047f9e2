"""What was seen and what was learned of it: the history, the judgement, and the logs of workers. Used by the sampler's
thread, and, for what is quick, by the event loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from steadycast.config.settings import FindingSettings, TrackingSettings
from steadycast.lobbies.device_views import DeviceView
from steadycast.model import ActionTaken, Finding, FindingChange, FindingEvent, ProbeOutcome
from steadycast.tracking.history.history import History
from steadycast.tracking.history.room import Room
from steadycast.tracking.leaks.detection import Detection, DetectionPolicy, Statistics
from steadycast.tracking.leaks.exhaustion import LimitPolicy
from steadycast.tracking.probes.sampler import Sample, Sampled
from steadycast.tracking.signatures import Facts, load_table
from steadycast.upkeep.logs import Logs, Said
from steadycast.upkeep.saved import Saved, load, store
from steadycast.upkeep.worker_facts import facts_of

log = structlog.get_logger("upkeep")

FLUSH_S = 5.0  # between writes of what was measured: so much a kill may lose
SAVE_S = 300.0  # between writes of what was learned
ROLES = 4096  # of which the newest look is kept, and what receipts showed
LEFT = 4  # things that stayed, of each


class Books:
    """Of one host. `finished` in the file are counts of `Tallies`: they are given to `write` by whoever has them."""

    def __init__(
        self, tracking: TrackingSettings, findings: FindingSettings, state: Path, logs: Path, history: Path
    ) -> None:
        """`state` is the folder for what was learned, `logs` that where workers write, `history` the file of the
        history. Raises ConfigError where that cannot be used."""
        self.history = History(history, Room(file_bytes=tracking.history_bytes, series=tracking.series))
        self._file = state / "detection.json"
        self.before = load(self._file)
        policy = DetectionPolicy(series=2 * tracking.series, limit=LimitPolicy(soon=findings.margin_s))
        self._lock = threading.Lock()
        self._detection = _restored(policy, self.before)
        self._newest: dict[str, Sample] = {}
        self._devices: tuple[DeviceView, ...] = ()
        self._left: dict[str, list[str]] = {}  # by role: what receipts showed last
        self._logs = Logs(logs, load_table(), self._facts, state / "logs.json")
        self._flushed = self._stored = time.monotonic()

    def take(self, sampled: Sampled, workers: Mapping[str, str]) -> tuple[list[FindingEvent], list[Said]]:
        """Keep and judge a round, and read the logs of these workers (their roles by their ids)."""
        events: list[FindingEvent] = []
        for sample in sampled.samples:
            self.history.add(sample.look)
            role = sample.look.owner.role
            if role in self._newest or len(self._newest) < ROLES:
                self._newest[role] = sample
            with self._lock:
                events += self._judge(sample)
        for role, _ in sampled.ended:
            self._newest.pop(role, None)
        said = self._logs.read(workers)
        with self._lock:
            for one in said:
                self._detection.note_signature(one.role, one.diagnosis.signature, one.diagnosis.what)
        return events, said

    def write(self, finished: Callable[[], Mapping[str, Mapping[str, int]]], *, at_once: bool = False) -> None:
        """Write what is due; `at_once` all. Blocking."""
        now = time.monotonic()
        if at_once or now - self._flushed >= FLUSH_S:
            self._flushed = now
            self.history.flush(now)
        if at_once:
            self._logs.store()
        if at_once or now - self._stored >= SAVE_S:
            self._stored = now
            with self._lock:
                learned = self._detection.saved()
            if (why := store(self._file, Saved(learned, finished()))) is not None:
                log.error("what was learned is not stored", why=why)

    def suspects(self) -> list[Finding]:
        """Those that want a probe."""
        with self._lock:
            wanted = {one.finding for one in self._detection.probes_wanted()}
            return [one for one in self._detection.findings() if one.id in wanted] if wanted else []

    def probed(self, finding: str, outcome: ProbeOutcome) -> tuple[FindingEvent, ...]:
        """As `Detection.probed`."""
        with self._lock:
            return self._detection.probed(finding, outcome)

    def acted(self, finding: str, what: str, result: str) -> None:
        """Something was done about it."""
        with self._lock:
            self._detection.acted(finding, ActionTaken(time.time(), what, result))

    def stayed(self, role: str, left: tuple[str, ...]) -> None:
        """A receipt shows what stayed of something in this process: evidence for what is found, now or next."""
        with self._lock:
            self._left[role] = [*self._left.pop(role, []), *left][-LEFT:]
            while len(self._left) > ROLES:
                del self._left[next(iter(self._left))]
            self._detection.note_receipt(role, left)

    def forget(self, role: str) -> tuple[FindingEvent, ...]:
        """There will be nobody of this role any more, nor below it (`role/name`). Its history stays."""
        events: list[FindingEvent] = []
        with self._lock:
            for one in (
                role,
                *(other for other in self._detection.roles() if other.startswith((f"{role}/", f"{role}#"))),
            ):
                self._newest.pop(one, None)
                self._left.pop(one, None)
                events += self._detection.forget(one)
        return tuple(events)

    def findings(self) -> tuple[Finding, ...]:
        """All that are kept, also those that are over."""
        with self._lock:
            return self._detection.findings()

    def note_devices(self, devices: tuple[DeviceView, ...]) -> None:
        """As they are now: their sessions and caps tell causes apart."""
        self._devices = devices

    def statistics(self) -> Statistics:
        """Of the judgement."""
        with self._lock:
            return self._detection.statistics()

    def _judge(self, sample: Sample) -> tuple[FindingEvent, ...]:
        events = self._detection.observe(sample.look, sample.bounds)
        role = sample.look.owner.role
        if role in self._left and any(event.change is FindingChange.OPENED for event in events):
            self._detection.note_receipt(role, self._left[role])
        return events

    def _facts(self, role: str) -> Facts | None:
        sample = self._newest.get(role)
        return None if sample is None else facts_of(sample, self._devices)


def _restored(policy: DetectionPolicy, saved: Saved) -> Detection:
    """What was learned before; nothing where that cannot be understood."""
    judge = Detection(policy)
    try:
        judge.restore(saved.detection)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        log.warning("what was learned before is forgotten", why=f"{type(error).__name__}: {error}")
        return Detection(policy)
    return judge
