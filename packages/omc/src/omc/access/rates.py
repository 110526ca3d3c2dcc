"""How often somebody may ask: a token bucket for each, in memory.

Each process counts by itself and forgets when it ends. With several servers a caller gets that much from each: this
keeps a process from being drowned; it is no quota.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

MAX_BUCKETS = 10_000
"""So many callers are remembered. Beyond that the one who asked longest ago is forgotten, and has a full bucket."""


class RateLimiter:
    """Buckets that hold so many requests as may be made in a minute, and fill at that rate."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._rate = per_minute / 60
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        """What is in each, and when that was so."""

    def take(self, who: Hashable, cost: float = 1.0) -> float:
        """Take this much out of somebody's bucket. 0 where it was there; else seconds until it will be, and nothing
        was taken."""
        cost = min(cost, self._size)
        with self._lock:
            level = self._level(who)
            is_enough = level >= cost
            self._put(who, level - cost if is_enough else level)
            return 0.0 if is_enough else (cost - level) / self._rate

    def charge(self, who: Hashable, cost: float) -> None:
        """Take this much, or all that is there: for what turned out to be dearer after it was let in."""
        with self._lock:
            self._put(who, max(0.0, self._level(who) - cost))

    def _level(self, who: Hashable) -> float:
        now = self._clock()
        level, at = self._buckets.get(who, (self._size, now))
        return min(self._size, level + (now - at) * self._rate)

    def _put(self, who: Hashable, level: float) -> None:
        self._buckets[who] = (level, self._clock())
        self._buckets.move_to_end(who)
        while len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)


def network_of(address: str) -> str:
    """Whom an address counts as: of IPv6 one customer has a /64 at least, and could take a new address each time."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
