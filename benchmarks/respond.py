"""A storm of alerts: how fast they are taken in, and whether the incidents are those that should be.

`make bench-respond`. 50 services of 20 alerts each fire and end again and again: 7,000 changes of state, of which 3,000
come twice, in any order, ten to a transaction as a queue delivers them. One process, and a PostgreSQL of its own.
Expected is one incident for each service, in which all of its alerts fire, whatever the order was.

Then the whole way, from a message in the queue to a page that a receiver has, and beside it Alertmanager with the same
alerts (`tests/support/handover.py`).

The last line is one JSON object: notifications, seconds, cpu_seconds, per_second, the median and the 99th percentile of
one transaction, the incidents, how much memory the process took more while it worked, how the page got to the receiver,
and the machine.
"""

from __future__ import annotations

import json
import os
import platform
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from omc.responder.model import Notification, alert_key, digest
from omc.responder.records import rebuild, take
from omc.responder.rules import Rules
from omc.store import audit
from omc.store.database import open_store
from omc.store.incidents import incidents_of
from omc.store.location import StoreLocation
from omc.store.opened import Store

SERVICES, ALERTS, CHANGES = 50, 20, 7
"""An odd number of changes: each alert fires in the end."""
DUPLICATES = 0.3
"""Of all notifications."""
BATCH = 10
"""Messages that a queue of SQS gives at once, at most."""
ENVIRONMENT = "staging"


def storm(services: int = SERVICES, alerts: int = ALERTS, seed: int = 1) -> list[Notification]:
    """The notifications, in any order, with duplicates among them."""
    chance = random.Random(seed)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    notifications = [
        change(f"service-{service}", f"check-{alert}", number, start + timedelta(minutes=number * 3, seconds=alert))
        for service in range(services)
        for alert in range(alerts)
        for number in range(CHANGES)
    ]
    notifications += chance.sample(notifications, round(len(notifications) * DUPLICATES / (1 - DUPLICATES)))
    chance.shuffle(notifications)
    return notifications


def change(service: str, name: str, number: int, at: datetime) -> Notification:
    key = alert_key("alertmanager", ENVIRONMENT, f"{service}/{name}")
    is_end = number % 2 == 1
    return Notification(
        id=digest(key, str(number)),
        source="alertmanager",
        environment=ENVIRONMENT,
        alert_key=key,
        name=name,
        state="ended" if is_end else "firing",
        at=at,
        severity=2,
        service=service,
        title=f"{name} of {service} {'has ended' if is_end else 'fires'}",
        description="The share of failed requests is above 5 % for three minutes of five.",
        labels={"alertname": name, "service": service, "region": "ap-southeast-2", "team": "coins"},
        link="https://prometheus.example.com/graph?g0.expr=failed",
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a storm."""

    notifications: int
    new: int
    seconds: float
    cpu_seconds: float
    """Of this process, without the database's: what others do on the machine makes no difference to it."""
    per_second: float
    median_ms: float
    p99_ms: float
    incidents: int
    firing_in_them: int
    unexpected: list[str]
    """What isn't as it should be; empty: all is."""
    memory_mb: float
    """By how much the process has grown at most."""


def measure(store: Store, notifications: Sequence[Notification], services: int, alerts: int) -> Measured:
    """Take them all in, and look at what came of it."""
    rules = Rules(ENVIRONMENT)
    times: list[float] = []
    before, new, began, began_cpu = _memory(), 0, time.monotonic(), time.process_time()
    for first in range(0, len(notifications), BATCH):
        batch = notifications[first : first + BATCH]
        started = time.monotonic()
        new += sum(bool(each.outcomes) for each in take(store, rules, batch))
        times.append((time.monotonic() - started) * 1000)
    seconds, cpu, grown = time.monotonic() - began, time.process_time() - began_cpu, _memory() - before
    incidents = incidents_of(store, ENVIRONMENT)
    firing = [sum(alert.is_firing for alert in incident.alerts.values()) for incident in incidents]
    return Measured(
        notifications=len(notifications),
        new=new,
        seconds=round(seconds, 2),
        cpu_seconds=round(cpu, 2),
        per_second=round(len(notifications) / seconds),
        median_ms=round(statistics.median(times), 1),
        p99_ms=round(statistics.quantiles(times, n=100)[98], 1),
        incidents=len(incidents),
        firing_in_them=sum(firing),
        unexpected=list(_unexpected(store, services, alerts, firing, new)),
        memory_mb=round(grown, 1),
    )


def _unexpected(store: Store, services: int, alerts: int, firing: list[int], new: int) -> Iterator[str]:
    if new != services * alerts * CHANGES:
        yield f"{new} notifications were new, not {services * alerts * CHANGES}"
    if sorted(firing) != [alerts] * services:
        yield f"in the incidents fire {firing}, not {alerts} in each of {services}"
    number, wrong = rebuild(store, ENVIRONMENT)
    if number != services * alerts or wrong:
        yield f"of {number} alerts in the table {len(wrong)} aren't what their events say"
    with store.reading() as session:
        yield from audit.verify(session).problems[:3]


def _memory() -> float:
    """Megabytes that the process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="omc-bench-") as folder,
        open_store(StoreLocation(folder=Path(folder))) as store,
    ):
        measured = measure(store, storm(), SERVICES, ALERTS)
    print(
        f"{measured.notifications} notifications in {measured.seconds} s ({measured.cpu_seconds} s of CPU), "
        f"{measured.per_second} a second; {measured.incidents} incidents; {measured.memory_mb} MB more memory; "
        f"one transaction of {BATCH} in {measured.median_ms} ms, p99 {measured.p99_ms} ms"
    )
    for each in measured.unexpected:
        print(f"unexpected: {each}")
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from support import handover  # not for whoever takes the storm alone

    delivered = handover.compare(storm())
    print(f"\nOn {handover.machine()}, Python {platform.python_version()}:\n")
    print(handover.table(delivered, measured.notifications))
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps(asdict(measured) | {"delivered": [asdict(each) for each in delivered]} | machine))
    sys.exit(1 if measured.unexpected else 0)


if __name__ == "__main__":
    main()
