"""What holds for every pool, whatever its holders do: each thing is in one place, and never more than may be."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from steadycast.leases.pools import Bounds, Loan, Pool, Pressure, Ticket

Thing = list[int]
small = st.integers(0, 4)


class Holders(RuleBasedStateMachine):
    """Many holders of one pool, with a clock that only goes on."""

    @initialize(total=small, idle=small, keys=st.integers(1, 3), waiting=small, bounded=st.booleans())
    def begin(self, total: int, idle: int, keys: int, waiting: int, bounded: bool) -> None:
        limits = {"age_s": 20.0, "idle_s": 5.0, "uses": 3, "total_high": total // 2} if bounded else {}
        self.bounds = Bounds(total=total, idle=idle, keys=keys, waiting=waiting, **limits)  # type: ignore[arg-type]
        self.pool: Pool[int, Thing] = Pool(self.bounds)
        self.now = 0.0
        self.lent: list[Loan[int, Thing]] = []
        self.waiting: list[Ticket[int]] = []
        self.made = self.parted = 0
        self.ended: list[Thing] = []

    def collect(self) -> None:
        self.ended += self.pool.ended()

    @rule(seconds=st.floats(0, 8))
    def time_goes_on(self, seconds: float) -> None:
        self.now += seconds
        self.pool.prune(self.now)
        self.collect()

    @rule(key=small, works=st.booleans(), fit=st.booleans())
    def take(self, key: int, works: bool, fit: bool) -> None:
        loan = self.pool.take(key, f"holder {key}", self.now)
        self.begin_loan(loan, works, fit)

    def begin_loan(self, loan: Loan[int, Thing] | None, works: bool, fit: bool) -> None:
        self.collect()
        if loan is not None and loan.resource is not None and not fit:
            loan = self.pool.unfit(loan, self.now)
            self.collect()
        if loan is None:
            return
        if loan.resource is None and not works:
            self.pool.failed(loan, self.now)
            self.collect()
            return
        if loan.resource is None:
            self.made += 1
            self.pool.made(loan, [self.made], self.now)
        self.lent.append(loan)

    @precondition(lambda self: self.lent)
    @rule(which=st.integers(0, 99), fit=st.booleans())
    def give_back(self, which: int, fit: bool) -> None:
        loan = self.lent.pop(which % len(self.lent))
        if fit:
            self.pool.give_back(loan, self.now)
        else:
            self.pool.lose(loan, self.now)
        self.collect()

    @rule(key=small)
    def stock(self, key: int) -> None:
        self.made += 1
        if not self.pool.stock(key, [self.made], self.now):
            self.made -= 1
        self.collect()

    @precondition(lambda self: self.lent)
    @rule(which=st.integers(0, 99))
    def part(self, which: int) -> None:
        self.pool.part(self.lent.pop(which % len(self.lent)), self.now)
        self.parted += 1
        self.collect()

    @rule(key=small, patience=st.floats(0, 10))
    def wait(self, key: int, patience: float) -> None:
        ticket = self.pool.wait(key, f"waits {key}", self.now, self.now + patience)
        assert ticket is None or len(self.waiting) < self.bounds.waiting
        if ticket is not None:
            self.waiting.append(ticket)

    @rule(works=st.booleans())
    def serve(self, works: bool) -> None:
        served = self.pool.serve(self.now)
        in_turn = [ticket for ticket, loan in served if loan is not None]
        late = {ticket for ticket, loan in served if loan is None}
        assert in_turn == [one for one in self.waiting if one not in late][: len(in_turn)], "first come, first served"
        self.waiting = [one for one in self.waiting if one not in late and one not in in_turn]
        for _, loan in served:
            self.begin_loan(loan, works, True)

    @rule(pressure=st.sampled_from(Pressure))
    def press(self, pressure: Pressure) -> None:
        self.pool.press(pressure, self.now)
        self.collect()

    @invariant()
    def each_thing_is_in_one_place(self) -> None:
        told = self.pool.statistics()
        assert told.lent == len(self.lent) == len({id(loan.resource) for loan in self.lent})
        assert told.created == self.made == told.lent + told.idle + self.parted + len(self.ended)
        assert len({id(thing) for thing in self.ended}) == len(self.ended)
        assert sum(told.evicted.values()) == len(self.ended)
        assert not {id(loan.resource) for loan in self.lent} & {id(thing) for thing in self.ended}

    @invariant()
    def no_bound_is_exceeded(self) -> None:
        told = self.pool.statistics()
        assert told.lent + told.idle <= self.bounds.total
        assert told.idle <= self.bounds.idle_at(Pressure(told.pressure))
        assert told.keys <= min(self.bounds.keys, told.idle)
        assert told.waiting == len(self.waiting) <= self.bounds.waiting
        assert told.high_water <= self.bounds.total


TestHolders = Holders.TestCase
TestHolders.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
