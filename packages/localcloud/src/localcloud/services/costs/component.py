"""``Costs``: the component that meters the cloud every few seconds into the ledger.

A cloud that is down costs nothing: metering begins anew at each start. What was used since the last turn before a kill
is lost (some seconds), except requests, which are counted from the call log.
"""

from __future__ import annotations

import calendar
import logging
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.core.billing import CLOUDWATCH, ELB, GIB, Charge, Item, Rate
from localcloud.core.interfaces import CostCounter, LogSink
from localcloud.core.registry import PageRequest, component, page
from localcloud.front.call_log import CallLog
from localcloud.services.costs import metering, prices, seeding
from localcloud.services.costs.ledger import Ledger, Line

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

EVERY = 15.0
CALLS = "calls"
"""The ledger's note of the last call that was charged."""
GB = GIB
"""AWS bills gigabytes of 2^30 bytes."""


@component()
class Costs(CostCounter):
    """What the cloud costs. ``count`` is the joint for whoever sees usage that can't be read off what exists."""

    name = "costs"

    def __init__(self, state: Path) -> None:
        self.ledger = Ledger(state / "costs.sqlite")
        self._cloud: Cloud | None = None
        self._metered: datetime | None = None
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._counted: Counter[Item] = Counter()
        self._ingested = 0
        self._unpriced: set[str] = set()

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._metered = cloud.now()
        cloud.loop("costs", EVERY, lambda: self.meter(cloud.now()))

    def dump(self) -> None:
        return None

    def load(self, state: Any) -> None:
        """Everything is in the ledger."""

    def stop(self) -> None:
        if self._cloud is not None:
            self.meter(self._cloud.now())
        self.ledger.close()

    # -- public API

    def count(self, item: Item, quantity: float) -> None:
        """Usage that was seen, in the unit of its price. From any thread; charged at the next turn."""
        with self._lock:
            self._counted[item] += quantity  # type: ignore[assignment] # a Counter of floats

    def seed(self, body: bytes) -> None:
        """Take an invented history (see ``seeding``). ``AwsError`` where it can't be understood."""
        history = seeding.read(body, self._require().now())
        if history.clear:
            self.ledger.unseed()
        self.ledger.seed(history.lines, history.items)

    def status(self) -> dict[str, Any]:
        """How old the prices are, which of them nobody confirmed, and what was used that has none."""
        oldest, newest = prices.as_of()
        return {
            "metered_until": self._metered,
            "prices_as_of": [oldest, newest],
            "unconfirmed_prices": len(prices.unconfirmed()),
            "used_without_price": sorted(self._unpriced),
        }

    # -- metering

    def meter(self, at: datetime) -> None:
        """Charge everything used since the last turn until ``at``; nothing where that isn't later."""
        cloud = self._require()
        with self._turn:
            begin = self._metered
            if begin is None or at <= begin:
                return
            with cloud.lock:
                charges = metering.charges(cloud)
                balancers = metering.balancers(cloud)
            lines = list[Line]()
            for hour, start, end in hours(begin, at):
                lines += [self._line(hour, item, used) for item, used in _existing(charges, start, end) if used]
            last = at.replace(minute=0, second=0, microsecond=0)
            notes, happened = self._happened(balancers, begin, at)
            lines += [self._line(last, item, quantity) for item, quantity in happened if quantity]
            self.ledger.add(lines, notes)
            self._metered = at

    def _happened(
        self, balancers: Iterable[tuple[str, tuple[tuple[str, str], ...]]], begin: datetime, end: datetime
    ) -> tuple[dict[str, str], list[tuple[Item, float]]]:
        """What was counted since the last turn, and what to note of how far that was."""
        cloud, notes = self._require(), dict[str, str]()
        with self._lock:
            counted, self._counted = self._counted, Counter()
        happened = [(item, float(quantity)) for item, quantity in counted.items()]
        if cloud.has(CallLog):
            last, calls = cloud.part(CallLog).counts(int(self.ledger.note(CALLS) or 0))
            notes[CALLS] = str(last)
            happened += [(metering.REQUESTS[key], float(calls[key])) for key in calls.keys() & metering.REQUESTS.keys()]
        if cloud.has(LogSink):
            ingested = cloud.part(LogSink).ingested
            item = Item(CLOUDWATCH, "APS2-DataProcessing-Bytes", "PutLogEvents")
            happened.append((item, (ingested - self._ingested) / GB))
            self._ingested = ingested
        for name, tags in balancers:
            item = Item(ELB, "APS2-LCUUsage", "LoadBalancing:Application", tags)
            happened.append((item, metering.capacity(cloud, name, begin, end)))
        return notes, happened

    def _line(self, hour: datetime, item: Item, quantity: float) -> Line:
        price = prices.find(item.service, item.usage_type)
        if price is None and item.usage_type not in self._unpriced:
            self._unpriced.add(item.usage_type)
            log.warning("the price table has no %s of %s; its cost is shown as 0", item.usage_type, item.service)
        return Line(hour, item, quantity, quantity * price.usd if price else 0.0)

    def _require(self) -> Cloud:
        if self._cloud is None:
            raise RuntimeError("costs are not started")
        return self._cloud


@page("costs")
def costs_page(cloud: Cloud, request: PageRequest) -> Any:
    """How the metering is; POST gives an invented history (see ``seeding``)."""
    costs = cloud.part(Costs)
    if request.method == "POST":
        costs.seed(request.body)
    return costs.status()


def hours(begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, datetime]]:
    """An interval cut at the full hours: the hour, and the part of it that lies in the interval."""
    while begin < end:
        hour = begin.replace(minute=0, second=0, microsecond=0)
        until = min(end, hour + timedelta(hours=1))
        yield hour, begin, until
        begin = until


def _existing(charges: Iterable[Charge], begin: datetime, end: datetime) -> Iterator[tuple[Item, float]]:
    """What exists, for an interval within one hour. A monthly price is paid in equal hours of its month."""
    length = (end - begin).total_seconds() / 3600
    month = 24 * calendar.monthrange(begin.year, begin.month)[1]
    for charge in charges:
        if isinstance(charge, Rate):
            yield charge.item, charge.amount * length / (month if charge.monthly else 1)
            continue
        cpu, memory = metering.task_items(charge)
        used = charge.hours(begin, end)
        yield cpu, charge.cpus * used
        yield memory, charge.gib * used
