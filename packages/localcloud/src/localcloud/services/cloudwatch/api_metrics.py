"""CloudWatch's operations on metrics and dashboards: parameters in botocore's shape in, its output shape out."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError, Call, operation
from localcloud.services.cloudwatch.component import Metrics
from localcloud.services.cloudwatch.metric_math import Series
from localcloud.services.cloudwatch.queries import QueryError, Run, check_period, metric_of, read_queries, rounded_start
from localcloud.services.cloudwatch.statistics import Statistic, Summary, parse_statistic, value_of
from localcloud.services.cloudwatch.store import DAY, HOUR, Metric

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

MOST_DATA = 1000
MOST_VALUES = 150
MOST_DIMENSIONS = 30
MOST_DATAPOINTS = 100_800
MOST_STATISTICS = 1440
PAGE = 500
LARGEST = 2.0**360
"""CloudWatch refuses greater values (API reference, MetricDatum)."""


def wrong_value(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def wrong_combination(message: str) -> AwsError:
    return AwsError("InvalidParameterCombination", message)


def token(position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def position(provided: str, code: str = "InvalidNextToken") -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(provided.encode()))
    except ValueError as error:
        raise AwsError(code, "The NextToken is not one that this operation gave") from error


def seconds(provided: datetime) -> float:
    """Seconds since the epoch; a time without a zone is UTC, as AWS reads it."""
    return (provided if provided.tzinfo else provided.replace(tzinfo=UTC)).timestamp()


# Putting


@operation("cloudwatch", "PutMetricData", locked=False)
def put_metric_data(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    namespace = call.params["Namespace"]
    if namespace.startswith(("AWS/", ":")):
        raise wrong_value(f"The value {namespace} for parameter Namespace is invalid.")
    data = [*call.params.get("MetricData", ())]
    for entity in call.params.get("EntityMetricData", ()):
        data.extend(entity.get("MetricData", ()))
    if not data:
        raise AwsError("MissingParameter", "The parameter MetricData is required.")
    if len(data) > MOST_DATA:
        raise wrong_value(f"The collection MetricData must not have a size greater than {MOST_DATA}.")
    now = cloud.now().timestamp()
    samples = [_sample(f"MetricData.member.{number}", datum, now) for number, datum in enumerate(data, 1)]
    metrics = cloud.part(Metrics)
    for datum, (at, summary) in zip(data, samples, strict=True):
        metric = metric_of({"Namespace": namespace, **datum})
        resolution = 1 if datum.get("StorageResolution") == 1 else 60
        metrics.store.put(metric, datum.get("Unit") or "None", at, summary, resolution=resolution)
    # An answered call is on disk: a kill right after it loses nothing.
    metrics.store.flush()
    return {}


def _sample(where: str, datum: Mapping[str, Any], now: float) -> tuple[float, Summary]:
    dimensions = datum.get("Dimensions") or ()
    if len(dimensions) > MOST_DIMENSIONS:
        raise wrong_value(f"The collection {where}.Dimensions must not have a size greater than {MOST_DIMENSIONS}.")
    if len({pair["Name"] for pair in dimensions}) < len(dimensions):
        raise wrong_value(f"The collection {where}.Dimensions must not name a dimension twice.")
    at = seconds(datum["Timestamp"]) if datum.get("Timestamp") else now
    if not now - 14 * DAY <= at <= now + 2 * HOUR:
        raise wrong_value(
            f"The parameter {where}.Timestamp must specify a time no more than two weeks in the past"
            " and no more than two hours in the future."
        )
    if datum.get("StorageResolution") not in (None, 1, 60):
        raise wrong_value(f"The parameter {where}.StorageResolution must be 1 or 60.")
    provided = [name for name in ("Value", "Values", "StatisticValues") if datum.get(name) is not None]
    if len(provided) != 1:
        raise wrong_combination(
            f"The parameters {where}.Value, {where}.Values and {where}.StatisticValues are mutually exclusive and you"
            " have specified " + (f"{len(provided)} of them." if provided else "none of them.")
        )
    if provided == ["StatisticValues"]:
        return at, _statistic_set(where, datum["StatisticValues"])
    values = [datum["Value"]] if provided == ["Value"] else list(datum["Values"])
    counts = list(datum.get("Counts") or [1.0] * len(values))
    if not values or len(values) > MOST_VALUES or len(values) != len(counts):
        raise wrong_value(f"The parameters {where}.Values and Counts must be of the same size, 1 to {MOST_VALUES}.")
    if any(not math.isfinite(value) or abs(value) > LARGEST for value in values) or any(count <= 0 for count in counts):
        raise wrong_value(f"The value {values[0]} for parameter {where}.Value is invalid.")
    total: dict[float, float] = {}
    for value, count in zip(values, counts, strict=True):
        total[float(value)] = total.get(float(value), 0.0) + float(count)
    return at, Summary.of(total)


def _statistic_set(where: str, provided: Mapping[str, float]) -> Summary:
    count, total, least, most = (float(provided[name]) for name in ("SampleCount", "Sum", "Minimum", "Maximum"))
    if count <= 0 or least > most or not all(map(math.isfinite, (count, total, least, most))):
        raise wrong_value(f"The parameter {where}.StatisticValues is invalid.")
    return Summary.of_set(count, total, least, most)


# Reading


@operation("cloudwatch", "ListMetrics", locked=False)
def list_metrics(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    params = call.params
    wanted = [(pair["Name"], pair.get("Value")) for pair in params.get("Dimensions") or ()]
    namespace, name = params.get("Namespace"), params.get("MetricName")

    def matches(metric: Metric) -> bool:
        has = dict(metric.dimensions)
        return (
            (namespace is None or metric.namespace == namespace)
            and (name is None or metric.name == name)
            and all(key in has and (value is None or has[key] == value) for key, value in wanted)
        )

    since = cloud.now().timestamp() - (3 * HOUR if params.get("RecentlyActive") else 14 * DAY)
    after = position(params["NextToken"], "InvalidParameterValue") if params.get("NextToken") else 0
    found = [pair for pair in cloud.part(Metrics).store.metrics(active_since=since, matches=matches) if pair[0] > after]
    answer: dict[str, Any] = {
        "Metrics": [
            {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in metric.dimensions],
            }
            for _, metric in found[:PAGE]
        ]
    }
    if len(found) > PAGE:
        answer["NextToken"] = token(found[PAGE - 1][0])
    return answer


@operation("cloudwatch", "GetMetricStatistics", locked=False)
def get_metric_statistics(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    params = call.params
    names = [*(params.get("Statistics") or ()), *(params.get("ExtendedStatistics") or ())]
    if not names:
        raise wrong_combination("At least one of the parameters Statistics and ExtendedStatistics must be specified.")
    statistics: dict[str, Statistic] = {}
    for name in names:
        statistic = parse_statistic(name)
        if statistic is None:
            raise wrong_value(f"The value {name} for parameter ExtendedStatistics is not supported.")
        statistics[name] = statistic
    period, now = params["Period"], cloud.now().timestamp()
    try:
        check_period(period)
    except QueryError as error:
        raise wrong_value(str(error)) from error
    start, end = seconds(params["StartTime"]), seconds(params["EndTime"])
    if start >= end:
        raise wrong_value("The parameter StartTime must be less than the parameter EndTime.")
    request = math.ceil((end - start) / period)
    if request > MOST_STATISTICS:
        raise wrong_combination(
            f"You have requested up to {request:,} datapoints, which exceeds the limit of {MOST_STATISTICS:,}."
            " You may reduce the datapoints requested by increasing Period, or decreasing the time range."
        )
    store, metric = cloud.part(Metrics).store, metric_of(params)
    points: list[dict[str, Any]] = []
    # Samples of different units aren't added up: each unit gives datapoints of its own.
    for unit in [params["Unit"]] if params.get("Unit") else store.units(metric):
        summaries = store.read(
            metric,
            start=rounded_start(start, period, now),
            end=math.ceil(end),
            period=period,
            unit=unit,
            spread=any(statistic.needs_values for statistic in statistics.values()),
        )
        for at, summary in summaries.items():
            points.append({"Timestamp": datetime.fromtimestamp(at, UTC), "Unit": unit, **_values(statistics, summary)})
    return {"Label": params["MetricName"], "Datapoints": sorted(points, key=lambda point: point["Timestamp"])}


def _values(statistics: Mapping[str, Statistic], summary: Summary) -> dict[str, Any]:
    values = {name: value_of(statistic, summary) for name, statistic in statistics.items()}
    known = {name: value for name, value in values.items() if value is not None}
    extended = {name: value for name, value in known.items() if statistics[name].needs_values}
    simple: dict[str, Any] = {name: value for name, value in known.items() if name not in extended}
    return simple | ({"ExtendedStatistics": extended} if extended else {})


@operation("cloudwatch", "GetMetricData", locked=False)
def get_metric_data(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    params = call.params
    if len(params["MetricDataQueries"]) > PAGE:
        raise AwsError("ValidationError", f"The collection MetricDataQueries must not have more than {PAGE} members.")
    start, end = seconds(params["StartTime"]), seconds(params["EndTime"])
    if start >= end:
        raise AwsError("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    most = params.get("MaxDatapoints") or MOST_DATAPOINTS
    skipped = position(params["NextToken"]) if params.get("NextToken") else 0
    if not isinstance(skipped, int):
        raise AwsError("InvalidNextToken", "The NextToken is not one that this operation gave")
    try:
        queries = read_queries(params["MetricDataQueries"])
        run = Run(cloud.part(Metrics).store, queries, start, math.ceil(end), cloud.now().timestamp())
        found = [(query.identity, run.results(query.identity)) for query in queries.values() if query.returned]
    except QueryError as error:
        raise AwsError("ValidationError", str(error)) from error
    newest_first = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    results, following = _page(
        ((identity, series) for identity, array in found for series in array), newest_first, skipped, most
    )
    answer: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
    if following is not None:
        answer["NextToken"] = token(following)
    return answer


def _page(
    series: Iterable[tuple[str, Series]], newest_first: bool, skipped: int, most: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Results from the ``skipped``-th datapoint on, at most so many; and where the next page begins."""
    results: list[dict[str, Any]] = []
    seen = 0
    for identity, one in series:
        points = sorted(one.values.items(), reverse=newest_first)
        first, seen = seen, seen + len(points)
        if seen < skipped or (points and seen == skipped) or (not points and skipped):
            continue
        if first >= skipped + most and points:
            return results, skipped + most
        shown = points[max(0, skipped - first) : skipped + most - first]
        results.append(
            {
                "Id": identity,
                "Label": one.label,
                "Timestamps": [datetime.fromtimestamp(at, UTC) for at, _ in shown],
                "Values": [value for _, value in shown],
                "StatusCode": "PartialData" if seen > skipped + most else "Complete",
            }
        )
        if seen > skipped + most:
            return results, skipped + most
    return results, None


# Dashboards


@operation("cloudwatch", "PutDashboard")
def put_dashboard(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    try:
        body = json.loads(call.params["DashboardBody"])
    except ValueError as error:
        raise _bad_dashboard("/", f"The body is not valid JSON: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("widgets"), list):
        raise _bad_dashboard("/widgets", "The body should have the required property 'widgets', an array")
    cloud.part(Metrics).dashboards[call.params["DashboardName"]] = (call.params["DashboardBody"], cloud.now())
    return {"DashboardValidationMessages": []}


def _bad_dashboard(path: str, message: str) -> AwsError:
    return AwsError("InvalidParameterInput", f"The field DashboardBody must be a valid JSON object. {path}: {message}")


def _dashboard_arn(cloud: Cloud, name: str) -> str:
    return f"arn:{cloud.settings.partition}:cloudwatch::{cloud.settings.account}:dashboard/{name}"


@operation("cloudwatch", "GetDashboard")
def get_dashboard(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    name = call.params["DashboardName"]
    found = cloud.part(Metrics).dashboards.get(name)
    if found is None:
        raise AwsError("ResourceNotFound", f"Dashboard {name} does not exist", 404)
    return {"DashboardArn": _dashboard_arn(cloud, name), "DashboardBody": found[0], "DashboardName": name}


@operation("cloudwatch", "ListDashboards")
def list_dashboards(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    prefix = call.params.get("DashboardNamePrefix") or ""
    entries = [
        {
            "DashboardName": name,
            "DashboardArn": _dashboard_arn(cloud, name),
            "LastModified": changed,
            "Size": len(body.encode()),
        }
        for name, (body, changed) in sorted(cloud.part(Metrics).dashboards.items())
        if name.startswith(prefix)
    ]
    return {"DashboardEntries": entries}


@operation("cloudwatch", "DeleteDashboards")
def delete_dashboards(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    dashboards = cloud.part(Metrics).dashboards
    missing = [name for name in call.params["DashboardNames"] if name not in dashboards]
    if missing:
        raise AwsError("ResourceNotFound", f"Dashboard {missing[0]} does not exist", 404)
    for name in call.params["DashboardNames"]:
        dashboards.pop(name, None)
    return {}
