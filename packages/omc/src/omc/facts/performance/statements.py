"""The database's load by statement and by what it waits for, and counters, from the Performance Insights API.

The API stays; its console ended on 31 July 2026 and is CloudWatch Database Insights since (RDS user guide). Its
Standard mode keeps seven days unless a longer retention is paid for. botocore's model says both that nothing earlier
than seven days ago may be asked for and that the retention can be longer: what is kept is asked for, and a refusal
costs the comparison only. Plans are given for Aurora alone (the same model, DescribeDimensionKeys, ``db.plans``),
and nothing tells of tables or indexes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import OmcError
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import within
from omc.facts.pending import Pending
from omc.facts.scope import Scope
from omc.model.week_change import shift_of
from omc.redaction import mask

BUDGET = 10.0
STATEMENTS, WAITS = 20, 10
"""At most this many statements, and kinds of waiting of each: the API gives 25."""
MARGIN = timedelta(hours=1)
"""What lies at the end of the retention may be gone while it is asked for."""
HOUR = 3600
MOST_PAGES = 8
STATEMENT = 200
"""Characters of a statement that are kept."""
CONNECTIONS = "db.User.max_connections.max"
IDLE_TIME = "db.state.idle_in_transaction_max_time.max"
IDLE_COUNT = "db.state.idle_in_transaction_count.max"
RETURNED, FETCHED = "db.SQL.tup_returned.avg", "db.SQL.tup_fetched.avg"
COUNTERS = (CONNECTIONS, IDLE_TIME, IDLE_COUNT, RETURNED, FETCHED)
"""Source: RDS user guide, Performance Insights counter metrics, native counters of RDS for PostgreSQL."""


@dataclass(frozen=True, slots=True)
class StatementLoad:
    """One statement, without its values."""

    id: str
    """A digest of it, which Performance Insights gives."""
    text: str
    sessions: float
    """Average active sessions over the period."""
    waits: tuple[tuple[str, float], ...] = ()
    """What for (``IO:DataFileRead``; ``CPU`` is none) and how many sessions of it; the most first."""


@dataclass(frozen=True, slots=True)
class StatementLoads:
    now: tuple[StatementLoad, ...] = ()
    """The busiest first."""
    before: tuple[StatementLoad, ...] | None = None
    """Of the period before; None: not known."""
    why_not_before: str = ""
    counters: Mapping[str, tuple[tuple[datetime, float], ...]] = field(default_factory=dict)
    """By hour, of the period that is reviewed."""
    is_off: bool = False
    """Performance Insights is off, or there is no database."""
    mode: str = ""
    """``standard`` or ``advanced``: the mode of CloudWatch Database Insights."""
    covered: timedelta = timedelta(0)
    """How much of the period is kept."""
    reading: Reading = NO_READING


@reads
def read_statement_loads(aws: Gateway, pending: Pending, scope: Scope) -> StatementLoads:
    """Three calls, side by side; none where Performance Insights is off."""
    database = pending.database
    if not database or not database.get("PerformanceInsightsEnabled"):
        return StatementLoads(is_off=True)
    kept = timedelta(days=database.get("PerformanceInsightsRetentionPeriod") or 7) - MARGIN
    identifier = database["DbiResourceId"]
    covered = min(scope.since, kept)
    begin = scope.now - covered
    earlier = scope.now - shift_of(scope.since) - scope.since
    is_kept = scope.now - earlier <= kept

    def before() -> tuple[tuple[StatementLoad, ...] | None, str]:
        if not is_kept:
            days = database.get("PerformanceInsightsRetentionPeriod") or 7
            return (
                None,
                f"statements are kept for {days} days; performance_insights_retention_period = 31 keeps a month",
            )
        try:
            return _loads(aws, identifier, earlier, earlier + scope.since), ""
        except OmcError as error:  # what is reviewed is known without it
            return None, error.message

    def read() -> StatementLoads:
        parts: list[Callable[[], Any]] = [
            lambda: _loads(aws, identifier, begin, scope.now),
            before,
            lambda: _counters(aws, identifier, begin, scope.now),
        ]
        now, (earlier_loads, why), counters = parallel_map(lambda ask: ask(), parts)
        mode = database.get("DatabaseInsightsMode", "")
        return StatementLoads(now, earlier_loads, why, counters, mode=mode, covered=covered)

    return within(BUDGET, "the load by statement in Performance Insights", read)


def _loads(aws: Gateway, identifier: str, begin: datetime, end: datetime) -> tuple[StatementLoad, ...]:
    record: Any = aws.client("pi").describe_dimension_keys(
        ServiceType="RDS",
        Identifier=identifier,
        StartTime=begin,
        EndTime=end,
        Metric="db.load.avg",
        GroupBy={"Group": "db.sql_tokenized", "Limit": STATEMENTS},
        PartitionBy={"Group": "db.wait_event", "Limit": WAITS},
    )
    return loads_of(record)


def loads_of(record: Mapping[str, Any]) -> tuple[StatementLoad, ...]:
    """Of an answer, the busiest statement first."""
    events = [_event(each["Dimensions"]) for each in record.get("PartitionKeys", ())]
    found = []
    for key in record.get("Keys", ()):
        dimensions = key["Dimensions"]
        waits = [
            (event, float(count)) for event, count in zip(events, key.get("Partitions", ()), strict=False) if count
        ]
        text = " ".join(mask(dimensions.get("db.sql_tokenized.statement", "")).split())[:STATEMENT]
        identifier = dimensions.get("db.sql_tokenized.id", "") or text
        load = StatementLoad(
            identifier, text, float(key.get("Total") or 0.0), tuple(sorted(waits, key=lambda wait: -wait[1]))
        )
        found.append(load)
    return tuple(sorted(found, key=lambda load: -load.sessions))


def _event(dimensions: Mapping[str, str]) -> str:
    name, kind = dimensions.get("db.wait_event.name", ""), dimensions.get("db.wait_event.type", "")
    return name if ":" in name or name == kind or not kind else f"{kind}:{name}"


def _counters(
    aws: Gateway, identifier: str, begin: datetime, end: datetime
) -> dict[str, tuple[tuple[datetime, float], ...]]:
    found: dict[str, list[tuple[datetime, float]]] = {}
    request: dict[str, Any] = {
        "ServiceType": "RDS",
        "Identifier": identifier,
        "StartTime": begin,
        "EndTime": end,
        "PeriodInSeconds": HOUR,
        "MetricQueries": [{"Metric": name} for name in COUNTERS],
    }
    for _ in range(MOST_PAGES):
        page: Any = aws.client("pi").get_resource_metrics(**request)
        for each in page.get("MetricList", ()):
            points = found.setdefault(each["Key"]["Metric"], [])
            points += [
                (point["Timestamp"].astimezone(UTC), float(point["Value"]))
                for point in each["DataPoints"]
                if point.get("Value") is not None
            ]
        if not page.get("NextToken"):
            break
        request["NextToken"] = page["NextToken"]
    return {name: tuple(points) for name, points in found.items() if points}
