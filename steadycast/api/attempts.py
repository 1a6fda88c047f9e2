"""Wrong tokens, counted for each address: pure bookkeeping with the time as an argument.

The same wrong token again costs nothing: a forgotten tab with an old token must not lock its whole network out, while
somebody who guesses sends a new one each time.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field

ADDRESSES = 1024
REMEMBERED = 16


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float
    seen: OrderedDict[str, None] = field(default_factory=OrderedDict)


class Attempts:
    """A token bucket for each address: `burst` wrong tokens at once, then one every `every_s` seconds."""

    def __init__(self, burst: int = 10, every_s: float = 5.0) -> None:
        self._burst = burst
        self._every_s = every_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """How long this address must wait before it is listened to again; 0: not at all."""
        bucket = self._buckets.get(_network(address))
        if bucket is None:
            return 0.0
        self._refill(bucket, now)
        return 0.0 if bucket.left >= 1 else (1 - bucket.left) * self._every_s

    def wrong(self, address: str, fingerprint: str, now: float) -> None:
        """This address sent a wrong token; `fingerprint` tells tokens apart and is no token."""
        key = _network(address)
        bucket = self._buckets.setdefault(key, _Bucket(float(self._burst), now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > ADDRESSES:
            self._buckets.popitem(last=False)
        self._refill(bucket, now)
        if fingerprint in bucket.seen:
            return
        bucket.seen[fingerprint] = None
        if len(bucket.seen) > REMEMBERED:
            bucket.seen.popitem(last=False)
        bucket.left = max(0.0, bucket.left - 1)

    def __len__(self) -> int:
        return len(self._buckets)

    def _refill(self, bucket: _Bucket, now: float) -> None:
        bucket.left = min(float(self._burst), bucket.left + max(0.0, now - bucket.at) / self._every_s)
        bucket.at = max(bucket.at, now)


def _network(address: str) -> str:
    """An IPv6 host has a whole /64 to itself, so that is what is counted."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if ip.version == 6:
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
