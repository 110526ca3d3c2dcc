"""One alarm as a value: what was put, its state, how AWS describes it, and what of it is needed to evaluate it.

Keeping the alarms, evaluating them and acting on them is ``alarms``' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localcloud.core.registry import AwsError
from localcloud.services.cloudwatch.decide import COMPARISONS, TREATMENTS, Criteria
from localcloud.services.cloudwatch.expressions import functions
from localcloud.services.cloudwatch.queries import Fetch, Query, QueryError, read_queries
from localcloud.services.cloudwatch.rules import Rule, RuleError, parse_rule

METRIC, COMPOSITE = "MetricAlarm", "CompositeAlarm"
ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
UNCHECKED = "Unchecked: Initial alarm creation"
_REFUSED = {
    "EvaluationCriteria": "PromQL alarms",
    "EvaluationInterval": "PromQL alarms",
    "WarmUpConfiguration": "warm-up periods",
    "ThresholdMetricId": "anomaly detection alarms",
}
_KEPT_METRIC = (
    "AlarmDescription", "MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit",
    "EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData",
    "EvaluateLowSampleCountPercentile", "Metrics", "ActionConfiguration",
)  # fmt: skip
_KEPT_COMPOSITE = (
    "AlarmDescription", "AlarmRule", "ActionsSuppressor", "ActionsSuppressorWaitPeriod",
    "ActionsSuppressorExtensionPeriod", "ActionConfiguration",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """What a metric alarm evaluates: the query whose result is compared, and how."""

    queries: Mapping[str, Query]
    watched: str
    criteria: Criteria
    low_samples: float = 0.0
    """Below so many samples in a period a percentile is not evaluated; 0 where it always is."""

    @property
    def step(self) -> int:
        """Seconds between evaluations: 10 where the period is below a minute, else 60."""
        return 10 if self.criteria.period < 60 else 60


@dataclass(slots=True)
class Alarm:
    """One metric or composite alarm."""

    kind: str
    name: str
    arn: str
    settings: dict[str, Any]
    """As put, in botocore's shape, without name and tags."""
    configured_at: datetime
    updated_at: datetime
    transitioned_at: datetime
    state: str = "INSUFFICIENT_DATA"
    reason: str = UNCHECKED
    reason_data: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    evaluated_until: int = 0
    """End of the newest period that was judged, seconds since the epoch."""
    failure: str = ""
    """Why the last evaluation failed; empty where it didn't."""
    acted_state: str = "INSUFFICIENT_DATA"
    acted_at: float = 0.0
    suppressed_by: str = ""
    suppressed_until: float = 0.0

    @property
    def actions_enabled(self) -> bool:
        return bool(self.settings.get("ActionsEnabled", True))

    def actions(self) -> tuple[str, ...]:
        """The actions of the state that the alarm is in, where they are enabled."""
        return tuple(self.settings.get(ACTIONS[self.state]) or ()) if self.actions_enabled else ()


def describe(alarm: Alarm) -> dict[str, Any]:
    """The alarm in the shape of botocore's MetricAlarm or CompositeAlarm."""
    described: dict[str, Any] = {
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured_at,
        "ActionsEnabled": alarm.actions_enabled,
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateUpdatedTimestamp": alarm.updated_at,
        "StateTransitionedTimestamp": alarm.transitioned_at,
        **{name: list(alarm.settings.get(name) or ()) for name in ACTIONS.values()},
    }
    if alarm.reason_data:
        described["StateReasonData"] = alarm.reason_data
    kept = _KEPT_METRIC if alarm.kind == METRIC else _KEPT_COMPOSITE
    described.update({name: alarm.settings[name] for name in kept if alarm.settings.get(name) is not None})
    if alarm.kind == METRIC:
        described.setdefault("Dimensions", [])
        if alarm.failure:
            described["EvaluationState"] = "EVALUATION_ERROR"
    elif alarm.suppressed_by:
        described["ActionsSuppressedBy"] = alarm.suppressed_by
        described["ActionsSuppressedReason"] = f"Actions suppressed by {alarm.suppressed_by}"
    return described


def invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def read_plan(parameters: Mapping[str, Any]) -> Plan:
    """What PutMetricAlarm's parameters ask to evaluate; an ``AwsError`` where they are wrong."""
    for name, thing in _REFUSED.items():
        if parameters.get(name) is not None:
            raise invalid(f"{name} is not supported: localcloud has no {thing}")
    if (parameters.get("EvaluationWindow") or {}).get("WallClockWindow") is not None:
        raise invalid(
            "EvaluationWindow.WallClockWindow is not supported by localcloud; alarms evaluate sliding windows"
        )
    comparison = parameters.get("ComparisonOperator")
    if comparison not in COMPARISONS:
        raise invalid(
            f"ComparisonOperator {comparison} is not supported: localcloud has no anomaly detection"
            if comparison
            else "The parameter ComparisonOperator is required"
        )
    for name in ("EvaluationPeriods", "Threshold"):
        if parameters.get(name) is None:
            raise invalid(f"The parameter {name} is required")
    missing = parameters.get("TreatMissingData") or "missing"
    if missing not in TREATMENTS:
        raise invalid(f"The value {missing} for parameter TreatMissingData must be one of {', '.join(TREATMENTS)}")
    queries, watched, statistic = _read_watched(parameters)
    period = _period(queries, watched)
    periods, to_alarm = int(parameters["EvaluationPeriods"]), parameters.get("DatapointsToAlarm")
    _check_span(periods, period)
    if to_alarm is not None and not 1 <= to_alarm <= periods:
        raise invalid("DatapointsToAlarm must be at least 1 and at most EvaluationPeriods")
    criteria = Criteria(
        comparison,
        float(parameters["Threshold"]),
        periods,
        to_alarm,
        missing,
        period,
        statistic,
        parameters.get("Unit"),
    )
    return Plan(queries, watched, criteria, _low_samples(parameters))


def _read_watched(parameters: Mapping[str, Any]) -> tuple[dict[str, Query], str, str | None]:
    metrics = parameters.get("Metrics")
    if metrics and parameters.get("MetricName"):
        raise invalid("Exactly one of MetricName and Metrics must be specified")
    try:
        if metrics:
            queries = read_queries(metrics)
            returned = [query.identity for query in queries.values() if query.returned]
            if len(returned) != 1:
                raise invalid("Exactly one element of the metrics list should return data")
            for query in queries.values():
                if not isinstance(query.source, Fetch) and "SEARCH" in functions(query.source):
                    raise invalid("SEARCH is not supported on Metric Alarms")
            return queries, returned[0], None
        for name in ("MetricName", "Namespace", "Period"):
            if not parameters.get(name):
                raise invalid(f"The parameter {name} is required, unless Metrics is specified")
        statistic = parameters.get("Statistic") or parameters.get("ExtendedStatistic")
        if not statistic or (parameters.get("Statistic") and parameters.get("ExtendedStatistic")):
            raise invalid("Exactly one of Statistic and ExtendedStatistic must be specified")
        stat = {"Metric": parameters, "Period": parameters["Period"], "Stat": statistic, "Unit": parameters.get("Unit")}
        return read_queries([{"Id": "m1", "MetricStat": stat}]), "m1", statistic
    except QueryError as error:
        raise invalid(str(error)) from error


def _period(queries: Mapping[str, Query], watched: str) -> int:
    periods = {query.source.period for query in queries.values() if isinstance(query.source, Fetch)}
    if len(periods) > 1:
        raise invalid("Metrics list contains metrics of different periods; an alarm needs the same period in all")
    period = next(iter(periods), None) or queries[watched].period or 300
    if period not in (10, 20, 30) and period % 60:
        raise invalid(f"Period must be 10, 20, 30 or a multiple of 60, not {period}")
    return period


def _check_span(periods: int, period: int) -> None:
    longest = 604_800 if period >= 3600 else 86_400
    if periods * period > longest:
        raise invalid(
            f"Metrics cannot be checked across more than {'a week' if period >= 3600 else 'a day'}"
            f" (EvaluationPeriods * Period must be <= {longest})."
        )


def _low_samples(parameters: Mapping[str, Any]) -> float:
    statistic = str(parameters.get("ExtendedStatistic") or "")
    if parameters.get("EvaluateLowSampleCountPercentile") != "ignore" or not statistic.startswith("p"):
        return 0.0
    share = float(statistic[1:]) / 100
    # "Statistically significant" by the user guide: 10/(1-share) samples from the median up, 10/share below it.
    outside = 1 - share if share >= 0.5 else share
    return 10 / outside if outside > 0 else 0.0


def read_rule(parameters: Mapping[str, Any]) -> Rule:
    try:
        return parse_rule(parameters["AlarmRule"])
    except RuleError as error:
        raise invalid(str(error)) from error
