"""Insights' functions in SQL, one table for those of a row and one for aggregates.

Source: CloudWatch Logs user guide, "Boolean, comparison, numeric, datetime, and other functions" and "stats".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from localcloud.services.logs.insights.values import Kind, Value, as_number, as_text, natural_order

Build = Callable[[Sequence[Value]], Value]

PERIOD_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
MONTHS = {"mo": 1, "q": 3, "y": 12}
MONDAY = 4 * 86_400_000
"""The first Monday after the epoch: weeks begin on Mondays."""


@dataclass(frozen=True, slots=True)
class Signature:
    least: int
    most: int
    build: Build


def truncate(time: str, count: int, unit: str) -> str:
    """SQL: the beginning of the period that a time falls into."""
    if unit in MONTHS:
        months = count * MONTHS[unit]
        whole = f"(date_part('year', epoch_ms({time})) * 12 + date_part('month', epoch_ms({time})) - 1)"
        first = f"CAST(floor({whole} / {months}) * {months} AS BIGINT)"
        return f"epoch_ms(make_timestamp(CAST({first} // 12 AS BIGINT), CAST({first} % 12 + 1 AS BIGINT), 1, 0, 0, 0))"
    if unit == "w":
        width, origin = count * 7 * PERIOD_MS["d"], MONDAY
    else:
        width, origin = count * PERIOD_MS[unit], 0
    return f"CAST(floor(({time} - {origin}) / {width}) * {width} + {origin} AS BIGINT)"


def _text(template: str, kind: Kind = "text") -> Build:
    """``{0}``, ``{1}`` … are the arguments as texts."""
    return lambda values: Value(template.format(*(as_text(each) for each in values)), kind)


def _number(template: str) -> Build:
    return lambda values: Value(template.format(*(as_number(each) for each in values)), "number")


def _trim(name: str) -> Build:
    def build(values: Sequence[Value]) -> Value:
        if len(values) == 1:
            return Value(f"{name}({as_text(values[0])}, ' ' || chr(9) || chr(10) || chr(13))", "text")
        return Value(f"{name}({as_text(values[0])}, {as_text(values[1])})", "text")

    return build


def _substring(values: Sequence[Value]) -> Value:
    text, start = as_text(values[0]), f"CAST({as_number(values[1])} AS BIGINT) + 1"
    length = f", CAST({as_number(values[2])} AS BIGINT)" if len(values) == 3 else ""
    return Value(f"substring({text}, {start}{length})", "text")


def _coalesce(values: Sequence[Value]) -> Value:
    if len({each.kind for each in values}) == 1:
        return Value(f"coalesce({', '.join(each.sql for each in values)})", values[0].kind)
    return Value(f"coalesce({', '.join(as_text(each) for each in values)})", "any")


def _many(name: str) -> Build:
    return lambda values: Value(f"{name}({', '.join(as_number(each) for each in values)})", "number")


def _in_subnet(values: Sequence[Value]) -> Value:
    """The subnet is a literal; only IPv4."""
    if values[1].constant is None:
        raise ValueError("the subnet must be a text such as '10.0.0.0/8'")
    network = ipaddress.IPv4Network(values[1].constant, strict=False)
    first, last = int(network.network_address), int(network.broadcast_address)
    return Value(f"coalesce(ipv4({as_text(values[0])}) BETWEEN {first} AND {last}, false)", "bool")


ROW_FUNCTIONS: dict[str, Signature] = {
    "abs": Signature(1, 1, _number("abs({0})")),
    "ceil": Signature(1, 1, _number("ceil({0})")),
    "floor": Signature(1, 1, _number("floor({0})")),
    "greatest": Signature(1, 64, _many("greatest")),
    "least": Signature(1, 64, _many("least")),
    "log": Signature(1, 1, _number("CASE WHEN {0} > 0 THEN ln({0}) END")),
    "sqrt": Signature(1, 1, _number("CASE WHEN {0} >= 0 THEN sqrt({0}) END")),
    "ispresent": Signature(1, 1, lambda values: Value(f"({values[0].sql} IS NOT NULL)", "bool")),
    "coalesce": Signature(1, 64, _coalesce),
    "isempty": Signature(1, 1, _text("(coalesce({0}, '') = '')", "bool")),
    "isblank": Signature(1, 1, _text("(regexp_full_match(coalesce({0}, ''), '\\s*'))", "bool")),
    "concat": Signature(1, 64, lambda values: Value(f"concat({', '.join(as_text(each) for each in values)})", "text")),
    "ltrim": Signature(1, 2, _trim("ltrim")),
    "rtrim": Signature(1, 2, _trim("rtrim")),
    "trim": Signature(1, 2, _trim("trim")),
    "strlen": Signature(1, 1, _text("length({0})", "number")),
    "toupper": Signature(1, 1, _text("upper({0})")),
    "upper": Signature(1, 1, _text("upper({0})")),
    "tolower": Signature(1, 1, _text("lower({0})")),
    "lower": Signature(1, 1, _text("lower({0})")),
    "substr": Signature(2, 3, _substring),
    "replace": Signature(3, 3, _text("replace({0}, {1}, {2})")),
    "strcontains": Signature(2, 2, _text("CAST(contains({0}, {1}) AS INTEGER)", "number")),
    "frommillis": Signature(1, 1, lambda values: Value(f"CAST({as_number(values[0])} AS BIGINT)", "time")),
    "tomillis": Signature(1, 1, lambda values: Value(f"CAST({as_number(values[0])} AS BIGINT)", "number")),
    "now": Signature(0, 0, lambda _: Value("CAST(epoch(now()) AS BIGINT)", "number")),
    "isvalidip": Signature(1, 1, _text("(coalesce(ipv4({0}) IS NOT NULL, false))", "bool")),
    "isvalidipv4": Signature(1, 1, _text("(coalesce(ipv4({0}) IS NOT NULL, false))", "bool")),
    "isipinsubnet": Signature(2, 2, _in_subnet),
    "isipv4insubnet": Signature(2, 2, _in_subnet),
}
"""Functions of one row. ``bin``, ``datefloor`` and ``dateceil`` take periods and are translated where those are known.
IPv6 is left out: the stack has none."""


def _smallest(function: str, pick: str) -> Build:
    """Numbers compare as numbers; where there is none, texts as texts."""

    def build(values: Sequence[Value]) -> Value:
        (value,) = values
        if value.kind in ("number", "time", "bool"):
            return Value(f"{function}({as_number(value)})", "number")
        return Value(f"coalesce({pick}({value.sql}, {as_number(value)}), {function}({value.sql}))", "any")

    return build


def _by_time(pick: str) -> Build:
    def build(values: Sequence[Value]) -> Value:
        return Value(f"{pick}({values[0].sql}, (moment, sequence))", values[0].kind)

    return build


def _percentile(values: Sequence[Value]) -> Value:
    share = values[1].constant
    if share is None or not 0 <= float(share) <= 100:
        raise ValueError("a percentile is a number from 0 to 100")
    return Value(f"quantile_cont({as_number(values[0])}, {float(share) / 100!r})", "number")


def _sorts(pick: str) -> Build:
    def build(values: Sequence[Value]) -> Value:
        (value,) = values
        if value.kind in ("number", "time", "bool"):
            return Value(f"{'min' if pick == 'arg_min' else 'max'}({value.sql})", value.kind)
        number = as_number(value)
        order = f"({number} IS NOT NULL, coalesce({number}, 0), coalesce({natural_order(value.sql)}, ''))"
        return Value(f"{pick}({value.sql}, {order})", "any")

    return build


AGGREGATES: dict[str, Signature] = {
    "count": Signature(0, 1, lambda values: Value(f"count({values[0].sql})" if values else "count(*)", "number")),
    "count_distinct": Signature(1, 1, lambda values: Value(f"count(DISTINCT {values[0].sql})", "number")),
    "sum": Signature(1, 1, _number("sum({0})")),
    "avg": Signature(1, 1, _number("avg({0})")),
    "min": Signature(1, 1, _smallest("min", "arg_min")),
    "max": Signature(1, 1, _smallest("max", "arg_max")),
    "stddev": Signature(1, 1, _number("stddev_samp({0})")),
    "pct": Signature(2, 2, _percentile),
    "percentile": Signature(2, 2, _percentile),
    "median": Signature(1, 1, _number("median({0})")),
    "earliest": Signature(1, 1, _by_time("arg_min")),
    "latest": Signature(1, 1, _by_time("arg_max")),
    "sortsfirst": Signature(1, 1, _sorts("arg_min")),
    "sortslast": Signature(1, 1, _sorts("arg_max")),
}
"""Functions of many rows. The user guide doesn't say how percentiles are interpolated (here: linearly) or which
standard deviation is meant (here: of a sample)."""

EVENTS_ONLY = ("earliest", "latest")
"""They need the events' times, so they can't follow another ``stats``."""
