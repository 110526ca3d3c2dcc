"""An invented history: what a scenario asks of ``POST /_localcloud/costs``, as lines for the ledger.

    {"days": 30, "clear": true, "usage": [
        {"usage_type": "APS2-NatGateway-Bytes", "quantity": 12.5, "tags": {"Environment": "staging"},
         "spike": {"days_ago": 2, "days": 1, "factor": 6}},
        {"usage_type": "APS2-NatGateway-Hours", "cost": 1.42}]}

``quantity`` or ``cost`` are of one day and spread evenly over its hours; the other follows from the price. The history
ends with yesterday (UTC), so that what is metered adds to nothing invented. Posted again, an item's history is
replaced; ``clear`` forgets every invented item first. ``noise`` is the share by which a day may differ, always by as
much.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from localcloud.core.billing import Item, tags_of
from localcloud.core.registry import AwsError
from localcloud.services.costs import prices
from localcloud.services.costs.ledger import Line

MAX_DAYS = 425
"""Days; Cost Explorer looks back 14 months."""
OPERATIONS = {"APS2-NatGateway-Hours": "NatGateway", "APS2-NatGateway-Bytes": "NatGateway"}
KEYS = {"usage_type", "service", "operation", "tags", "quantity", "cost", "noise", "spike"}


@dataclass(frozen=True, slots=True)
class History:
    clear: bool
    items: list[Item]
    lines: list[Line]


def read(body: bytes, now: datetime) -> History:
    """The history that is asked for; ``AwsError`` where it can't be understood."""
    try:
        request = json.loads(body)
    except ValueError as problem:
        raise _wrong(f"a history of costs is a JSON object: {problem}") from problem
    if not isinstance(request, dict):
        raise _wrong("a history of costs is a JSON object")
    days, usage = request.get("days", 30), request.get("usage", [])
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MAX_DAYS:
        raise _wrong(f"days is a number from 1 to {MAX_DAYS}")
    if not isinstance(usage, list) or not all(isinstance(each, dict) for each in usage):
        raise _wrong("usage is a list of objects")
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    items, lines = list[Item](), list[Line]()
    for each in usage:
        item = _item(each)
        quantity, cost = _daily(each, item)
        items.append(item)
        for ago in range(days, 0, -1):
            noise = _number("noise", each.get("noise", 0.0)) * random.Random(f"{item.usage_type}/{ago}").uniform(-1, 1)  # noqa: S311
            share = _factor(each.get("spike"), ago) * (1 + noise) / 24
            lines += [
                Line(today - timedelta(days=ago) + timedelta(hours=hour), item, quantity * share, cost * share)
                for hour in range(24)
            ]
    return History(bool(request.get("clear")), items, lines)


def _item(each: Mapping[str, Any]) -> Item:
    unknown = sorted(set(each) - KEYS)
    if unknown:
        raise _wrong(f"there is no {unknown[0]} in usage, only {', '.join(sorted(KEYS))}")
    usage_type = each.get("usage_type")
    if not isinstance(usage_type, str) or not usage_type:
        raise _wrong("each usage needs a usage_type")
    services = [each["service"]] if each.get("service") else prices.services_of(usage_type)
    if len(services) != 1:
        which = f"one of {', '.join(services)}" if services else "the price table doesn't know it"
        raise _wrong(f"{usage_type} needs a service ({which})")
    tags = each.get("tags", {})
    if not isinstance(tags, dict):
        raise _wrong("tags is an object of names and values")
    operation = str(each.get("operation", OPERATIONS.get(usage_type, "")))
    return Item(str(services[0]), usage_type, operation, tags_of({str(key): str(tags[key]) for key in tags}))


def _daily(each: Mapping[str, Any], item: Item) -> tuple[float, float]:
    """Quantity and cost of a day."""
    price = prices.find(item.service, item.usage_type)
    provided = {name: each[name] for name in ("quantity", "cost") if name in each}
    if not provided:
        raise _wrong(f"{item.usage_type} needs a daily quantity or cost")
    for name, value in provided.items():
        _number(name, value)
    if price is None:
        if "cost" not in provided:
            raise _wrong(f"the price table has no {item.usage_type} of {item.service}, so it needs a cost")
        return float(provided.get("quantity", 0.0)), float(provided["cost"])
    if "cost" not in provided:
        return float(provided["quantity"]), float(provided["quantity"]) * price.usd
    return float(provided.get("quantity", provided["cost"] / price.usd)), float(provided["cost"])


def _factor(spike: Any, ago: int) -> float:
    if spike is None:
        return 1.0
    if not isinstance(spike, dict) or "days_ago" not in spike or "factor" not in spike:
        raise _wrong("a spike has days_ago, factor and perhaps days")
    first, days = _number("days_ago", spike["days_ago"]), _number("days", spike.get("days", 1))
    return _number("factor", spike["factor"]) if first - days < ago <= first else 1.0


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise _wrong(f"{name} is a number that isn't negative")
    return float(value)


def _wrong(what: str) -> AwsError:
    return AwsError("ValidationException", f"The costs can't be seeded: {what}.")
