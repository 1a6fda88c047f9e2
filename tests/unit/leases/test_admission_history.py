"""Random histories: never more lent than there is, nobody lost, nobody starves, order kept, every reason true."""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from steadycast.leases.decisions import EncodeRequest, Queue
from steadycast.model import Codec, HardwareUse, WhenFull
from tests.support.encoder_desk import Desk, Pool

policies = st.tuples(st.sampled_from(HardwareUse), st.sampled_from(WhenFull))
devices = st.sampled_from([None, None, None, "a", "b", "c"])


def request(
    holder: str,
    now: float,
    hardware: HardwareUse = HardwareUse.REQUIRE,
    when_full: WhenFull = WhenFull.QUEUE,
    priority: int = 50,
    device: str | None = None,
) -> EncodeRequest:
    return EncodeRequest(holder, Codec.H264, 1280, 720, 30, now, hardware, when_full, priority, device)


class History(RuleBasedStateMachine):
    """Requests come, wait, are served and leave; drivers refuse; caps, foreign sessions and breakers change."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.patient = False

    @initialize(
        real=st.integers(0, 4), own=st.integers(1, 3), table=st.sampled_from([None, 3, 8]), patient=st.booleans()
    )
    def start(self, real: int, own: int, table: int | None, patient: bool) -> None:
        shared = Pool("geforce", real, table)
        self.patient = patient
        self.desk = Desk({"a": shared, "b": shared, "c": Pool("c", own, None)}, 12, None if patient else 10.0)

    @rule(policy=policies, priority=st.integers(0, 100), device=devices)
    def ask(self, policy: tuple[HardwareUse, WhenFull], priority: int, device: str | None) -> None:
        self.count += 1
        holder = f"lobby/{self.count}"
        self.desk.ask(request(holder, self.desk.now, *policy, priority, device))
        places = (holder in self.desk.seats, holder in self.desk.waiting, holder in self.desk.lost)
        assert sum(places) == 1

    @precondition(lambda self: self.desk.seats or self.desk.waiting)
    @rule(number=st.integers(0, 1000))
    def leave(self, number: int) -> None:
        holders = [*self.desk.seats, *self.desk.waiting]
        self.desk.leave(holders[number % len(holders)])

    @rule(pool=st.sampled_from(["geforce", "c"]), real=st.integers(0, 6), foreign=st.integers(0, 3))
    def change(self, pool: str, real: int, foreign: int) -> None:
        truth = self.desk.pools[pool]
        open_here = self.desk.open_in(pool)
        truth.real = max(real, open_here)  # a driver takes no session away
        truth.foreign = min(foreign, truth.real - open_here)

    @rule(device=st.sampled_from(["a", "b", "c"]), fatal=st.booleans())
    def fails(self, device: str, fatal: bool) -> None:
        self.desk.breakers[device].failed(self.desk.now, "it failed", fatal=fatal)

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 60.0, 900.0]))
    def time_passes(self, seconds: float) -> None:
        self.desk.tick(seconds)

    @invariant()
    def books_are_right(self) -> None:
        if hasattr(self, "desk"):
            self.desk.check()

    def teardown(self) -> None:
        """Others end, drivers give again, breakers are reset: then all who still wait are served, soon and in order."""
        if not hasattr(self, "desk"):
            return
        desk = self.desk
        for pool in desk.pools.values():
            pool.foreign, pool.real = 0, max(6, desk.open_in(pool.name))
        for breaker in desk.breakers.values():
            breaker.reset(desk.now)
        waiting = set(desk.waiting)
        rounds = 2 * (len(waiting) + len(desk.seats)) + 20
        for _ in range(rounds):
            if not desk.waiting:
                break
            hardware = [holder for holder, seat in desk.seats.items() if seat.pool is not None]
            if hardware:
                desk.leave(hardware[0])
            desk.tick(1.0)
            desk.check()
        assert not desk.waiting
        gone = {holder for holder in waiting if holder not in desk.served}
        assert not gone if self.patient else all(desk.lost[holder] == "queue_timeout" for holder in gone)


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)


def test_a_thousand_at_once_for_three_slots() -> None:
    desk = Desk({"a": Pool("geforce", 3, 3)}, line_limit=1000, queue_s=None)
    asked = [f"lobby/{number}" for number in range(1000)]
    decisions = [desk.ask(request(holder, desk.now)) for holder in asked]
    assert sum(isinstance(decision, Queue) for decision in decisions) == 997
    assert [desk.line.position(holder) for holder in asked[3:]] == list(range(1, 998))
    while desk.seats:
        assert desk.open_in("geforce") <= 3
        for holder in list(desk.seats):
            desk.leave(holder)
        desk.tick(0.0)
        desk.check()
    assert desk.served == asked


def test_a_thousand_at_once_while_the_driver_gives_fewer_than_its_table_says() -> None:
    desk = Desk({"a": Pool("geforce", 3, 8)}, line_limit=1000, queue_s=None)
    asked = [f"lobby/{number}" for number in range(1000)]
    for holder in asked:
        desk.ask(request(holder, desk.now))
    assert desk.open_in("geforce") == 3 and len(desk.waiting) == 997
    while desk.seats:
        desk.leave(next(iter(desk.seats)))
        desk.tick(0.0)
    assert desk.served == asked


def test_an_hour_of_foreign_programs() -> None:
    for seed in range(2):
        dice = random.Random(seed)
        desk = Desk({"a": Pool("geforce", 8, 8), "b": Pool("b", 2, None)}, line_limit=64)
        for second in range(3600):
            for pool in desk.pools.values():
                room = pool.real - desk.open_in(pool.name)
                if dice.random() < 0.05:
                    pool.foreign = min(room, dice.randrange(7))
            if dice.random() < 0.4:
                hardware, when_full = dice.choice(list(HardwareUse)), dice.choice(list(WhenFull))
                desk.ask(request(f"{seed}/{second}", desk.now, hardware, when_full, dice.randrange(101)))
            if desk.seats and dice.random() < 0.4:
                desk.leave(dice.choice(list(desk.seats)))
            desk.tick(1.0)
            if second % 20 == 0:
                desk.check()
        heals(desk, seed)


def heals(desk: Desk, seed: int) -> None:
    """Others end, people go on asking: in a while all sessions are used again, whatever was learned before."""
    for pool in desk.pools.values():
        pool.foreign = 0
    for breaker in desk.breakers.values():
        breaker.reset(desk.now)
    for minute in range(12 * 60):
        desk.ask(request(f"after {seed}/{minute}", desk.now))
        desk.tick(60.0)
    assert {name: desk.open_in(name) for name in desk.pools} == {name: p.real for name, p in desk.pools.items()}


def test_a_cap_that_others_lowered_heals() -> None:
    pool = Pool("geforce", 8, 8)
    desk = Desk({"a": pool}, queue_s=None)
    for number in range(4):
        desk.ask(request(f"first/{number}", desk.now))
    desk.caps.refused(pool.facts, 4, None, desk.now)  # others held four, and the driver did not show it
    desk.look()
    for number in range(6):
        desk.ask(request(f"more/{number}", desk.now))
    assert len(desk.seats) == 4 and len(desk.waiting) == 6
    desk.tick(601)
    for _ in range(6):
        desk.tick(2)
    assert len(desk.seats) == 8 and desk.caps.cap(pool.facts, desk.now).limit == 8
