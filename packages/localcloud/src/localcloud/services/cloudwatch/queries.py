"""Answers a set of metric queries (metrics and expressions) over a span of time: GetMetricData and alarms alike.

In: queries in the shape of botocore's ``MetricDataQueries`` and a store. Out: time series by query. Paging, order and
which series are returned is the operations' business; judging them is the alarms'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from localcloud.services.cloudwatch.expressions import ExpressionError, Node, functions, names, parse
from localcloud.services.cloudwatch.metric_math import FUNCTIONS, EvaluationContext, Series, Value, evaluate
from localcloud.services.cloudwatch.search import parse_search
from localcloud.services.cloudwatch.statistics import Statistic, parse_statistic, value_of
from localcloud.services.cloudwatch.store import DAY, HOUR, Metric, Store

_IDENTITY = re.compile(r"[a-z][a-zA-Z0-9_]*$")
MOST_SEARCHED = 500
"""Time series that one SEARCH returns at most (CloudWatch user guide)."""


class QueryError(ValueError):
    """A query that cannot be answered, in one sentence."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One statistic of one metric in periods of so many seconds."""

    metric: Metric
    statistic: Statistic
    statistic_name: str
    period: int
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A metric or an expression under an identifier."""

    identity: str
    source: Fetch | Node
    label: str | None
    returned: bool
    period: int | None
    text: str = ""


def metric_of(parameters: Mapping[str, Any]) -> Metric:
    """The metric that botocore-shaped parameters (Namespace, MetricName, Dimensions) name."""
    dimensions = {pair["Name"]: pair["Value"] for pair in parameters.get("Dimensions") or ()}
    return Metric.of(parameters.get("Namespace", ""), parameters.get("MetricName", ""), dimensions)


def check_period(period: int) -> None:
    """Periods are 1, 5, 10, 20, 30 s or whole minutes."""
    if period not in (1, 5, 10, 20, 30) and (period <= 0 or period % 60):
        raise QueryError(f"Period must be 1, 5, 10, 20, 30 or a multiple of 60, not {period}")


def read_queries(parameters: Sequence[Mapping[str, Any]]) -> dict[str, Query]:
    """Checked queries by identifier, in the order given; ``QueryError`` where one is wrong."""
    queries: dict[str, Query] = {}
    for entry in parameters:
        identity = entry.get("Id", "")
        if not _IDENTITY.match(identity):
            raise QueryError(f"The value {identity!r} for parameter Id must begin with a lower case letter")
        if identity in queries:
            raise QueryError(f"The values for parameter id in parameter MetricDataQueries are not unique: {identity}")
        stat, text = entry.get("MetricStat"), entry.get("Expression")
        if (stat is None) == (text is None):
            raise QueryError(f"Query {identity} must have either a MetricStat or an Expression")
        returned = entry.get("ReturnData")
        queries[identity] = Query(
            identity=identity,
            source=_fetch(identity, stat) if stat is not None else _expression(identity, str(text)),
            label=entry.get("Label"),
            returned=True if returned is None else bool(returned),
            period=entry.get("Period"),
            text=text or "",
        )
    for query in queries.values():
        if not isinstance(query.source, Fetch):
            unknown = names(query.source) - queries.keys()
            if unknown:
                raise QueryError(
                    f"Error in expression '{query.identity}': the identifier {min(unknown)} is not in the request"
                )
    return queries


def _fetch(identity: str, stat: Mapping[str, Any]) -> Fetch:
    name = stat.get("Stat", "")
    statistic = parse_statistic(name)
    if statistic is None:
        raise QueryError(f"The value {name!r} for parameter Stat of query {identity} is not a supported statistic")
    check_period(stat["Period"])
    return Fetch(metric_of(stat["Metric"]), statistic, name, stat["Period"], stat.get("Unit"))


def _expression(identity: str, text: str) -> Node:
    if text.lstrip()[:6].upper() == "SELECT":
        raise QueryError(f"Query {identity}: Metrics Insights (SELECT) is not supported by localcloud; use SEARCH")
    try:
        node = parse(text)
    except ExpressionError as error:
        raise QueryError(f"Error in expression '{identity}': {error}") from error
    refused = functions(node) - FUNCTIONS
    if refused:
        raise QueryError(
            f"Error in expression '{identity}': the function {min(refused)} is not supported by localcloud"
        )
    return node


def fetch(store: Store, wanted: Fetch, start: int, end: int) -> dict[int, tuple[float, float]]:
    """Value and sample count by period; a period without samples has no entry."""
    summaries = store.read(
        wanted.metric,
        start=start,
        end=end,
        period=wanted.period,
        unit=wanted.unit,
        spread=wanted.statistic.needs_values,
    )
    found = {at: (value_of(wanted.statistic, summary), summary.count) for at, summary in summaries.items()}
    return {at: (value, count) for at, (value, count) in found.items() if value is not None}


class Run:
    """The queries of one request over one span; each is computed once, when something asks for it."""

    def __init__(
        self,
        store: Store,
        queries: Mapping[str, Query],
        start: float,
        end: float,
        now: float,
        *,
        rounding: bool = True,
    ) -> None:
        """``rounding`` rounds the start down as GetMetricData does; alarms have chosen their periods already."""
        self._store = store
        self._queries = queries
        self._rounding = rounding
        self._start, self._end, self._now = start, end, now
        self._values: dict[str, Value] = {}
        self._open: list[str] = []

    def results(self, identity: str) -> tuple[Series, ...]:
        """The series of one query, labelled; ``QueryError`` where its expression has no value."""
        query = self._queries[identity]
        try:
            value = self._value(identity)
        except ExpressionError as error:
            raise QueryError(f"Error in expression '{identity}': {error}") from error
        if isinstance(value, float):
            raise QueryError(
                f"Error in expression '{identity}': the result must be a time series or an array of time series,"
                " not a number"
            )
        if isinstance(query.source, Fetch):
            return (self._labelled(query, value),) if isinstance(value, Series) else value
        if isinstance(value, Series):
            return (replace(value, label=query.label if query.label is not None else query.identity),)
        prefix = f"{query.label} " if query.label else ""
        return tuple(replace(series, label=f"{prefix}{series.label}") for series in value)

    def _value(self, identity: str) -> Value:
        if identity in self._values:
            return self._values[identity]
        if identity in self._open:
            raise ExpressionError(f"the expressions {', '.join(self._open)} refer to each other in a circle")
        query = self._queries[identity]
        self._open.append(identity)
        try:
            if isinstance(query.source, Fetch):
                value: Value = self._fetched(identity, query.source)
            else:
                value = evaluate(query.source, self._surroundings(query))
        finally:
            self._open.pop()
        self._values[identity] = value
        return value

    def _fetched(self, identity: str, wanted: Fetch) -> Series:
        start = self._first(wanted.period)
        points = fetch(self._store, wanted, start, int(self._end))
        values = {at: value for at, (value, _) in points.items()}
        return Series(identity, wanted.metric.name, wanted.period, values, metric=True)

    def _first(self, period: int) -> int:
        return rounded_start(self._start, period, self._now) if self._rounding else int(self._start)

    def _surroundings(self, query: Query) -> EvaluationContext:
        period = query.period or max(self._periods(query.identity, set()), default=300)
        start = self._first(period)
        return EvaluationContext(
            look_up=self._value,
            metrics=self._metrics,
            search=lambda pattern, statistic, length: self._search(pattern, statistic, length or period),
            grid=range(start, int(self._end), period),
            period=period,
        )

    def _periods(self, identity: str, seen: set[str]) -> set[int]:
        query = self._queries[identity]
        if isinstance(query.source, Fetch):
            return {query.source.period}
        seen.add(identity)
        used = names(query.source) - seen
        if "METRICS" in functions(query.source):
            used |= {other.identity for other in self._queries.values() if isinstance(other.source, Fetch)}
        return set().union(*(self._periods(other, seen) for other in used))

    def _metrics(self) -> tuple[Series, ...]:
        values = [self._value(query.identity) for query in self._queries.values() if isinstance(query.source, Fetch)]
        return tuple(value for value in values if isinstance(value, Series))

    def _search(self, pattern: str, statistic_name: str, period: int) -> tuple[Series, ...]:
        statistic = parse_statistic(statistic_name)
        if statistic is None:
            raise ExpressionError(f"SEARCH: {statistic_name!r} is not a supported statistic")
        check_period(period)
        found = self._store.metrics(active_since=self._now - 14 * DAY, matches=parse_search(pattern))
        start = self._first(period)
        series = []
        for number, (_, metric) in enumerate(found[:MOST_SEARCHED]):
            wanted = Fetch(metric, statistic, statistic_name, period)
            values = {at: value for at, (value, _) in fetch(self._store, wanted, start, int(self._end)).items()}
            label = " ".join([metric.name, *(value for _, value in metric.dimensions)])
            series.append(Series(f"search{number}", label, period, values))
        return tuple(series)

    def _labelled(self, query: Query, series: Series) -> Series:
        if query.label is None or not isinstance(query.source, Fetch):
            return series
        return replace(series, label=_fill_in(query.label, query.source, series))


def rounded_start(start: float, period: int, now: float) -> int:
    """Where the first period begins: CloudWatch rounds the start down, more coarsely the older it is."""
    if period < 60:
        step = period
    elif start >= now - 15 * DAY:
        step = 60
    elif start >= now - 63 * DAY:
        step = 300
    else:
        step = HOUR
    return int(start) // step * step


_LABEL = re.compile(r"\$\{\s*(?:PROP\(\s*'([^']+)'\s*\)|([A-Z_]+))\s*\}")


def _fill_in(label: str, wanted: Fetch, series: Series) -> str:
    """Dynamic labels: ``${PROP('Dim.Name')}``, ``${LABEL}``, ``${MAX}`` … Unknown ones stay as they are."""
    values = list(series.values.values())
    last = series.values[max(series.values)] if values else None
    known: dict[str, Any] = {
        "LABEL": series.label,
        "DATAPOINT_COUNT": len(values),
        "MIN": min(values, default=None),
        "MAX": max(values, default=None),
        "SUM": sum(values) if values else None,
        "AVG": sum(values) / len(values) if values else None,
        "LAST": last,
    }
    properties = {
        "Namespace": wanted.metric.namespace,
        "MetricName": wanted.metric.name,
        "Stat": wanted.statistic_name,
        "Period": str(wanted.period),
        **{f"Dim.{name}": value for name, value in wanted.metric.dimensions},
    }

    def fill(found: re.Match[str]) -> str:
        if found[1]:
            return properties.get(found[1], "")
        if found[2] not in known:
            return found[0]
        value = known[found[2]]
        return "--" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

    return _LABEL.sub(fill, label)
