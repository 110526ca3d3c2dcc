"""GetMetricData, asked so that what CloudWatch leaves out is not taken for a quiet time.

It answers with a result for each query, an empty one where there are no datapoints. A result that is missing, that says
that it failed, or that stays partial on the last page is no reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from omc.aws.batches import batches
from omc.aws.gateway import Gateway
from omc.errors import BadAnswer

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef, MetricDataResultTypeDef

QUERIES_A_CALL = 500
"""GetMetricData takes so many."""
FAILED = frozenset({"InternalError", "Forbidden"})
"""Codes of a result whose datapoints CloudWatch could not give."""
PARTIAL = "PartialData"
"""More of it is on a further page."""

Series = dict[str, list[tuple[datetime, float]]]


def metric_data(
    aws: Gateway, queries: Sequence[MetricDataQueryTypeDef], begin: datetime, end: datetime, **more: Any
) -> Series:
    """Each query's datapoints by its id, five hundred queries a call. ``BadAnswer`` where one of them was not answered.

    Queries that only feed an expression (``ReturnData`` false) have none. ``more``: further parameters of the call.
    Begin and end are cut to the second, which is as exact as a command to paste can say it.
    """
    begin, end = begin.replace(microsecond=0), end.replace(microsecond=0)
    series: Series = {}
    for some in batches(queries, QUERIES_A_CALL):
        wanted = {query["Id"]: query for query in some if query.get("ReturnData", True)}
        partial: set[str] = set()
        for result in _results(aws, some, begin, end, more):
            identifier = result["Id"]
            if identifier not in wanted:
                raise BadAnswer(f"CloudWatch returned a metric that omc didn't ask for, {identifier}. Try again.")
            (partial.add if result.get("StatusCode") == PARTIAL else partial.discard)(identifier)
            points = zip(result["Timestamps"], result["Values"], strict=True)
            series.setdefault(identifier, []).extend(points)
        if missing := [identifier for identifier in wanted if identifier not in series or identifier in partial]:
            raise BadAnswer(f"CloudWatch left out {_listed(missing, wanted)}. Try again.")
    return series


def _results(
    aws: Gateway, queries: Sequence[Any], begin: datetime, end: datetime, more: dict[str, Any]
) -> Iterator[MetricDataResultTypeDef]:
    pages = (
        aws.client("cloudwatch")
        .get_paginator("get_metric_data")
        .paginate(MetricDataQueries=list(queries), StartTime=begin, EndTime=end, **more)
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            if result.get("StatusCode") in FAILED:
                raise BadAnswer(f"CloudWatch returned {result['StatusCode']} for a metric. Try again.")
            yield result


def _listed(missing: Sequence[str], queries: dict[str, Any]) -> str:
    names = dict.fromkeys(
        queries[identifier].get("MetricStat", {}).get("Metric", {}).get("MetricName", identifier)
        for identifier in missing
    )
    return ", ".join(names)
