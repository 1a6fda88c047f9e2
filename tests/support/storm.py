"""A storm over a host with simulated GPUs: what happens is chosen by a seed, and what must hold is looked at from
outside all the time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psutil

from steadycast.vendors.simulated.driver import SimulatedDriver
from steadycast.vendors.simulated.slots import Holder
from tests.support.host import Host
from tests.support.storm_viewers import Gone, Refused, RtspPlayer, Watcher, WhepPlayer, stop

CAP = 3
LOBBIES = 6
SIZES = ((160, 90), (240, 136), (320, 180))
QUEUE_S = 4.0
# A session without a lease, or a place in the line past its deadline, for longer than this is a finding. The host's
# own deadlines for it (a hung open, a silent worker, ended by force) are below half of it.
SETTLE_S = 25.0
POLICIES = (
    {"hardware": "prefer", "when_full": "fallback"},
    {"hardware": "prefer", "when_full": "fallback"},
    {"hardware": "prefer", "when_full": "queue"},
    {"hardware": "prefer", "when_full": "refuse"},
    {"hardware": "require", "when_full": "queue"},
    {"hardware": "require", "when_full": "refuse"},
    {"hardware": "forbid"},
)
# What a viewer may be told while faults are in force; anything else is a finding.
TYPED = {
    "encoder_sessions", "vram", "cpu_budget", "gpu_quarantined", "driver_refused", "no_encoder", "descriptors",
    "viewers", "queue_full", "queue_timeout",
}  # fmt: skip
CALM = {
    "refuse_next": 0, "steal_slot": 0, "hang_on_open": 0, "fail_after_frames": 0, "driver_lost": 0, "memory_copies": 0,
    "foreign_sessions": 0,
}  # fmt: skip


def config(seed: int) -> str:
    """The host's config: short waits, and how the driver refuses by the seed."""
    dice = random.Random(seed)
    return f"""
[renditions]
linger_s = 1
[egress]
workers = 2
viewer_silence_s = 5
[limits]
offers_per_s = 10000
[workers]
restarts = 1000
silence_s = 6
[encoders]
queue_s = {QUEUE_S}
look_s = 0.5
promote_after_s = 0.5
breaker_rest_s = 1
breaker_trips = 100
cpu_pixels_per_s = 1e9
[vendors.nvidia]
enabled = false
[vendors.va]
enabled = false
[vendors.simulated]
enabled = true
sessions = {CAP}
told_sessions = {dice.choice((CAP, 8))}
style = "{dice.choice(("legacy", "modern", "missing"))}"
refusal_code = {dice.choice((10, 21))}
"""


class Truth:
    """The driver and the processes, looked at beside the host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._driver = SimulatedDriver(host.runtime / "simulated")

    async def sessions(self) -> tuple[Holder, ...]:
        return await asyncio.to_thread(self._driver.sessions)

    def descendants(self) -> set[int]:
        return {child.pid for child in psutil.Process(self._host.process.pid).children(recursive=True)}

    def rss(self) -> int:
        return int(psutil.Process(self._host.process.pid).memory_info().rss)


class Storm:
    """One storm. `findings` is what did not hold."""

    def __init__(self, host: Host, seed: int) -> None:
        self.host = host
        self.dice = random.Random(seed)
        self.truth = Truth(host)
        self.http = httpx.AsyncClient(base_url=host.url, timeout=60, limits=httpx.Limits(max_connections=500))
        self.lobbies: dict[str, dict[str, Any]] = {}  # by id: policy
        self.watchers: dict[str, list[Watcher]] = {}
        self.findings: list[str] = []
        self.told: Counter[str] = Counter()
        self.log: list[str] = []
        self._beside: set[asyncio.Task[None]] = set()
        self._odd: dict[str, float] = {}
        self._gaps: list[tuple[float, str]] = []

    def note(self, text: str) -> None:
        self.log.append(f"{time.strftime('%H:%M:%S')} {text}")

    # --- what happens

    async def blow(self, seconds: float) -> None:
        """Things happen for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self.act()
            await asyncio.sleep(self.dice.uniform(0.02, 0.4))

    async def act(self) -> None:
        """One thing happens."""
        acts: dict[Callable[[], Awaitable[None]], float] = {
            self.create: 4 if len(self.lobbies) < LOBBIES else 0,
            self.delete: 1 if len(self.lobbies) > 2 else 0,
            self.visit: 6,
            self.fault: 3,
            self.kill_lobby_worker: 0.5,
            self.kill_egress_worker: 0.2,
        }
        await self.dice.choices(list(acts), list(acts.values()))[0]()

    async def create(self, policy: dict[str, Any] | None = None) -> None:
        width, height = self.dice.choice(SIZES)
        policy = dict(policy or self.dice.choice(POLICIES)) | {"priority": self.dice.choice((0, 50, 100))}
        body = {
            "name": "Storm",
            "source": {"kind": "test", "width": width, "height": height, "fps": 15},
            "encoders": policy,
        }
        whep = self.dice.random() < 0.5
        answer = await self.http.post("/api/v1/lobbies", json=body)
        if answer.status_code != 201:
            self.findings.append(f"create: {answer.status_code} {answer.text}")
            return
        lobby = answer.json()["id"]
        self.note(f"create {lobby} {policy}")
        self.lobbies[lobby] = policy
        self.watchers[lobby] = [Watcher(f"w-{lobby}", lobby, (self.http, self.host.rtsp), whep=whep)]

    async def delete(self, lobby: str | None = None) -> None:
        lobby = lobby or self.dice.choice(list(self.lobbies))
        self.note(f"delete {lobby}")
        watchers = self.watchers.pop(lobby)
        for watcher in watchers:
            self.told.update(watcher.refusals)
            self._gaps += self._gaps_of(lobby, watcher)
            await watcher.stop()
        del self.lobbies[lobby]
        began = time.monotonic()
        answer = await self.http.delete(f"/api/v1/lobbies/{lobby}")
        state = answer.json().get("state")
        if state != "DESTROYED":
            self.findings.append(f"delete {lobby}: {answer.status_code} {answer.text}")
        if time.monotonic() - began > SETTLE_S:
            self.findings.append(f"delete {lobby} took {time.monotonic() - began:.0f} s")

    async def visit(self) -> None:
        """Somebody comes for a while and goes in one of several ways, at any moment."""
        if not self.lobbies:
            return
        lobby, stays = self.dice.choice(list(self.lobbies)), self.dice.choice((0.01, 0.1, 0.5, 1.5, 4.0))
        goodbye, whep = self.dice.random() < 0.5, self.dice.random() < 0.5
        player = WhepPlayer(self.http, lobby) if whep else RtspPlayer(self.host.rtsp, lobby)

        async def come() -> None:
            with contextlib.suppress(Refused, Gone):
                await player.start()
                while True:
                    await player.frame()

        async def come_and_go() -> None:
            watching = asyncio.get_running_loop().create_task(come())
            await asyncio.wait({watching}, timeout=stays)
            await stop(watching)
            await player.leave(goodbye=goodbye)

        self._spawn(come_and_go())

    async def fault(self) -> None:
        dice = self.dice
        name, value, lasts = dice.choice(
            (
                ("refuse_next", dice.randint(1, 3), None),
                ("steal_slot", dice.randint(1, 3), None),
                ("fail_after_frames", dice.randint(5, 40), dice.uniform(1, 3)),
                ("driver_lost", 1, dice.uniform(0.2, 3)),
                ("hang_on_open", 1, dice.choice((0.5, 7.0))),
                ("foreign_sessions", dice.randint(0, 3), None),
                ("memory_copies", dice.randint(0, 1), None),
            )
        )
        self.note(f"fault {name}={value} for {lasts}")
        await self._set({name: value})
        if lasts is not None:

            async def over() -> None:
                await asyncio.sleep(lasts)
                self.note(f"fault {name} over")
                await self._set({name: 0})

            self._spawn(over())

    async def kill_lobby_worker(self) -> None:
        await self._kill("lobby")

    async def kill_egress_worker(self) -> None:
        await self._kill("egress")

    async def _kill(self, kind: str) -> None:
        found = sorted(self.host.workers(kind), key=lambda process: process.pid)
        if found:
            process = self.dice.choice(found)
            self.note(f"kill {kind} {process.pid}")
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)

    async def _set(self, faults: dict[str, int]) -> None:
        answer = await self.http.put("/api/v1/system/simulated/faults", json=faults)
        if answer.status_code != 200:
            self.findings.append(f"faults {faults}: {answer.status_code} {answer.text}")

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    # --- calm

    async def calm(self) -> None:
        """What was begun ends, faults go, breakers are reset: then everybody has a picture and the books are true."""
        while self._beside:
            for task in (await asyncio.wait(self._beside))[0]:
                task.result()
        await self._set(CALM)
        await self.http.post("/api/v1/devices/simulated:0/retry", json={})
        self.note("calm")
        await self._all_see()
        await self._until("leases are what runs on hardware", self._books_are_true)

    async def _all_see(self) -> None:
        """Who prefers hardware or forbids it sees a picture again; who must have hardware may be told why not."""
        began = time.monotonic()

        def dark() -> list[str]:
            return [
                f"{watcher.name} {watcher.doing} for {watcher.dark_s:.0f} s, {dict(watcher.refusals)} {policy}"
                for lobby, policy in self.lobbies.items()
                for watcher in self.watchers[lobby]
                if watcher.last < began and policy["hardware"] != "require" and policy.get("when_full") != "refuse"
            ]

        await self._until("everybody sees a picture", lambda: _answer(dark()))

    async def _books_are_true(self) -> list[str]:
        sessions = [one for one in await self.truth.sessions() if not one.foreign]
        leases = [one for one in (await self._items("leases")) if one["quota"].startswith("sessions:")]
        views = {view["id"]: view for view in await self._items("lobbies")}
        wrong = []
        for lobby, view in views.items():
            hardware = sum(bool(r["running"] and r["seat"] and r["seat"]["hardware"]) for r in view["renditions"])
            lent = sum(lease["lobby"] == lobby for lease in leases)
            held = sum(one.pid in view["workers"] for one in sessions)
            if not hardware == lent == held:
                wrong.append(f"{lobby}: {hardware} on hardware, {lent} leases, {held} sessions; {view['state']}")
        if len(sessions) != len(leases):
            wrong.append(f"{len(sessions)} sessions {[s.pid for s in sessions]}, {len(leases)} leases {leases}")
        return wrong

    async def _until(self, what: str, look: Any, deadline_s: float = SETTLE_S) -> None:
        end = time.monotonic() + deadline_s
        while wrong := await look():
            if time.monotonic() > end:
                self.findings += [f"not so after {deadline_s} s of calm: {what}: {one}" for one in wrong]
                self.note(f"NOT {what}: {wrong}")
                return
            await asyncio.sleep(0.2)

    async def _items(self, what: str) -> list[dict[str, Any]]:
        return list((await self.http.get(f"/api/v1/{what}?limit=200")).json()["items"])

    # --- what must hold

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(0.25)

    async def _look(self) -> None:
        now, odd = time.monotonic(), set()
        sessions = await self.truth.sessions()
        if len(sessions) > CAP:
            self.findings.append(f"{len(sessions)} sessions: {sessions}")
        own = Counter(one.pid for one in sessions if not one.foreign)
        strangers = own.keys() - self.truth.descendants()
        leases = Counter(
            lease["lobby"] for lease in await self._items("leases") if lease["quota"].startswith("sessions:")
        )
        status = (await self.http.get("/api/v1/system/gpu-status")).json()
        lobby_of = {pid: view["id"] for view in await self._items("lobbies") for pid in view["workers"]}
        held: Counter[str] = Counter()
        for pid, number in own.items():
            held[lobby_of.get(pid, f"process {pid}")] += number
        odd |= {f"session of a stranger {pid}" for pid in strangers if psutil.pid_exists(pid)}
        odd |= {
            f"{number} sessions of {who}, {leases[who]} leases" for who, number in held.items() if number > leases[who]
        }
        for place in status["waiting"]:
            if not place["promotion"] and time.time() - place["since"] > QUEUE_S + SETTLE_S / 2:
                self.findings.append(f"waits for ever: {place}")
        self._odd = {what: self._odd.get(what, now) for what in odd}
        for what, since in self._odd.items():
            if now - since > SETTLE_S:
                self.findings.append(f"for {now - since:.0f} s: {what}")
                self._odd[what] = now + 1e6
        for lobby, policy in self.lobbies.items():
            if policy.get("when_full") != "fallback" and policy["hardware"] != "forbid":
                continue
            for watcher in self.watchers.get(lobby, ()):
                if policy["hardware"] != "require" and watcher.dark_s > SETTLE_S:
                    self.findings.append(
                        f"{watcher.name} {policy} saw nothing for {watcher.dark_s:.0f} s ({watcher.doing},"
                        f" {dict(watcher.refusals)})"
                    )
                    self.note(self.findings[-1])
                    watcher.last = time.monotonic()

    def gaps(self) -> list[str]:
        """The longest times without a picture, with what the viewer could expect."""
        now = [gap for lobby, ones in self.watchers.items() for one in ones for gap in self._gaps_of(lobby, one)]
        return [f"{seconds:5.1f} s until {text}" for seconds, text in sorted(self._gaps + now, reverse=True)[:12]]

    def _gaps_of(self, lobby: str, watcher: Watcher) -> list[tuple[float, str]]:
        policy = self.lobbies[lobby]
        wish = f"{policy['hardware']} {policy.get('when_full', '')}"
        return [(seconds, f"{at} {lobby} {wish} {watcher.kind}") for seconds, at in watcher.gaps]

    async def close(self) -> None:
        for lobby in list(self.lobbies):
            await self.delete(lobby)
        await self.http.aclose()


async def _answer(wrong: list[str]) -> list[str]:
    return wrong
