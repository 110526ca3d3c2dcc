"""The description of a month, and what follows of it: the same for the same seed and moment. Pure.

Its keys are in docs/localcloud.md, "A month that never was". Noise comes from the description's ``seed`` and the
place in it alone.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from localcloud.core.registry import AwsError

SECTIONS = ("costs", "calls", "flows", "metrics", "snapshots")
OTHER = ("seed", "move_calls_days")
MOST_DAYS = 90
"""As far back as CloudTrail tells."""
MOST_ITEMS = 300_000
"""Calls, flow records and hours of metrics, all together."""
HOURS = 24
ALLOWED: Mapping[str, frozenset[str]] = {
    "calls": frozenset(
        {"service", "operation", "caller", "address", "agent", "params", "error", "event", "days_ago", "days",
         "per_day", "anomaly"}
    ),
    "flows": frozenset(
        {"source", "destination", "port", "source_port", "protocol", "bytes", "packets", "accepted", "interface",
         "days", "per_day", "noise", "spike", "anomaly"}
    ),
    "metrics": frozenset(
        {"namespace", "name", "dimensions", "unit", "value", "noise", "samples", "days", "spike", "anomaly"}
    ),
    "snapshots": frozenset({"description", "gib", "days_ago", "anomaly"}),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlannedCall:
    at: datetime
    id: str
    service: str
    operation: str
    caller: str
    """``root``, ``user ann`` or ``role deployer/session``."""
    address: str
    agent: str
    params: Mapping[str, Any]
    error: str
    event: Mapping[str, Any]
    """What CloudTrail's record has beside, or in place of, what follows of the rest."""


@dataclass(frozen=True, slots=True)
class PlannedFlow:
    """One record. ``nat`` and ``balancer`` stand for the addresses of the first of these."""

    at: datetime
    interface: str
    source: str
    destination: str
    source_port: int
    port: int
    protocol: int
    bytes: int
    packets: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class PlannedHour:
    """What was measured in one hour."""

    at: datetime
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PlannedSnapshot:
    at: datetime
    description: str
    gib: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything, in the order of time."""

    costs: Mapping[str, Any] = field(default_factory=dict)
    """As the page ``costs`` takes them; empty for none."""
    calls: tuple[PlannedCall, ...] = ()
    flows: tuple[PlannedFlow, ...] = ()
    hours: tuple[PlannedHour, ...] = ()
    snapshots: tuple[PlannedSnapshot, ...] = ()
    moved: timedelta = timedelta()
    """By so much the calls that were really made are told as earlier."""
    anomalies: tuple[str, ...] = ()


def plan(described: Mapping[str, Any], now: datetime) -> Plan:
    """``AwsError`` says what of the description can't be understood."""
    unknown = sorted(set(described) - {*SECTIONS, *OTHER})
    if unknown:
        raise wrong(f"there is no {unknown[0]}, only {', '.join((*OTHER, *SECTIONS))}")
    seed = _number("seed", described.get("seed", 0))
    moved = _number("move_calls_days", described.get("move_calls_days", 0))
    tables = {name: _tables(name, described.get(name, [])) for name in SECTIONS}
    made = Plan(
        _costs(tables["costs"]),
        tuple(_sorted(_calls(tables["calls"], now, seed))),
        tuple(_sorted(_flows(tables["flows"], now, seed))),
        tuple(_sorted(_hours(tables["metrics"], now, seed))),
        tuple(_sorted(_snapshots(tables["snapshots"], now))),
        timedelta(days=moved),
        tuple(sorted(set(_anomalies(tables)))),
    )
    if len(made.calls) + len(made.flows) + len(made.hours) > MOST_ITEMS:
        raise _too_many()
    return made


def _too_many() -> AwsError:
    return wrong(f"it has more than {MOST_ITEMS:,} calls, flow records and hours of metrics")


def wrong(what: str) -> AwsError:
    return AwsError("ValidationException", f"The month can't be seeded: {what}.")


def _tables(name: str, given: Any) -> list[Mapping[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        raise wrong(f"{name} is a list of tables ([[{name}]])")
    for each in given:
        if name in ALLOWED and (unknown := sorted(set(each) - ALLOWED[name])):
            raise wrong(f"there is no {unknown[0]} in {name}, only {', '.join(sorted(ALLOWED[name]))}")
    return given


def _anomalies(tables: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[str]:
    for some in tables.values():
        for each in some:
            if each.get("anomaly"):
                yield str(each["anomaly"])


def _costs(tables: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    if not tables:
        return {}
    days = max(int(each.get("days", 45)) for each in tables)
    kept = ("anomaly", "days")
    usage = [{key: value for key, value in each.items() if key not in kept} for each in tables]
    return {"days": days, "clear": True, "usage": usage}


def _calls(tables: list[Mapping[str, Any]], now: datetime, seed: float) -> Iterator[PlannedCall]:
    for number, each in enumerate(tables):
        chance = random.Random(f"{seed}/calls/{number}")  # noqa: S311 - a month that repeats, not a secret
        for at in _moments(each, now, chance):
            yield PlannedCall(
                at=at,
                id=str(UUID(int=chance.getrandbits(128), version=4)),
                service=_text(each, "service"),
                operation=_text(each, "operation"),
                caller=_text(each, "caller"),
                address=str(each.get("address", "203.0.113.10")),
                agent=str(each.get("agent", "aws-cli/2.31.0")),
                params=dict(each.get("params", {})),
                error=str(each.get("error", "")),
                event=dict(each.get("event", {})),
            )


def _flows(tables: list[Mapping[str, Any]], now: datetime, seed: float) -> Iterator[PlannedFlow]:
    for number, each in enumerate(tables):
        chance = random.Random(f"{seed}/flows/{number}")  # noqa: S311
        for at in _moments(each, now, chance):
            size = int(_amount(each, "bytes", at, now, chance))
            yield PlannedFlow(
                at=at,
                interface=str(each.get("interface", "nat")),
                source=_text(each, "source"),
                destination=_text(each, "destination"),
                source_port=int(each.get("source_port", chance.randrange(32768, 61000))),
                port=int(_number("port", each.get("port", 443))),
                protocol=int(each.get("protocol", 6)),
                bytes=size,
                packets=int(each.get("packets", 1 + size // 1448)),
                accepted=bool(each.get("accepted", True)),
            )


def _hours(tables: list[Mapping[str, Any]], now: datetime, seed: float) -> Iterator[PlannedHour]:
    last = now.replace(minute=0, second=0, microsecond=0)
    for number, each in enumerate(tables):
        chance = random.Random(f"{seed}/metrics/{number}")  # noqa: S311
        first, end = _span(each)
        samples = int(_number("samples", each.get("samples", 1)))
        if not 1 <= samples <= 1000:
            raise wrong("samples is a number from 1 to 1000")
        dimensions = tuple(sorted((str(key), str(value)) for key, value in dict(each.get("dimensions", {})).items()))
        for hour in range(int(first * HOURS), max(0, int(end * HOURS)), -1):
            at = last - timedelta(hours=hour)
            values = tuple(round(_amount(each, "value", at, now, chance), 6) for _ in range(samples))
            names = (_text(each, "namespace"), _text(each, "name"))
            yield PlannedHour(at, *names, dimensions, str(each.get("unit", "None")), values)


def _snapshots(tables: list[Mapping[str, Any]], now: datetime) -> Iterator[PlannedSnapshot]:
    for each in tables:
        at = now - timedelta(days=_number("days_ago", each.get("days_ago", 0)))
        yield PlannedSnapshot(at, _text(each, "description"), int(_number("gib", each.get("gib", 8))))


def _moments(each: Mapping[str, Any], now: datetime, chance: random.Random) -> Iterator[datetime]:
    """``days_ago``, once; or ``per_day`` through ``days``, at times of chance."""
    if "days_ago" in each:
        yield now - timedelta(days=_number("days_ago", each["days_ago"]))
        return
    first, last = _span(each)
    count = round((first - last) * _number("per_day", each.get("per_day", 1)))
    if count > MOST_ITEMS:  # before they are made, which would take minutes and the machine's memory
        raise _too_many()
    for number in range(count):
        yield now - timedelta(days=first - (first - last) * (number + chance.random()) / count)


def _span(each: Mapping[str, Any]) -> tuple[float, float]:
    """``days = [14, 0]``: from so many days ago until so many."""
    given = each.get("days", [28, 0])
    if not isinstance(given, list) or len(given) != 2:
        raise wrong("days has two numbers: from how many days ago, until how many")
    first, last = (_number("days", value) for value in given)
    if not last < first <= MOST_DAYS:
        raise wrong(f"days goes from at most {MOST_DAYS} days ago to a later day")
    return first, last


def _amount(each: Mapping[str, Any], key: str, at: datetime, now: datetime, chance: random.Random) -> float:
    """The value with its noise, times the factor of the spike that the moment lies in."""
    noise = _number("noise", each.get("noise", 0.0))
    value = _number(key, each.get(key, 0.0)) * (1 + noise * chance.uniform(-1, 1))
    spike = each.get("spike")
    if spike is None:
        return value
    if not isinstance(spike, Mapping) or not {"days_ago", "factor"} <= set(spike):
        raise wrong("a spike has days_ago, factor and perhaps days")
    first, days = _number("days_ago", spike["days_ago"]), _number("days", spike.get("days", 1))
    ago = (now - at) / timedelta(days=1)
    return value * _number("factor", spike["factor"]) if first - days < ago <= first else value


def _text(each: Mapping[str, Any], key: str) -> str:
    value = each.get(key)
    if not isinstance(value, str) or not value:
        raise wrong(f"{key} is missing in {json.dumps(dict(each), default=str)[:120]}")
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise wrong(f"{name} is a number that isn't negative")
    return float(value)


def _sorted(found: Iterator[Any]) -> list[Any]:
    return sorted(found, key=lambda each: each.at.astimezone(UTC))
