"""AWS's calls of Performance Insights, answered from the store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from localcloud.backends.databases import DatabaseServers
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.pi import queries
from localcloud.services.pi.catalogue import COUNTERS, GROUPS, LOADS
from localcloud.services.pi.component import Insights
from localcloud.services.pi.queries import Metric
from localcloud.services.pi.store import Point, Span, Store

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

_METRIC_TYPES = ("os", "db", "db.sql.stats", "db.sql_tokenized.stats")


def _resource(cloud: Cloud, call: Call) -> str:
    """The resource id asked for.

    AWS knows the instances that have Performance Insights on, by their DbiResourceId and by nothing else; all others,
    the instance's own identifier included, are a resource that this account has no right to.
    """
    kind, identifier = call.params["ServiceType"], call.params["Identifier"]
    if kind not in ("RDS", "DOCDB"):
        raise queries.constraint("serviceType")
    with cloud.lock:
        instance = cloud.part(DatabaseServers).by_resource_id(identifier)
        known = instance is not None and kind == "RDS" and instance.record["PerformanceInsightsEnabled"]
    if not known:
        message = f"The resource {identifier} for service type {kind} is not authorized for this account"
        raise AwsError("NotAuthorizedException", message)
    return str(identifier)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _aligned(span: Span) -> dict[str, Any]:
    return {"AlignedStartTime": _moment(span.start), "AlignedEndTime": _moment(span.end)}


@operation("pi", "GetResourceMetrics", locked=False)
def get_resource_metrics(cloud: Cloud, call: Call) -> Answer:
    resource, params = _resource(cloud, call), call.params
    alignment = params.get("PeriodAlignment") or "END_TIME"
    if alignment not in ("END_TIME", "START_TIME"):
        raise queries.constraint("periodAlignment")
    span = queries.span(params, call.at)
    requested = [(queries.metric(query["Metric"]), query) for query in params["MetricQueries"]]
    if not 1 <= len(requested) <= 15:
        raise queries.constraint("metricQueries")
    store, found = cloud.part(Insights).store, []
    for metric, query in requested:
        for dimensions, values in _series(store, resource, span, metric, query):
            key: dict[str, Any] = {"Metric": query["Metric"]}
            if dimensions:
                key["Dimensions"] = dimensions
            found.append((key, values))
    answer = queries.paged(found, params, "MetricList")
    shift = span.period if alignment == "END_TIME" else 0
    answer["MetricList"] = [
        {"Key": key, "DataPoints": _points(span, values, shift)} for key, values in answer["MetricList"]
    ]
    return {**_aligned(span), "Identifier": resource, **answer}


def _series(
    store: Store, resource: str, span: Span, metric: Metric, query: Mapping[str, Any]
) -> list[tuple[dict[str, str], dict[int, float]]]:
    """What one query asks for: the total first, then each key of its group."""
    if not metric.is_load:
        if query.get("GroupBy") or query.get("Filter"):
            raise queries.invalid(f"GroupBy and Filter are not valid for the counter metric {query['Metric']}.")
        points = store.counter(resource, metric.name, span)
        return [({}, {slot: _statistic(point, metric.statistic) for slot, point in points.items()})]
    group = queries.group(query["GroupBy"]) if query.get("GroupBy") else None
    wanted = queries.filters(query.get("Filter"))
    load = store.load(resource, span)
    keys = queries.select(load, wanted)
    found: list[tuple[dict[str, str], dict[int, float]]] = [({}, queries.series(load, list(keys)))]
    if group:
        found += [(named, queries.series(load, members)) for named, members in queries.split(load, keys, group)]
    return found


def _statistic(point: Point, statistic: str) -> float:
    values = {"sum": point.total, "min": point.minimum, "max": point.maximum, "sample_count": float(point.count)}
    return values.get(statistic, point.total / point.count)


def _points(span: Span, values: Mapping[int, float], shift: int) -> list[dict[str, Any]]:
    """A point for each period; one without ``Value`` where nothing was measured."""
    points = []
    for slot in range(span.slots):
        point: dict[str, Any] = {"Timestamp": _moment(span.start + slot * span.period + shift)}
        if slot in values:
            point["Value"] = values[slot]
        points.append(point)
    return points


@operation("pi", "DescribeDimensionKeys", locked=False)
def describe_dimension_keys(cloud: Cloud, call: Call) -> Answer:
    resource, params = _resource(cloud, call), call.params
    if not queries.metric(params["Metric"]).is_load:
        raise queries.invalid(f"The metric {params['Metric']} has no dimensions; db.load.avg has.")
    if params.get("AdditionalMetrics"):
        raise queries.invalid("localcloud has no additional metrics: statistics by statement aren't collected.")
    span, group = queries.span(params, call.at), queries.group(params["GroupBy"])
    partition = queries.group(params["PartitionBy"]) if params.get("PartitionBy") else None
    load = cloud.part(Insights).store.load(resource, span)
    keys = queries.select(load, queries.filters(params.get("Filter")))
    partitions = queries.split(load, keys, partition) if partition else []
    described = []
    for named, members in queries.split(load, keys, group):
        entry: dict[str, Any] = {"Dimensions": named, "Total": queries.total(load, members)}
        if partition:
            inside = set(members)
            entry["Partitions"] = [
                queries.total(load, [key for key in part if key in inside]) for _, part in partitions
            ]
        described.append(entry)
    answer = {**_aligned(span), **queries.paged(described, params, "Keys")}
    if partition:
        answer["PartitionKeys"] = [{"Dimensions": named} for named, _ in partitions]
    return answer


@operation("pi", "GetDimensionKeyDetails", locked=False)
def get_dimension_key_details(cloud: Cloud, call: Call) -> Answer:
    resource, params = _resource(cloud, call), call.params
    if params["Group"] != "db.sql":
        raise queries.invalid(f"This group is not a known group: {params['Group']} is not valid for current resource")
    for name in params.get("RequestedDimensions") or ():
        if name not in ("statement", "db.sql.statement"):
            raise queries.invalid(f"This dimension is not a known dimension of group db.sql: {name}")
    text = cloud.part(Insights).store.statement(resource, params["GroupIdentifier"])
    if text is None:
        raise queries.invalid(f"The group identifier is not known: no db.sql.id is {params['GroupIdentifier']}.")
    return {"Dimensions": [{"Dimension": "db.sql.statement", "Value": text, "Status": "AVAILABLE"}]}


@operation("pi", "GetResourceMetadata", locked=False)
def get_resource_metadata(cloud: Cloud, call: Call) -> Answer:
    return {"Identifier": _resource(cloud, call), "Features": {"SQL_STATISTICS": {"Status": "UNSUPPORTED"}}}


@operation("pi", "ListAvailableResourceMetrics", locked=False)
def list_available_resource_metrics(cloud: Cloud, call: Call) -> Answer:
    _resource(cloud, call)
    kinds = call.params["MetricTypes"]
    for kind in kinds:
        if kind not in _METRIC_TYPES:
            raise queries.invalid(f"This metric type is not a known metric type: {kind}")
    # Statistics by statement (db.sql.stats, db.sql_tokenized.stats) aren't collected: none are available.
    found = [
        {"Metric": name, "Description": counter.description, "Unit": counter.unit}
        for name, counter in COUNTERS.items()
        if name.partition(".")[0] in kinds
    ]
    return queries.paged(found, call.params, "Metrics")


@operation("pi", "ListAvailableResourceDimensions", locked=False)
def list_available_resource_dimensions(cloud: Cloud, call: Call) -> Answer:
    _resource(cloud, call)
    for name in call.params["Metrics"]:
        if name not in LOADS:
            raise queries.invalid(f"This metric is not a known metric: {name} is not valid for current resource")
    groups = [
        {"Group": name, "Dimensions": [{"Identifier": each} for each in dimensions]}
        for name, dimensions in GROUPS.items()
    ]
    found = [{"Metric": name, "Groups": groups} for name in call.params["Metrics"]]
    return queries.paged(found, call.params, "MetricDimensions")
