"""Check of what the month will have cost, against what it may.

A forecast of AWS's is taken where there is one. Else the days that are left count as the median of the last seven that
are known; the finding says which it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from statistics import median

from omc.checks.finding import Finding, Level
from omc.checks.runbook import WEEKLY_COSTS
from omc.checks.spec import check
from omc.facts.costs.budget import Budget, Budgets
from omc.facts.costs.spending import Spending
from omc.facts.scope import Scope
from omc.output.text import counted
from omc.review.costs.money import finding, percent, usd

NAME = "cost-forecast"
PLACE = "costs/budget"
LATELY = 7


@check(
    NAME,
    title="Costs: the month's forecast against its budget",
    question="Will the month cost more than its budget?",
    severity=Level.WARN,
    runbook=WEEKLY_COSTS,
)
def cost_forecast(budgets: Budgets, spending: Spending | None, scope: Scope) -> Iterator[Finding]:
    if not budgets.budgets:
        sentence = (
            "Nobody has said what this environment may cost in a month. Set monthly_budget_usd in omc.toml, or make a "
            "monthly budget of costs in AWS Budgets."
        )
        yield finding(NAME, Level.WARN, PLACE, sentence, budgets.reading, "AWS Budgets has no monthly budget of costs")
        return
    for budget in budgets.budgets:
        place = PLACE if budget.name == "omc.toml" else f"{PLACE}/{budget.name}"
        spent, whole, how = _figures(budget, spending, scope.now.date())
        narrower = "it has filters, so that it covers a part of the account's costs" if budget.is_narrower else ""
        requested = f"{counted(budgets.requests, 'request')} to Cost Explorer of 0.01 USD" if budgets.requests else ""
        evidence = [text for text in (how, narrower, requested) if text]
        if whole is None:
            sentence = f"What {budgets.month:%B} will cost isn't known yet, against the budget {budget.name}."
            yield finding(NAME, Level.UNKNOWN, place, sentence, budgets.reading, *evidence)
            continue
        so_far = f", {usd(spent)} of it already" if spent is not None else ""
        against = f"of the {usd(budget.limit_usd)} that {_owner(budget)} allows"
        if spent is not None and spent > budget.limit_usd:
            sentence = (
                f"{budgets.month:%B} has cost {usd(spent)} already, {percent(spent / budget.limit_usd)} {against}."
            )
            yield finding(NAME, Level.WARN, place, sentence, budgets.reading, *evidence)
            continue
        level = Level.WARN if whole > budget.limit_usd else Level.OK
        share = percent(whole / budget.limit_usd)
        sentence = f"{budgets.month:%B} will cost about {usd(whole)}{so_far}: {share} {against}."
        yield finding(NAME, level, place, sentence, budgets.reading, *evidence)


def _owner(budget: Budget) -> str:
    return "omc.toml" if budget.name == "omc.toml" else f"the budget {budget.name}"


def _figures(budget: Budget, spending: Spending | None, today: date) -> tuple[float | None, float | None, str]:
    """What is spent, what the whole month will cost, and how that is known."""
    if budget.name != "omc.toml":
        if budget.forecast_usd is not None:
            return budget.spent_usd, budget.forecast_usd, "the forecast is AWS Budgets'"
        rate = _rate(spending)
        if budget.spent_usd is None or rate is None or budget.is_narrower:
            return budget.spent_usd, None, "AWS Budgets has no forecast of it"
        days = (_next_month(today) - today).days
        return budget.spent_usd, budget.spent_usd + days * rate, f"AWS has no forecast; {_as_lately(days, rate)}"
    rate = _rate(spending)
    if spending is None or rate is None:
        return None, None, "what is spent so far could not be read"
    first = today.replace(day=1)
    known = [number for number, day in enumerate(spending.days) if day >= first]
    spent = sum(spending.total(number, number + 1) for number in known)
    gap = (today - max(first, spending.days[-1] + timedelta(days=1))).days
    if budget.forecast_usd is not None:
        how = f"from today on AWS's forecast of {usd(budget.forecast_usd)}; before it {_as_lately(gap, rate)}"
        return spent, spent + gap * rate + budget.forecast_usd, how
    days = gap + (_next_month(today) - today).days
    return spent, spent + days * rate, f"AWS has no forecast; {_as_lately(days, rate)}"


def _rate(spending: Spending | None) -> float | None:
    """USD a day, lately."""
    if spending is None:
        return None
    count = len(spending.days)
    daily = [spending.total(number, number + 1) for number in range(max(0, count - LATELY), count)]
    return median(daily) if daily else None


def _as_lately(days: int, rate: float) -> str:
    return f"{counted(days, 'day')} at {usd(rate)}, the median of the last {LATELY} known ones"


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
