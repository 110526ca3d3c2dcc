"""What the database's sessions wait for and how many there are, as Performance Insights tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import HALF, within
from omc.facts.followup.data_stores import DataStores
from omc.redaction import mask

MINUTES = 5
"""How far back is looked."""
LONGEST_IDLE = "db.state.idle_in_transaction_max_time"
COUNTERS = (
    "db.User.numbackends",
    "db.User.max_connections",
    "db.state.idle_count",
    "db.state.idle_in_transaction_count",
    LONGEST_IDLE,
    "db.Transactions.blocked_transactions",
)
IDLE = timedelta(minutes=1)
"""How far back is looked for sessions that are idle in a transaction: Performance Insights samples each second."""
HALF_OF_IT = 0.5
"""Share of that time, or of its own if shorter, for which a session must be idle: others are between statements."""
STATEMENT = 160
"""Characters of a statement that are kept."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Sessions that wait for one thing in one statement."""

    kind: str
    """Lock, LWLock, IO, CPU, IdleSession, Timeout … as PostgreSQL names its wait events."""
    event: str
    """``relation``, ``transactionid``, ``DataFileRead`` …"""
    statement: str
    sessions: float
    """On average over the minutes looked at."""


@dataclass(frozen=True, slots=True)
class IdleSession:
    """Who holds a transaction open and does nothing in it: sessions that wait for their client (``Client:ClientRead``).
    Performance Insights counts only those; it tells neither their process nor that they hold a lock."""

    application: str
    """What the client calls itself, ``application_name``; empty: nothing, or there are several."""
    user: str


@dataclass(frozen=True, slots=True)
class DatabaseLoad:
    waits: tuple[Wait, ...] = ()
    """The busiest first. Empty: no session was active, or Performance Insights is off."""
    counters: Mapping[str, float] = field(default_factory=dict)
    """The newest value of each counter, by its name in Performance Insights."""
    times: Mapping[str, datetime] = field(default_factory=dict)
    """When each counter was last measured: one that has nothing to tell may be left out."""
    above: Mapping[str, datetime] = field(default_factory=dict)
    """When each counter was last above zero."""
    idle: IdleSession | None = None
    """The only one that has been idle in a transaction for most of the last minute; None: nobody, or more than one."""
    newest: datetime | None = None
    """When it last measured anything; None: not within the minutes looked at."""
    is_off: bool = False
    reading: Reading = NO_READING


@reads
def read_database_load(aws: Gateway, stores: DataStores) -> DatabaseLoad:
    """Four calls, side by side; none where the database has no Performance Insights."""
    identifier = stores.database.resource_id
    if not identifier:
        return DatabaseLoad(is_off=True)
    end = datetime.now(UTC)
    request: Any = {
        "ServiceType": "RDS",
        "Identifier": identifier,
        "StartTime": end - timedelta(minutes=MINUTES),
        "EndTime": end,
    }

    def waits() -> Any:
        return aws.client("pi").describe_dimension_keys(
            **request,
            Metric="db.load.avg",
            GroupBy={"Group": "db.sql_tokenized", "Limit": 5},
            PartitionBy={"Group": "db.wait_event", "Limit": 10},
        )

    def counters() -> Any:
        queries = [{"Metric": f"{name}.avg"} for name in COUNTERS]
        return aws.client("pi").get_resource_metrics(**request, MetricQueries=queries, PeriodInSeconds=1)

    def by(group: str) -> Any:
        return aws.client("pi").describe_dimension_keys(
            **{**request, "StartTime": end - IDLE},
            Metric="db.load.avg",
            GroupBy={"Group": group, "Limit": 10},
            PartitionBy={"Group": "db.wait_event", "Limit": 10},
        )

    def read() -> DatabaseLoad:
        parts: list[Callable[[], Any]] = [waits, counters, lambda: by("db.application"), lambda: by("db.user")]
        load, measured, applications, users = parallel_map(lambda ask: ask(), parts)
        values, times, above = _newest(measured)
        idle = _idle(applications, users, values.get(LONGEST_IDLE, 0.0))
        return DatabaseLoad(_waits(load), values, times, above, idle, max(times.values(), default=None))

    return within(HALF, "the database's load in Performance Insights", read)


def _waits(record: Mapping[str, Any]) -> tuple[Wait, ...]:
    events = [each["Dimensions"] for each in record.get("PartitionKeys", ())]
    found: list[Wait] = []
    for key in record.get("Keys", ()):
        statement = " ".join(mask(key["Dimensions"].get("db.sql_tokenized.statement", "")).split())[:STATEMENT]
        for event, sessions in zip(events, key.get("Partitions", ()), strict=False):
            if sessions:
                kind, name = event.get("db.wait_event.type", ""), event.get("db.wait_event.name", "")
                found.append(Wait(kind, name.rpartition(":")[2], statement, float(sessions)))
    return tuple(sorted(found, key=lambda wait: -wait.sessions))


def _idle(applications: Mapping[str, Any], users: Mapping[str, Any], longest: float) -> IdleSession | None:
    """``longest``: seconds that a session has been idle in its transaction."""
    if longest < 1:
        return None
    least = HALF_OF_IT * min(longest, IDLE.total_seconds()) / IDLE.total_seconds()
    names, who = _reading(applications, "db.application.name", least), _reading(users, "db.user.name", least)
    return IdleSession(names[0] if len(names) == 1 else "", who[0]) if len(who) == 1 and len(names) <= 1 else None


def _reading(record: Mapping[str, Any], dimension: str, least: float) -> list[str]:
    """Of a dimension: the names of which so many sessions, on average, wait for their client in a transaction."""
    events = [each["Dimensions"].get("db.wait_event.name", "") for each in record.get("PartitionKeys", ())]
    found = []
    for key in record.get("Keys", ()):
        sessions = zip(events, key.get("Partitions", ()), strict=False)
        if sum(count or 0.0 for event, count in sessions if event.rpartition(":")[2] == "ClientRead") >= least:
            found.append(mask(key["Dimensions"].get(dimension, "")))
    return found


def _newest(record: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, datetime], dict[str, datetime]]:
    values: dict[str, float] = {}
    times: dict[str, datetime] = {}
    above: dict[str, datetime] = {}
    for each in record.get("MetricList", ()):
        name = each["Key"]["Metric"].removesuffix(".avg")
        for point in each["DataPoints"]:
            if point.get("Value") is not None:
                values[name] = float(point["Value"])
                times[name] = point["Timestamp"].astimezone(UTC)
                if values[name] > 0:
                    above[name] = times[name]
    return values, times, above
