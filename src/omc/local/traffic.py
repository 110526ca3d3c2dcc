"""A little traffic for a local stack: a bounded number of requests at a steady rate, and what they met.

For seeing the stack at work. It sends to loopback addresses only.
"""

from __future__ import annotations

import http.client
import ipaddress
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from urllib.parse import urlsplit

from omc.errors import WrongUse

PATHS = ("/", "/api/v1/prices", "/api/v1/coins", "/api/v1/prices/BTC/history", "/api/v1/prices")
MOST_REQUESTS = 20_000
TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Met:
    """What a burst of requests met: answers by status (0: no answer), and the median time in seconds."""

    statuses: Counter[int]
    median: float

    @property
    def total(self) -> int:
        return self.statuses.total()

    @property
    def good(self) -> int:
        return sum(count for status, count in self.statuses.items() if 200 <= status < 400)


def send(url: str, *, rate: float, seconds: float, paths: Sequence[str] = PATHS, workers: int = 8) -> Met:
    """Send ``rate`` requests a second for so many seconds to a loopback address and count what comes back."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    if not _is_loopback(host):
        raise WrongUse(f"Traffic is only sent to this machine, and {url} is not on it.")
    count = min(MOST_REQUESTS, int(rate * seconds))
    began = time.monotonic()

    def one(number: int, path: str) -> tuple[int, float]:
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        sent = time.monotonic()
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return 0, time.monotonic() - sent
        finally:
            connection.close()
        return answer.status, time.monotonic() - sent

    with ThreadPoolExecutor(workers) as pool:
        met = list(pool.map(one, range(count), islice(cycle(paths), count)))
    times = sorted(taken for _, taken in met)
    return Met(Counter(status for status, _ in met), times[len(times) // 2] if times else 0.0)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
