"""One book for all that is dear to make and kept for the next who wants it: spare workers, parked encoders, buffers.
It counts and decides, with the time as an argument; it never makes, checks, resets or ends a thing, and waits for
nobody."""

from steadycast.leases.pools.bounds import Bounds, Pressure, host_pressure
from steadycast.leases.pools.loans import Evicted, Loan, LoanError, Ticket
from steadycast.leases.pools.pool import Pool
from steadycast.leases.pools.registry import Pools
from steadycast.leases.pools.statistics import PoolStatistics

__all__ = [
    "Bounds",
    "Evicted",
    "Loan",
    "LoanError",
    "Pool",
    "PoolStatistics",
    "Pools",
    "Pressure",
    "Ticket",
    "host_pressure",
]
