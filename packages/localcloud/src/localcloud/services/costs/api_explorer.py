"""Cost Explorer's operations (``ce``), answered from the ledger at once; AWS's own data is up to a day old.

AWS serves them from us-east-1 only; here any region does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.costs import anomalies, expressions, forecast, periods
from localcloud.services.costs.component import Costs
from localcloud.services.costs.expressions import Location
from localcloud.services.costs.ledger import Line
from localcloud.services.costs.periods import Period, invalid
from localcloud.services.costs.sums import METRICS, Sum, amount, by_day

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

PAGE_GROUPS = 1000
"""Groups after which a page of GetCostAndUsage ends, always with a whole period."""
MOST_VALUES = 1000
FORECAST_METRICS = ("UNBLENDED_COST", "BLENDED_COST", "AMORTIZED_COST", "NET_UNBLENDED_COST", "NET_AMORTIZED_COST")
ANOMALY_DAYS = 90


def place(cloud: Cloud) -> Location:
    return Location(cloud.settings.account, cloud.settings.region)


def lines(cloud: Cloud, period: Period, expression: Mapping[str, Any] | None = None) -> list[Line]:
    """What a filter lets through of a period."""
    passes = expressions.wanted(expression, place(cloud))
    return [line for line in cloud.part(Costs).ledger.lines(period.start, period.end) if passes(line.item)]


@operation("ce", "GetCostAndUsage", locked=False)
def get_cost_and_usage(cloud: Cloud, call: Call) -> Answer:
    granularity, metrics = call.params["Granularity"], _metrics(call.params.get("Metrics", []))
    period = periods.past(call.params["TimePeriod"], granularity, call.at)
    groups = expressions.groupings(call.params.get("GroupBy", []))
    found = lines(cloud, period, call.params.get("Filter"))
    buckets = list(periods.cut(period, granularity))
    position = _position(call)
    answer: dict[str, Any] = {"ResultsByTime": [], "DimensionValueAttributes": []}
    if groups:
        answer["GroupDefinitions"] = [dict(each) for each in call.params["GroupBy"]]
    if any(not group.tag and group.key == "LINKED_ACCOUNT" for group in groups):
        attributes = {"description": "localcloud"}
        answer["DimensionValueAttributes"] = [{"Value": cloud.settings.account, "Attributes": attributes}]
    by_bucket = _by_bucket(found, buckets)
    shown = 0
    for number, bucket in enumerate(buckets[position:], position):
        if shown >= PAGE_GROUPS:
            answer["NextPageToken"] = _token(call, number)
            break
        result = _result(by_bucket[number], groups, metrics, place(cloud))
        shown += max(1, len(result["Groups"]))
        estimated = bucket.end > periods.month(call.at)  # a month's figures are final when the month is over
        answer["ResultsByTime"].append({"TimePeriod": bucket.shown(granularity), **result, "Estimated": estimated})
    return answer


def _metrics(requested: Sequence[str]) -> list[str]:
    if not requested:
        raise invalid("At least one metric must be specified.")
    # AWS takes a metric in any case of letters, and answers with its own.
    known = {metric.lower(): metric for metric in METRICS}
    for metric in requested:
        if metric.replace("_", "").lower() not in known:
            raise invalid(f"Metric {metric} is invalid. Valid values: {', '.join(METRICS)}.")
    return list(dict.fromkeys(known[metric.replace("_", "").lower()] for metric in requested))


def _by_bucket(found: Iterable[Line], buckets: Sequence[Period]) -> list[list[Line]]:
    """Lines by the bucket they are in; both are in order of time."""
    sorted_in: list[list[Line]] = [[] for _ in buckets]
    number = 0
    for line in found:
        while line.hour >= buckets[number].end:
            number += 1
        sorted_in[number].append(line)
    return sorted_in


def _result(
    found: Iterable[Line], groups: Sequence[expressions.Grouping], metrics: Sequence[str], where: Location
) -> dict[str, Any]:
    if not groups:
        total = Sum()
        for line in found:
            total.add(line)
        return {"Total": total.shown(metrics), "Groups": []}
    sums: dict[tuple[str, ...], Sum] = {}
    for line in found:
        sums.setdefault(tuple(group.of(line.item, where) for group in groups), Sum()).add(line)
    return {
        "Total": {},
        "Groups": [{"Keys": list(keys), "Metrics": each.shown(metrics)} for keys, each in sorted(sums.items())],
    }


def _digest(call: Call) -> str:
    request = {name: value for name, value in call.params.items() if name != "NextPageToken"}
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _token(call: Call, position: int) -> str:
    return f"{position}:{_digest(call)}"


def _position(call: Call) -> int:
    token = call.params.get("NextPageToken")
    if not token:
        return 0
    number, _, digest = str(token).partition(":")
    if not number.isdecimal():
        raise AwsError("InvalidNextTokenException", "The pagination token is invalid. Try again without it.")
    if digest != _digest(call):
        raise AwsError(
            "RequestChangedException",
            "Your request parameters changed between pages. Try again with the old parameters.",
        )
    return int(number)


@operation("ce", "GetCostForecast", locked=False)
def get_cost_forecast(cloud: Cloud, call: Call) -> Answer:
    """The mean of the last thirty whole days for each day asked for; what was spent already is not in it."""
    granularity, metric = call.params["Granularity"], call.params["Metric"]
    request = call.params["TimePeriod"]
    if granularity == "HOURLY" or metric not in FORECAST_METRICS:
        raise invalid(f"localcloud forecasts no {granularity} {metric}, only costs by DAILY or MONTHLY.")
    if request["Start"] >= request["End"]:
        raise invalid(f"Requested Start: {request['Start']} must be before requested End: {request['End']}")
    period = periods.read(request, granularity)
    if period.start < periods.day(call.at):
        raise invalid("Start date should be equal to or later than the current date.")
    daily = history(cloud, call.at, call.params.get("Filter"))
    if len(daily) < forecast.LEAST_DAYS:
        raise AwsError("DataUnavailableException", "Insufficient amount of historical data.")
    level = int(call.params.get("PredictionIntervalLevel", forecast.DEFAULT_LEVEL))
    results = []
    for bucket in periods.cut(period, granularity):
        coming = forecast.forecast(daily, bucket.days, level)
        results.append(
            {
                "TimePeriod": bucket.shown(),
                "MeanValue": amount(coming.mean),
                "PredictionIntervalLowerBound": amount(coming.lower),
                "PredictionIntervalUpperBound": amount(coming.upper),
            }
        )
    total = forecast.forecast(daily, period.days, level)
    return {"Total": {"Amount": amount(total.mean), "Unit": "USD"}, "ForecastResultsByTime": results}


def history(cloud: Cloud, now: datetime, expression: Mapping[str, Any] | None = None) -> list[float]:
    """The costs of the last whole days, oldest first, from the first whole day that the ledger knows."""
    first, today = cloud.part(Costs).ledger.first(), periods.day(now)
    if first is None:
        return []
    begin = first if first == periods.day(first) else periods.day(first) + timedelta(days=1)
    start = max(begin, today - timedelta(days=forecast.DAYS))
    if start >= today:
        return []
    days = by_day(lines(cloud, Period(start, today), expression))
    return [days.get((start + timedelta(days=number)).date(), 0.0) for number in range((today - start).days)]


@operation("ce", "GetDimensionValues", locked=False)
def get_dimension_values(cloud: Cloud, call: Call) -> Answer:
    dimension = call.params["Dimension"]
    expressions.check_dimension(dimension)
    return _values(cloud, call, "DimensionValues", lambda item: [expressions.value(item, dimension, place(cloud))])


@operation("ce", "GetTags", locked=False)
def get_tags(cloud: Cloud, call: Call) -> Answer:
    """The tag keys that were used, or one key's values; the empty value means that something doesn't have it."""
    key = call.params.get("TagKey")
    if key is None:
        return _values(cloud, call, "Tags", lambda item: [name for name, _ in item.tags])
    return _values(cloud, call, "Tags", lambda item: [dict(item.tags).get(key, "")])


def _values(cloud: Cloud, call: Call, name: str, values_of: Any) -> Answer:
    """Distinct values, searched, sorted (by name, or by a cost metric where that is asked for) and cut into pages."""
    period = periods.past(call.params["TimePeriod"], "DAILY", call.at)
    search = str(call.params.get("SearchString", "")).lower()
    sums: dict[str, Sum] = {}
    for line in lines(cloud, period, call.params.get("Filter")):
        for value in values_of(line.item):
            if search in value.lower():
                sums.setdefault(value, Sum()).add(line)
    found = sorted(sums)
    order = (call.params.get("SortBy") or [None])[0]
    if order:
        (metric,) = _metrics([order["Key"]])
        weigh = (lambda value: sums[value].quantity) if metric == "UsageQuantity" else (lambda value: sums[value].cost)
        found.sort(key=weigh, reverse=order.get("SortOrder") != "ASCENDING")
    start, size = _position(call), int(call.params.get("MaxResults", MOST_VALUES))
    page = found[start : start + size]
    shown = page if name == "Tags" else [{"Value": value, "Attributes": {}} for value in page]
    answer: dict[str, Any] = {name: shown, "ReturnSize": len(page), "TotalSize": len(found)}
    if start + size < len(found):
        answer["NextPageToken"] = _token(call, start + size)
    return answer


def monitor_arn(cloud: Cloud) -> str:
    identity = hashlib.md5(cloud.settings.account.encode(), usedforsecurity=False).hexdigest()
    parts = (identity[:8], identity[8:12], identity[12:16], identity[16:20], identity[20:])
    return f"arn:{cloud.settings.partition}:ce::{cloud.settings.account}:anomalymonitor/{'-'.join(parts)}"


@operation("ce", "GetAnomalyMonitors", locked=False)
def get_anomaly_monitors(cloud: Cloud, call: Call) -> Answer:
    """The one monitor that AWS makes for every account: each service by itself."""
    arn, request = monitor_arn(cloud), call.params.get("MonitorArnList")
    for each in request or ():
        if each != arn:
            raise AwsError("UnknownMonitorException", f"The cost anomaly monitor {each} does not exist.")
    first = cloud.part(Costs).ledger.first() or call.at
    services = {line.item.service for line in lines(cloud, _recent(call.at))}
    monitor = {
        "MonitorArn": arn,
        "MonitorName": "Default-Services-Monitor",
        "CreationDate": first.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "LastEvaluatedDate": call.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "MonitorType": "DIMENSIONAL",
        "MonitorDimension": "SERVICE",
        "DimensionalValueCount": len(services),
    }
    return {"AnomalyMonitors": [monitor]}


def _recent(now: datetime) -> Period:
    """The days that anomalies are kept of, and those before that they are judged by."""
    today = periods.day(now)
    return Period(today - timedelta(days=ANOMALY_DAYS + anomalies.LOOK_BACK), today)


@operation("ce", "GetAnomalies", locked=False)
def get_anomalies(cloud: Cloud, call: Call) -> Answer:
    """The newest first."""
    request = call.params["DateInterval"]
    start = _date(request["StartDate"])
    end = _date(request["EndDate"]) if request.get("EndDate") else call.at.date()
    if start > end:
        raise invalid("Start date should be before end date")
    if call.params.get("MonitorArn", monitor_arn(cloud)) != monitor_arn(cloud):
        raise AwsError(
            "UnknownMonitorException", f"The cost anomaly monitor {call.params['MonitorArn']} does not exist."
        )
    kept = call.at.date() - timedelta(days=ANOMALY_DAYS)
    by_service: dict[str, list[Line]] = {}
    for line in lines(cloud, _recent(call.at)):
        by_service.setdefault(line.item.service, []).append(line)
    found = [
        _anomaly(cloud, service, each, used)
        for service, used in by_service.items()
        for each in anomalies.find(by_day(used))
        if each.last >= max(start, kept) and each.first <= end and _matters(each, call.params.get("TotalImpact"))
    ]
    if call.params.get("Feedback"):
        found = []  # nobody can give feedback here
    found.sort(key=lambda each: (each["AnomalyStartDate"], each["Impact"]["TotalImpact"]), reverse=True)
    at, size = _position(call), int(call.params.get("MaxResults", 100))
    answer: dict[str, Any] = {"Anomalies": found[at : at + size]}
    if at + size < len(found):
        answer["NextPageToken"] = _token(call, at + size)
    return answer


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise invalid(f"Date {text} is invalid. Valid format is: yyyy-MM-dd.") from None


def _matters(anomaly: anomalies.Anomaly, request: Mapping[str, Any] | None) -> bool:
    if not request:
        return True
    impact, low = anomaly.impact, float(request["StartValue"])
    return {
        "EQUAL": impact == low,
        "GREATER_THAN": impact > low,
        "GREATER_THAN_OR_EQUAL": impact >= low,
        "LESS_THAN": impact < low,
        "LESS_THAN_OR_EQUAL": impact <= low,
        "BETWEEN": low <= impact <= float(request.get("EndValue", low)),
    }[request["NumericOperator"]]


def _anomaly(cloud: Cloud, service: str, found: anomalies.Anomaly, used: Iterable[Line]) -> dict[str, Any]:
    identity = hashlib.md5(f"{service} {found.first}".encode(), usedforsecurity=False).hexdigest()
    score = round(1 - found.expected / found.actual, 4)
    return {
        "AnomalyId": f"{identity[:8]}-{identity[8:12]}-{identity[12:16]}-{identity[16:20]}-{identity[20:]}",
        "AnomalyStartDate": f"{found.first}T00:00:00Z",
        "AnomalyEndDate": f"{found.last}T00:00:00Z",
        "DimensionValue": service,
        "RootCauses": _causes(cloud, service, found, used),
        "AnomalyScore": {"MaxScore": score, "CurrentScore": score},
        "Impact": {
            "MaxImpact": round(found.largest, 2),
            "TotalImpact": round(found.impact, 2),
            "TotalActualSpend": round(found.actual, 2),
            "TotalExpectedSpend": round(found.expected, 2),
            "TotalImpactPercentage": round(100 * found.impact / found.expected, 2) if found.expected else 0.0,
        },
        "MonitorArn": monitor_arn(cloud),
    }


def _causes(cloud: Cloud, service: str, found: anomalies.Anomaly, used: Iterable[Line]) -> list[dict[str, Any]]:
    """Usage types that cost more in the anomaly than on the days before it, the worst first."""
    by_type: dict[str, list[Line]] = {}
    for line in used:
        by_type.setdefault(line.item.usage_type, []).append(line)
    length = (found.last - found.first).days + 1
    excess: dict[str, float] = {}
    for usage_type, each in by_type.items():
        daily = by_day(each)
        during = sum(cost for day, cost in daily.items() if found.first <= day <= found.last)
        since = found.first - timedelta(days=anomalies.LOOK_BACK)
        before = [cost for day, cost in daily.items() if since <= day < found.first]
        excess[usage_type] = during - length * (sum(before) / len(before) if before else 0.0)
    worst = sorted((name for name in excess if excess[name] > 0), key=lambda name: -excess[name])
    return [
        {
            "Service": service,
            "Region": cloud.settings.region,
            "LinkedAccount": cloud.settings.account,
            "UsageType": name,
            "Impact": {"Contribution": round(excess[name], 2)},
        }
        for name in worst[:10]
    ]
