"""The API of metric filters, and the honest refusal of subscription filters."""

from __future__ import annotations

from typing import Any

from localcloud.core.cloud import Cloud
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.logs.component import now
from localcloud.services.logs.definitions import MetricFilter
from localcloud.services.logs.pattern_parser import parse_selector
from localcloud.services.logs.patterns import FieldsPattern, JsonPattern, PatternError, as_number
from localcloud.services.logs.shared import component, find_group, invalid, missing, paged, pattern_of

MAX_FILTERS = 100
MAX_DIMENSIONS = 3


@operation("logs", "PutMetricFilter", locked=False)
def put_metric_filter(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    group = find_group(cloud, params)
    pattern = pattern_of(params["filterPattern"])
    transformations: list[dict[str, Any]] = [dict(each) for each in params["metricTransformations"]]
    if len(transformations) != 1:
        raise invalid("A metric filter has exactly one metric transformation.")
    for each in transformations:
        _check_transformation(each, pattern)
    logs = component(cloud)
    with logs.lock:
        filters = group.metric_filters
        if params["filterName"] not in filters and len(filters) >= MAX_FILTERS:
            raise AwsError("LimitExceededException", f"Resource limit exceeded: {MAX_FILTERS} metric filters a group.")
        filters[params["filterName"]] = MetricFilter(
            params["filterName"], group.name, params["filterPattern"], transformations, now()
        )
    return {}


def _check_transformation(transformation: dict[str, Any], pattern: object) -> None:
    dimensions = transformation.get("dimensions", {})
    if len(dimensions) > MAX_DIMENSIONS:
        raise invalid(f"A metric transformation has at most {MAX_DIMENSIONS} dimensions.")
    if dimensions and "defaultValue" in transformation:
        raise invalid("A metric transformation with dimensions can't have a default value.")
    if dimensions and not isinstance(pattern, JsonPattern | FieldsPattern):
        raise invalid("Dimensions need a JSON or a space-delimited filter pattern.")
    value = transformation["metricValue"]
    for selector in [*dimensions.values(), *([value] if value.startswith("$") else [])]:
        if isinstance(pattern, JsonPattern):
            try:
                parse_selector(selector)
            except PatternError as error:
                raise invalid(str(error)) from error
    if not value.startswith("$") and as_number(value) is None:
        raise invalid(f"metricValue is {value!r}, and must be a number or a property such as $.latency.")


@operation("logs", "DescribeMetricFilters", locked=False)
def describe_metric_filters(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    logs = component(cloud)
    metric = (params.get("metricNamespace"), params.get("metricName"))
    if (metric[0] is None) != (metric[1] is None):
        raise invalid("metricName and metricNamespace must be given together.")
    with logs.lock:
        groups = [find_group(cloud, params)] if params.get("logGroupName") else list(logs.groups.values())
        filters = [each for group in groups for each in group.metric_filters.values()]
    found = [
        {
            "filterName": each.name,
            "filterPattern": each.pattern,
            "metricTransformations": each.transformations,
            "creationTime": each.created,
            "logGroupName": each.group,
        }
        for each in sorted(filters, key=lambda each: (each.group, each.name))
        if each.name.startswith(params.get("filterNamePrefix", ""))
        and (
            metric[0] is None
            or any((one["metricNamespace"], one["metricName"]) == metric for one in each.transformations)
        )
    ]
    return paged(found, call, "metricFilters", 50)


@operation("logs", "DeleteMetricFilter", locked=False)
def delete_metric_filter(cloud: Cloud, call: Call) -> Answer:
    group = find_group(cloud, call.params)
    with component(cloud).lock:
        if group.metric_filters.pop(call.params["filterName"], None) is None:
            raise missing("metric filter")
    return {}


@operation("logs", "TestMetricFilter", locked=False)
def test_metric_filter(cloud: Cloud, call: Call) -> Answer:
    pattern = pattern_of(call.params["filterPattern"])
    extracted = [
        (number, text, pattern.extract(text)) for number, text in enumerate(call.params["logEventMessages"], 1)
    ]
    return {
        "matches": [
            {"eventNumber": number, "eventMessage": text, "extractedValues": values}
            for number, text, values in extracted
            if values is not None
        ]
    }


@operation("logs", "DescribeSubscriptionFilters", locked=False)
def describe_subscription_filters(cloud: Cloud, call: Call) -> Answer:
    """There are none: putting one is refused, since nothing would be delivered."""
    find_group(cloud, call.params)
    return {"subscriptionFilters": []}


def _refuse(operation_name: str, reason: str) -> None:
    @operation("logs", operation_name, locked=False)
    def refused(cloud: Cloud, call: Call) -> Answer:
        raise AwsError("InvalidOperationException", f"localcloud does not support {operation_name}: {reason}")


_refuse("PutSubscriptionFilter", "it has no Lambda, Kinesis or Firehose to deliver to.")
