"""What metric math means: time series, scalars and arrays of time series, and every function over them.

Rules are those of the CloudWatch user guide: between series a missing value counts as 0, a division by zero drops
the datapoint, a function over one series gives a scalar and over an array a series. Fetching is ``queries``' business.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeAlias

from localcloud.services.cloudwatch.expressions import (
    Array,
    ExpressionError,
    Function,
    Name,
    Negation,
    Node,
    Number,
    Operation,
    Text,
)


@dataclass(frozen=True, slots=True)
class Series:
    """A time series: value by the second its period begins. ``metric`` is False for a result of an expression."""

    identity: str
    label: str
    period: int
    values: Mapping[int, float]
    metric: bool = False


Value: TypeAlias = float | Series | tuple[Series, ...]
Numbers: TypeAlias = Sequence[float]


@dataclass(frozen=True, slots=True)
class EvaluationContext:
    """What an expression sees: the other queries by identifier, every metric of the request, and its times."""

    look_up: Callable[[str], Value]
    metrics: Callable[[], tuple[Series, ...]]
    search: Callable[[str, str, int | None], tuple[Series, ...]]
    grid: Sequence[int]
    """Where a series without gaps has its datapoints."""
    period: int


def _divide(left: float, right: float) -> float:
    return left / right if right else math.nan


def _power(left: float, right: float) -> float:
    try:
        result = left**right
    except (OverflowError, ZeroDivisionError):
        return math.nan
    return result if isinstance(result, float) else math.nan


_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divide,
    "^": _power,
    "==": lambda left, right: float(left == right),
    "!=": lambda left, right: float(left != right),
    "<": lambda left, right: float(left < right),
    "<=": lambda left, right: float(left <= right),
    ">": lambda left, right: float(left > right),
    ">=": lambda left, right: float(left >= right),
    "AND": lambda left, right: float(bool(left) and bool(right)),
    "OR": lambda left, right: float(bool(left) or bool(right)),
}

_REFUSED = {
    "ANOMALY_DETECTION_BAND": "anomaly detection",
    "INSIGHT_RULE_METRIC": "Contributor Insights rules",
    "SERVICE_QUOTA": "service quotas",
    "DB_PERF_INSIGHTS": "Performance Insights counters in metric math",
    "LAMBDA": "Lambda data sources",
}


def evaluate(node: Node, around: EvaluationContext) -> Value:
    """The value of an expression; ``ExpressionError`` where it has none."""
    try:
        return _evaluate(node, around)
    except (ArithmeticError, statistics.StatisticsError) as error:
        raise ExpressionError(f"the expression has no value: {error}") from error


def _evaluate(node: Node, around: EvaluationContext) -> Value:
    match node:
        case Number(value):
            return value
        case Text(value):
            raise ExpressionError(f"the string {value!r} stands where a metric or a number is needed")
        case Name(name):
            if not name[:1].islower():
                raise ExpressionError(f"{name} is no identifier of a metric: those begin with a lower case letter")
            return around.look_up(name)
        case Array(items):
            return tuple(series for item in items for series in _series(evaluate(item, around), "an array"))
        case Negation(operand):
            return _each(evaluate(operand, around), lambda value: -value)
        case Operation(operator, left, right):
            return _operate(operator, evaluate(left, around), evaluate(right, around), around)
        case Function(name, arguments):
            if name in _REFUSED:
                raise ExpressionError(f"{name} is not supported: localcloud has no {_REFUSED[name]}")
            function = _FUNCTIONS.get(name)
            if function is None:
                raise ExpressionError(f"unknown function {name}")
            return function(name, arguments, around)


def _series(value: Value, where: str) -> tuple[Series, ...]:
    if isinstance(value, Series):
        return (value,)
    if isinstance(value, tuple):
        return value
    raise ExpressionError(f"{where} needs a time series, not a number")


def _finite(values: Mapping[int, float]) -> dict[int, float]:
    return {at: value for at, value in values.items() if math.isfinite(value)}


def _derived(series: Series, values: Mapping[int, float]) -> Series:
    return replace(series, values=_finite(values), metric=False)


def _each(value: Value, change: Callable[[float], float]) -> Value:
    if isinstance(value, float):
        return change(value)
    if isinstance(value, tuple):
        return tuple(_derived(series, {at: change(item) for at, item in series.values.items()}) for series in value)
    return _derived(value, {at: change(item) for at, item in value.values.items()})


def _operate(operator: str, left: Value, right: Value, around: EvaluationContext) -> Value:
    apply = _OPERATORS[operator]
    if isinstance(left, tuple) and isinstance(right, tuple):
        raise ExpressionError(f"'{operator}' cannot be used between two arrays of time series")
    if isinstance(left, tuple):
        return tuple(item for one in left for item in _series(_operate(operator, one, right, around), "an array"))
    if isinstance(right, tuple):
        return tuple(item for one in right for item in _series(_operate(operator, left, one, around), "an array"))
    if isinstance(left, Series) and isinstance(right, Series):
        times = left.values.keys() | right.values.keys()
        values = {at: apply(left.values.get(at, 0.0), right.values.get(at, 0.0)) for at in times}
        return replace(left, values=_finite(values), metric=False, period=max(left.period, right.period))
    if isinstance(left, Series):
        number = _scalar(right, operator)
        return _derived(left, {at: apply(value, number) for at, value in left.values.items()})
    if isinstance(right, Series):
        return _derived(right, {at: apply(left, value) for at, value in right.values.items()})
    return apply(left, right)


def _scalar(value: Value, where: str) -> float:
    if not isinstance(value, float):
        raise ExpressionError(f"{where} needs a number")
    return value


def _whole(argument: Node, name: str, around: EvaluationContext) -> int:
    number = _scalar(evaluate(argument, around), name)
    if not math.isfinite(number):
        raise ExpressionError(f"{name} needs a whole number")
    return int(number)


def _arguments(name: str, arguments: Sequence[Node], least: int, most: int) -> None:
    if not least <= len(arguments) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise ExpressionError(f"{name} takes {wanted} arguments, not {len(arguments)}")


def _mapped(change: Callable[[float], float]) -> _Function:
    def function(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
        _arguments(name, arguments, 1, 1)
        return _each(evaluate(arguments[0], around), change)

    return function


def _along(change: Callable[[Sequence[tuple[int, float]]], Mapping[int, float]]) -> _Function:
    """A function of each series by itself, given its datapoints in the order of time."""

    def function(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
        _arguments(name, arguments, 1, 1)
        value = evaluate(arguments[0], around)
        changed = tuple(_derived(one, change(sorted(one.values.items()))) for one in _series(value, name))
        return changed if isinstance(value, tuple) else changed[0]

    return function


def _reduced(reduce: Callable[[Numbers], float], *, missing_is_zero: bool = False) -> _Function:
    """A scalar of one series; of an array the series of what all of them had at each time."""

    def function(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
        _arguments(name, arguments, 1, 1)
        value = evaluate(arguments[0], around)
        if isinstance(value, float):
            return reduce([value])
        if isinstance(value, Series):
            return reduce(list(value.values.values())) if value.values else math.nan
        values: dict[int, float] = {}
        for at in set().union(*(one.values.keys() for one in value)):
            present = [one.values[at] for one in value if at in one.values]
            values[at] = reduce(present + [0.0] * (len(value) - len(present)) if missing_is_zero else present)
        period = max((one.period for one in value), default=around.period)
        return Series(name.lower(), name, period, _finite(values))

    return function


def _fill(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
    _arguments(name, arguments, 2, 2)
    target = evaluate(arguments[0], around)
    filler = arguments[1]
    if isinstance(filler, Name) and filler.name in ("REPEAT", "LINEAR"):
        fill = _repeat if filler.name == "REPEAT" else _linear
        filled = tuple(_derived(one, fill(one.values, around.grid)) for one in _series(target, name))
    else:
        other = evaluate(filler, around)
        if isinstance(other, tuple):
            raise ExpressionError("FILL takes a number, one time series, REPEAT or LINEAR as its filler")
        extra = dict(other.values) if isinstance(other, Series) else dict.fromkeys(around.grid, other)
        filled = tuple(_derived(one, {**extra, **one.values}) for one in _series(target, name))
    return filled if isinstance(target, tuple) else filled[0]


def _repeat(values: Mapping[int, float], grid: Sequence[int]) -> dict[int, float]:
    filled = dict(values)
    last: float | None = None
    for at in grid:
        last = values.get(at, last)
        if last is not None:
            filled[at] = last
    return filled


def _linear(values: Mapping[int, float], grid: Sequence[int]) -> dict[int, float]:
    filled = dict(values)
    known = sorted(values)
    for before, after in pairwise(known):
        slope = (values[after] - values[before]) / (after - before)
        filled.update({at: values[before] + slope * (at - before) for at in grid if before < at < after})
    return filled


def _if(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
    _arguments(name, arguments, 2, 3)
    condition = evaluate(arguments[0], around)
    truth = evaluate(arguments[1], around)
    untruth = evaluate(arguments[2], around) if len(arguments) == 3 else None
    if isinstance(condition, tuple) or isinstance(truth, tuple) or isinstance(untruth, tuple):
        raise ExpressionError("IF takes single time series and numbers, not arrays")
    if isinstance(condition, float):
        if condition:
            return truth
        if untruth is None:
            return Series("if", "IF", around.period, {})
        return untruth
    values: dict[int, float] = {}
    for at, holds in condition.values.items():
        if holds:
            values[at] = truth.values.get(at, 0.0) if isinstance(truth, Series) else _scalar(truth, name)
        elif isinstance(untruth, Series):
            if at in untruth.values:
                values[at] = untruth.values[at]
        elif untruth is not None:
            values[at] = _scalar(untruth, name)
    return _derived(condition, values)


def _metrics(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
    _arguments(name, arguments, 0, 1)
    part = ""
    if arguments:
        if not isinstance(arguments[0], Text):
            raise ExpressionError("METRICS takes a string in quotes")
        part = arguments[0].value
    return tuple(series for series in around.metrics() if part in series.identity)


def _period(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
    _arguments(name, arguments, 1, 1)
    value = evaluate(arguments[0], around)
    if not isinstance(value, Series) or not value.metric:
        raise ExpressionError("PERIOD takes a metric, not the result of another expression")
    return float(value.period)


def _counted(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
    _arguments(name, arguments, 1, 1)
    return float(len(_series(evaluate(arguments[0], around), name)))


def _picked(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
    _arguments(name, arguments, 1, 1)
    array = _series(evaluate(arguments[0], around), name)
    if not array:
        return Series(name.lower(), name, around.period, {})
    return array[0] if name == "FIRST" else array[-1]


def _remove_empty(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
    _arguments(name, arguments, 1, 1)
    return tuple(one for one in _series(evaluate(arguments[0], around), name) if one.values)


def _sort(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
    _arguments(name, arguments, 3, 4)
    array = _series(evaluate(arguments[0], around), name)
    by, order = arguments[1], arguments[2]
    if not (isinstance(by, Name) and by.name in _BY and isinstance(order, Name) and order.name in ("ASC", "DESC")):
        raise ExpressionError("SORT takes an array, one of AVG, MIN, MAX or SUM, and ASC or DESC")
    reduce = _BY[by.name]
    sign = -1 if order.name == "DESC" else 1
    filled = sorted((one for one in array if one.values), key=lambda one: sign * reduce(list(one.values.values())))
    ordered = (*filled, *(one for one in array if not one.values))
    if len(arguments) == 4:
        return ordered[: _whole(arguments[3], name, around)]
    return ordered


def _slice(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
    _arguments(name, arguments, 2, 3)
    array = _series(evaluate(arguments[0], around), name)
    bounds = [_whole(argument, name, around) for argument in arguments[1:]]
    return array[bounds[0] : bounds[1] if len(bounds) == 2 else None]


def _time_series(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
    _arguments(name, arguments, 1, 1)
    number = _scalar(evaluate(arguments[0], around), name)
    return Series(name.lower(), name, around.period, _finite(dict.fromkeys(around.grid, number)))


def _clock(read: Callable[[datetime], float]) -> _Function:
    def function(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
        _arguments(name, arguments, 1, 1)
        value = evaluate(arguments[0], around)
        if not isinstance(value, Series):
            raise ExpressionError(f"{name} takes one time series")
        return _derived(value, {at: read(datetime.fromtimestamp(at, UTC)) for at in around.grid})

    return function


def _search(name: str, arguments: Sequence[Node], around: EvaluationContext) -> Value:
    _arguments(name, arguments, 2, 3)
    pattern, statistic = arguments[0], arguments[1]
    if not (isinstance(pattern, Text) and isinstance(statistic, Text)):
        raise ExpressionError("SEARCH takes a search expression and a statistic, both in quotes")
    period = _whole(arguments[2], name, around) if len(arguments) == 3 else None
    return around.search(pattern.value, statistic.value, period)


def _running_sum(points: Sequence[tuple[int, float]]) -> dict[int, float]:
    total = 0.0
    return {at: (total := total + value) for at, value in points}


def _pairs(points: Sequence[tuple[int, float]]) -> list[tuple[tuple[int, float], tuple[int, float]]]:
    return list(pairwise(points))


_Function: TypeAlias = Callable[[str, Sequence[Node], EvaluationContext], Value]
_BY: dict[str, Callable[[Numbers], float]] = {"AVG": statistics.fmean, "MIN": min, "MAX": max, "SUM": math.fsum}
_FUNCTIONS: dict[str, _Function] = {
    "ABS": _mapped(abs),
    "CEIL": _mapped(lambda value: float(math.ceil(value))),
    "FLOOR": _mapped(lambda value: float(math.floor(value))),
    "LOG": _mapped(lambda value: math.log(value) if value > 0 else math.nan),
    "LOG10": _mapped(lambda value: math.log10(value) if value > 0 else math.nan),
    "AVG": _reduced(statistics.fmean, missing_is_zero=True),
    "SUM": _reduced(math.fsum),
    "MIN": _reduced(min),
    "MAX": _reduced(max),
    "STDDEV": _reduced(statistics.pstdev),
    "DATAPOINT_COUNT": _reduced(lambda values: float(len(values))),
    "DIFF": _along(lambda points: {two[0]: two[1] - one[1] for one, two in _pairs(points)}),
    "DIFF_TIME": _along(lambda points: {two[0]: float(two[0] - one[0]) for one, two in _pairs(points)}),
    "RATE": _along(lambda points: {two[0]: (two[1] - one[1]) / (two[0] - one[0]) for one, two in _pairs(points)}),
    "RUNNING_SUM": _along(_running_sum),
    "FILL": _fill,
    "FIRST": _picked,
    "IF": _if,
    "LAST": _picked,
    "METRICS": _metrics,
    "METRIC_COUNT": _counted,
    "PERIOD": _period,
    "REMOVE_EMPTY": _remove_empty,
    "SEARCH": _search,
    "SLICE": _slice,
    "SORT": _sort,
    "TIME_SERIES": _time_series,
    "MINUTE": _clock(lambda moment: float(moment.minute)),
    "HOUR": _clock(lambda moment: float(moment.hour)),
    "DAY": _clock(lambda moment: float(moment.isoweekday())),
    "DATE": _clock(lambda moment: float(moment.day)),
    "MONTH": _clock(lambda moment: float(moment.month)),
    "YEAR": _clock(lambda moment: float(moment.year)),
    "EPOCH": _clock(lambda moment: moment.timestamp()),
}
FUNCTIONS = frozenset(_FUNCTIONS)
