"""What the month may cost, and what AWS expects it to cost.

The budget is omc.toml's, else AWS Budgets'. Reading budgets costs nothing. A forecast is a request to Cost Explorer
(0.01 USD), which is asked only where there is a budget to hold it against, and of AWS Budgets' own only where that
has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import AwsRefused
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.costs.spending import filter_of
from omc.facts.scope import Scope


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget of costs of a month."""

    name: str
    """``omc.toml``, or AWS Budgets' own name."""
    limit_usd: float
    spent_usd: float | None = None
    """AWS Budgets' figure; of omc.toml's the spending says it."""
    forecast_usd: float | None = None
    """Of the whole month, AWS's; None: AWS has too little history for one."""
    is_narrower: bool = False
    """It has filters: it is not of all that the account costs."""


@dataclass(frozen=True, slots=True)
class Budgets:
    budgets: tuple[Budget, ...]
    """None at all: nobody has said what the month may cost."""
    month: date
    """Its first day."""
    requests: int = 0
    """To Cost Explorer, of 0.01 USD each."""
    reading: Reading = NO_READING


@reads
def read_budgets(aws: Gateway, environment: Environment, scope: Scope) -> Budgets:
    month = scope.now.date().replace(day=1)
    if environment.monthly_budget_usd is not None:
        rest = _forecast(aws, environment, scope.now)
        return Budgets((Budget("omc.toml", environment.monthly_budget_usd, forecast_usd=rest),), month, 1)
    account = environment.account or aws.client("sts").get_caller_identity()["Account"]
    budgets = aws.client("budgets")
    found: list[Mapping[str, Any]] = []
    for page in budgets.get_paginator("describe_budgets").paginate(AccountId=account):
        found += page.get("Budgets", ())
    monthly = (one for one in found if one["BudgetType"] == "COST" and one["TimeUnit"] == "MONTHLY")
    return Budgets(tuple(_budget(one) for one in monthly if one.get("BudgetLimit", {}).get("Unit") == "USD"), month)


def _budget(record: Mapping[str, Any]) -> Budget:
    spend = record.get("CalculatedSpend", {})

    def usd(name: str) -> float | None:
        return float(spend[name]["Amount"]) if name in spend else None

    return Budget(
        record["BudgetName"],
        float(record["BudgetLimit"]["Amount"]),
        usd("ActualSpend"),
        usd("ForecastedSpend"),
        bool(record.get("CostFilters") or record.get("FilterExpression")),
    )


def _forecast(aws: Gateway, environment: Environment, now: datetime) -> float | None:
    """From today to the month's end; None where Cost Explorer has too little history. It answers for the future only,
    so that what is spent already is added by whoever judges."""
    today = now.date()
    end = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    try:
        answer = aws.client("ce").get_cost_forecast(
            TimePeriod={"Start": today.isoformat(), "End": end.isoformat()},
            Metric="UNBLENDED_COST",
            Granularity="MONTHLY",
            Filter=filter_of(environment),
        )
    except AwsRefused as error:
        if error.code == "DataUnavailableException":
            return None
        raise
    return float(answer["Total"]["Amount"])
