"""What was paid, day by day, by service and usage type: one question to Cost Explorer.

Each request to its API costs 0.01 USD, and each page of an answer is a request (AWS Cost Explorer FAQ), so that all
that the review needs of it is asked at once. Figures are up to 24 hours late (AWS Cost Management user guide), so that
only days that ended 24 hours ago are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import AwsRefused, BadAnswer, Unknown
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.scope import Scope

LATE = timedelta(hours=24)
"""How late a day's figures can be."""
USUAL_DAYS = 28
"""Days before the reviewed ones that say what is usual."""
HISTORY_DAYS = 35
"""Days before the reviewed ones that are read: of each of those the same day of the month before is among them."""
MAX_PAGES = 20
"""0.20 USD; a stack of this size has one or two."""
NOT_USAGE = ("Credit", "Refund", "Tax")
"""Record types that aren't the use of anything: they would hide a rise, or look like one."""
GLOBAL_REGIONS = ("global", "NoRegion")
"""Cost Explorer's regions of what has none."""
SWITCH_ON = (
    "Cost Explorer has no figures for this account. Open Cost Explorer once in the billing console of the account (of "
    "its organization's management account, where it has one); the first figures come a day later."
)


@dataclass(frozen=True, slots=True)
class CostSeries:
    """What one usage type of one service cost, a figure for each of the days."""

    service: str
    usage_type: str
    usd: tuple[float, ...]
    quantity: tuple[float, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Spending:
    """``UnblendedCost`` of whole days (UTC) in USD, without tax, credits and refunds."""

    days: tuple[date, ...]
    """Oldest first, without a gap; the last one ended at least 24 hours ago."""
    series: tuple[CostSeries, ...]
    reviewed: int = 7
    """So many of the last days are the reviewed ones."""
    scope: str = ""
    """What of the account it covers."""
    requests: int = 1
    """Of 0.01 USD each."""
    reading: Reading = NO_READING

    def total(self, first: int, last: int) -> float:
        """Of all series from one day's place to before another's."""
        return sum(sum(each.usd[first:last]) for each in self.series)


@reads
def read_spending(aws: Gateway, environment: Environment, scope: Scope) -> Spending:
    """One request a page; the reviewed days, as many before them, at least five weeks."""
    end = (scope.now - LATE).date()
    reviewed = max(1, scope.since.days)
    begin = end - timedelta(days=reviewed + max(reviewed, HISTORY_DAYS))
    costs = aws.client("ce")
    what: dict[str, Any] = {
        "TimePeriod": {"Start": begin.isoformat(), "End": end.isoformat()},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost", "UsageQuantity"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
        "Filter": filter_of(environment),
    }
    results: list[Mapping[str, Any]] = []
    token: str | None = None
    for page in range(1, MAX_PAGES + 1):
        try:
            more = {"NextPageToken": token} if token else {}
            answer = costs.get_cost_and_usage(**what, **more)
        except AwsRefused as error:
            if error.code == "DataUnavailableException" or "not enabled" in error.message:
                raise Unknown(SWITCH_ON) from error
            raise
        results += answer["ResultsByTime"]
        token = answer.get("NextPageToken")
        if not token:
            return _spending(results, begin, end, reviewed, scope_of(environment), page)
    raise BadAnswer(
        f"Cost Explorer's answer has more than {MAX_PAGES} pages, and each costs 0.01 USD. "
        "Set review.costs.tag in omc.toml."
    )


def filter_of(environment: Environment) -> dict[str, Any]:
    """The environment's region and what has none, of its account, without what isn't use."""
    region = {"Key": "REGION", "Values": [environment.region, *GLOBAL_REGIONS]}
    parts: list[dict[str, Any]] = [
        {"Dimensions": region},
        {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": list(NOT_USAGE)}}},
    ]
    if environment.account:
        parts.append({"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [environment.account]}})
    if tag := environment.review.costs.tag:
        parts.append({"Tags": {"Key": tag, "Values": [environment.name]}})
    return {"And": parts}


def scope_of(environment: Environment) -> str:
    """The same in words."""
    account = f"account {environment.account}" if environment.account else "the account"
    tag = environment.review.costs.tag
    tagged = f", tagged {tag}={environment.name}" if tag else ""
    return f"{account}, {environment.region} and what has no region{tagged}"


def _spending(
    results: list[Mapping[str, Any]], begin: date, end: date, reviewed: int, scope: str, requests: int
) -> Spending:
    days = tuple(begin + timedelta(days=number) for number in range((end - begin).days))
    places = {day: number for number, day in enumerate(days)}
    usd: dict[tuple[str, str], list[float]] = {}
    quantity: dict[tuple[str, str], list[float]] = {}
    units: dict[tuple[str, str], str] = {}
    for result in results:
        place = places[datetime.fromisoformat(result["TimePeriod"]["Start"]).date()]
        for group in result["Groups"]:
            key = (str(group["Keys"][0]), str(group["Keys"][1]))
            cost, used = group["Metrics"]["UnblendedCost"], group["Metrics"]["UsageQuantity"]
            if cost["Unit"] != "USD":
                raise BadAnswer(f"Cost Explorer answers in {cost['Unit']}, and omc's limits are in USD.")
            usd.setdefault(key, [0.0] * len(days))[place] += float(cost["Amount"])
            quantity.setdefault(key, [0.0] * len(days))[place] += float(used["Amount"])
            units[key] = str(used["Unit"])
    found = (CostSeries(*key, tuple(costs), tuple(quantity[key]), units[key]) for key, costs in sorted(usd.items()))
    return Spending(days, tuple(found), reviewed, scope, requests)
