"""Budgets: moto keeps them; what was spent, what is forecast, and earlier periods are computed from the ledger.

Only budgets of costs are; one of usage, reservations or savings plans is refused. Notifications are kept, not sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from localcloud.core import paging
from localcloud.core.registry import Answer, AwsError, Call, operation, patch_response
from localcloud.front import moto_calls
from localcloud.services.costs import api_explorer, expressions, forecast, periods
from localcloud.services.costs.periods import Period
from localcloud.services.costs.sums import amount, total

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

COST_FILTERS = {
    "Service": "SERVICE",
    "UsageType": "USAGE_TYPE",
    "Operation": "OPERATION",
    "Region": "REGION",
    "LinkedAccount": "LINKED_ACCOUNT",
}
"""A budget's own names of Cost Explorer's dimensions."""
MONTHS = {"MONTHLY": 1, "QUARTERLY": 3, "ANNUALLY": 12}
PERIODS_SHOWN = 12
DAYS_SHOWN = 60


def expression(budget: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a budget counts, as a filter of Cost Explorer."""
    if budget.get("FilterExpression"):
        return dict(budget["FilterExpression"])
    parts: list[dict[str, Any]] = []
    for name, values in (budget.get("CostFilters") or {}).items():
        if name == "TagKeyValue":
            tags = [value.partition("$") for value in values]
            any_of = [{"Tags": {"Key": key.removeprefix("user:"), "Values": [value]}} for key, _, value in tags]
            parts.append(any_of[0] if len(any_of) == 1 else {"Or": any_of})
        elif name in COST_FILTERS:
            parts.append({"Dimensions": {"Key": COST_FILTERS[name], "Values": list(values)}})
        else:
            raise AwsError("InvalidParameterException", f"localcloud can't filter a budget by {name}.")
    return parts[0] if len(parts) == 1 else {"And": parts} if parts else None


def current(budget: Mapping[str, Any], now: datetime) -> Period:
    """The budget's period that ``now`` is in."""
    unit = budget["TimeUnit"]
    if unit == "DAILY":
        return Period(periods.day(now), periods.day(now) + timedelta(days=1))
    if unit == "CUSTOM":
        return Period(*(_utc(budget["TimePeriod"][name]) for name in ("Start", "End")))
    length = MONTHS[unit]
    start = periods.month(now, -((now.month - 1) % length))
    return Period(start, periods.month(start, length))


def _utc(at: Any) -> datetime:
    return at.astimezone(UTC) if isinstance(at, datetime) else datetime.fromtimestamp(float(at), UTC)


def spend(cloud: Cloud, budget: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """CalculatedSpend: the period so far, and with the forecast for the rest of it where there is enough history."""
    period, what = current(budget, now), expression(budget)
    spent = total(api_explorer.lines(cloud, period, what), period.start, period.end)
    answer = {"ActualSpend": {"Amount": amount(spent), "Unit": "USD"}}
    daily = api_explorer.history(cloud, now, what)
    if len(daily) >= forecast.LEAST_DAYS and period.end > now:
        rest = (period.end - max(now, period.start)).total_seconds() / 86400
        coming = spent + forecast.forecast(daily, rest).mean
        answer["ForecastedSpend"] = {"Amount": amount(coming), "Unit": "USD"}
    return answer


@operation("budgets", "CreateBudget")
def create_budget(cloud: Cloud, call: Call) -> Answer:
    """moto's, once what can't be computed is refused."""
    budget = call.params["Budget"]
    _own(cloud, call)
    if budget["BudgetType"] != "COST":
        raise AwsError("InvalidParameterException", f"localcloud computes budgets of COST, not {budget['BudgetType']}.")
    if "BudgetLimit" not in budget:
        raise AwsError(
            "InvalidParameterException",
            "Unable to create/update budget - localcloud needs a BudgetLimit (no planned limits, no auto-adjustment).",
        )
    if budget["TimeUnit"] == "CUSTOM" and not {"Start", "End"} <= set(budget.get("TimePeriod", {})):
        raise AwsError("InvalidParameterException", "A budget of a custom period needs its start and end.")
    try:
        expressions.wanted(expression(budget), api_explorer.place(cloud))
    except AwsError as problem:
        raise AwsError("InvalidParameterException", problem.message) from problem
    return moto_calls.ask(cloud, "budgets", "CreateBudget", call.params, call.region)


def _own(cloud: Cloud, call: Call) -> None:
    if call.params["AccountId"] != cloud.settings.account:
        raise AwsError("AccessDeniedException", f"Account {call.params['AccountId']} isn't yours.")


def _described(cloud: Cloud, call: Call, budget: dict[str, Any]) -> dict[str, Any]:
    return {**budget, "CalculatedSpend": spend(cloud, budget, call.at)}


@patch_response("budgets", "DescribeBudget")
def describe_budget(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    return {**answer, "Budget": _described(cloud, call, answer["Budget"])}


@patch_response("budgets", "DescribeBudgets")
def describe_budgets(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    found = sorted(answer.get("Budgets", []), key=lambda budget: str(budget["BudgetName"]))
    refused = AwsError("InvalidNextTokenException", "The pagination token is invalid.")
    size = int(call.params.get("MaxResults", 100))
    shown, following = paging.page(found, call.params.get("NextToken"), size, refused)
    record: dict[str, Any] = {"Budgets": [_described(cloud, call, budget) for budget in shown]}
    return record | ({"NextToken": following} if following else {})


@operation("budgets", "DescribeBudgetPerformanceHistory")
def describe_performance_history(cloud: Cloud, call: Call) -> Answer:
    """What earlier periods cost against the budget's limit of today, the oldest first. Limits of then aren't kept."""
    _own(cloud, call)
    names = {name: call.params[name] for name in ("AccountId", "BudgetName")}
    budget = moto_calls.ask(cloud, "budgets", "DescribeBudget", names, call.region)["Budget"]
    request, what = call.params.get("TimePeriod", {}), expression(budget)
    since = _utc(request["Start"]) if "Start" in request else None
    until = _utc(request["End"]) if "End" in request else call.at
    listed = []
    for period in _earlier(budget, call.at):
        if (since is not None and period.start < since) or period.start > until:
            continue
        spent = total(api_explorer.lines(cloud, period, what), period.start, period.end)
        listed.append(
            {
                "BudgetedAmount": budget["BudgetLimit"],
                "ActualAmount": {"Amount": amount(spent), "Unit": "USD"},
                "TimePeriod": {"Start": period.start, "End": period.end},
            }
        )
    kept = ("BudgetName", "BudgetType", "CostFilters", "CostTypes", "TimeUnit")
    shown = {name: budget[name] for name in kept if name in budget}
    return {"BudgetPerformanceHistory": {**shown, "BudgetedAndActualAmountsList": listed}}


def _earlier(budget: Mapping[str, Any], now: datetime) -> Iterator[Period]:
    """The periods up to the present one, the oldest first, from the first that the budget was in force in."""
    started = _utc(budget["TimePeriod"]["Start"])
    found = [current(budget, now)]
    if budget["TimeUnit"] != "CUSTOM":
        most = DAYS_SHOWN if budget["TimeUnit"] == "DAILY" else PERIODS_SHOWN
        while len(found) < most and found[-1].start > started:
            found.append(current(budget, found[-1].start - timedelta(seconds=1)))
    yield from reversed(found)
