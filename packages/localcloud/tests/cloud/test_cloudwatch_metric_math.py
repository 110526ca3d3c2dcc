"""Metric math: the user guide's examples, and the very expressions that our alarms and dashboards use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from localcloud.services.cloudwatch.expressions import ExpressionError, parse
from localcloud.services.cloudwatch.metric_math import EvaluationContext, Series, Value, evaluate

Drawn = Sequence[float | None]


def calculate(expression: str, metrics: Mapping[str, Drawn], *, length: int = 0, period: int = 60) -> Value:
    """The expression over metrics given as values a minute apart; None is a missing datapoint."""
    series = {
        name: Series(
            name,
            name,
            period,
            {number * period: float(value) for number, value in enumerate(values) if value is not None},
            metric=True,
        )
        for name, values in metrics.items()
    }
    length = length or max((len(values) for values in metrics.values()), default=3)
    around = EvaluationContext(
        look_up=lambda name: series[name],
        metrics=lambda: tuple(series.values()),
        search=lambda pattern, statistic, length: (),
        grid=range(0, length * period, period),
        period=period,
    )
    return evaluate(parse(expression), around)


def drawn(value: Value, length: int, period: int = 60) -> list[float | None]:
    assert isinstance(value, Series), f"{value} is no time series"
    return [value.values.get(number * period) for number in range(length)]


def check(expression: str, expected: Drawn, **metrics: Drawn) -> None:
    assert drawn(calculate(expression, metrics, length=len(expected)), len(expected)) == list(expected)


def test_comparisons_as_documented() -> None:
    metrics: dict[str, Drawn] = {"metric1": [30, 20, 0, 0], "metric2": [20, None, 20, None]}
    check("(metric1 < metric2)", [0, 0, 1, 0], **metrics)
    check("(metric1 >= 30)", [1, 0, 0, 0], **metrics)
    check("(metric1 > 15 AND metric2 > 15)", [1, 0, 0, 0], **metrics)
    check("metric1 > 25 || metric2 == 20", [1, 0, 1, 0], **metrics)


def test_if_as_documented() -> None:
    metrics: dict[str, Drawn] = {
        "metric1": [1, 1, 0, 0, None],
        "metric2": [30, None, 0, 0, 30],
        "metric3": [0, 0, 20, None, 20],
    }
    check("IF(metric1, metric2, metric3)", [30, 0, 20, None, None], **metrics)
    check("IF(metric1, 5, metric3)", [5, 5, 20, None, None], **metrics)
    check("IF(metric1, metric2, 5)", [30, 0, 5, 5, None], **metrics)
    check("IF(metric2 < 10, metric2)", [None, None, 0, 0, None], **metrics)
    check("IF(1, metric2, metric3)", [30, None, 0, 0, 30], **metrics)
    check("IF(0, metric2)", [None] * 5, **metrics)


def test_arithmetic_treats_missing_values_as_zero_and_drops_divisions_by_zero() -> None:
    check("a + b", [3, 1, 2, None], a=[1, 1, None, None], b=[2, None, 2, None])
    check("a / b", [2, None, 0], a=[4, 4, None], b=[2, None, 2])
    check("-a * 2 ^ 3 + 1", [-7, -15], a=[1, 2])
    check("2 ^ 2 ^ 0 * a - 1 - 1", [2.0], a=[4])


def test_fill_repeats_interpolates_and_fills_even_what_never_reported() -> None:
    check("FILL(a, 0)", [0, 5, 0, 7], a=[None, 5, None, 7])
    check("FILL(a, REPEAT)", [None, 5, 5, 7], a=[None, 5, None, 7])
    check("FILL(a, LINEAR)", [None, 5, 6, 7, None], a=[None, 5, None, 7, None])
    check("FILL(a, b)", [9, 5, None], a=[None, 5, None], b=[9, 9, None])
    check("FILL(silent, 0)", [0, 0, 0], silent=[])


def test_functions_of_one_series_are_numbers_and_of_an_array_series() -> None:
    check("a - AVG(a)", [-1, 0, 1], a=[1, 2, 3])
    check("a / SUM(a) * 100", [10, 20, 70], a=[1, 2, 7])
    check("SUM([a, b])", [3, 2, 4], a=[1, 2, None], b=[2, None, 4])
    check("AVG(METRICS())", [1.5, 1, 2], a=[1, 2, None], b=[2, None, 4])
    check("MAX([a, b]) - MIN([a, b])", [1, 0, 0], a=[1, 2, None], b=[2, None, 4])
    check("STDDEV([a, b])", [0.5, 0], a=[1, 2], b=[2, 2])
    check('SUM(METRICS("err"))', [4, 6], err1=[1, 2], err2=[3, 4], requests=[100, 100])
    with pytest.raises(ExpressionError):
        calculate("a + 'text'", {"a": [1]})


def test_functions_along_a_series() -> None:
    check("DIFF(a)", [None, 2, None, 5], a=[1, 3, None, 8])
    check("RATE(a)", [None, 0.1, -0.05], a=[0, 6, 3])
    check("RUNNING_SUM(a)", [1, 3, None, 7], a=[1, 2, None, 4])
    check("ABS(a) + CEIL(b) + FLOOR(b)", [4 + 3 + 2, 1], a=[-4, 1], b=[2.5, 0])
    check("a / PERIOD(a)", [2, 1], a=[120, 60])
    check("TIME_SERIES(3) * a", [3, 6], a=[1, 2])
    check("FIRST(SORT([a, b], AVG, DESC))", [9, 9], a=[1, 2], b=[9, 9])
    check("LAST(SLICE([a, b], 0, 1))", [1, 2], a=[1, 2], b=[9, 9])


# The expressions of the table of alarms.

FIVE_XX = "IF(total>=20, 100*(t5+e5)/total, 0)"


def five_xx(**metrics: Drawn) -> list[float | None]:
    """As the Terraform module writes it: each count filled, their sum the total."""
    names = ("t2", "t3", "t4", "t5", "e5")
    filled = {
        name: calculate(f"FILL({name}, 0)", {"grid": [0] * 5, name: metrics.get(name, [])}, length=5) for name in names
    }
    series = {name: drawn(value, 5) for name, value in filled.items()}
    total = drawn(calculate("t2+t3+t4+t5+e5", series, length=5), 5)
    return drawn(calculate(FIVE_XX, {**series, "total": total}, length=5), 5)


def test_the_5xx_percentage_needs_traffic_and_counts_what_the_balancer_answered_itself() -> None:
    assert five_xx(t2=[95, 95, 9, None, 50], t5=[5, None, 10, None, None], e5=[None, 5, None, 40, None]) == [
        5.0,
        5.0,
        0.0,  # 19 requests are too few to judge
        100.0,  # a full outage: no target answers, so only the balancer's own errors are there
        0.0,
    ]
    assert five_xx() == [0.0] * 5


def test_the_hit_rate_has_a_floor_of_traffic() -> None:
    expression = "IF(h+m>=1000, 100*h/(h+m), 100)"
    check(expression, [50, 100, 100, None], h=[600, 900, 1000, None], m=[600, 99, None, None])


def test_tasks_short_is_desired_minus_running() -> None:
    check("desired - running", [0, 1, 2], desired=[2, 2, 2], running=[2, 1, None])


TOTAL = "FILL(t2, 0) + FILL(t3, 0) + FILL(t4, 0) + FILL(t5, 0) + FILL(e5, 0)"
HITS, MISSES = "FILL(cachehits_001, 0) + FILL(cachehits_002, 0)", "FILL(cachemisses_001, 0) + FILL(cachemisses_002, 0)"


def test_the_expressions_as_the_monitoring_module_renders_them() -> None:
    """The same sums, written out with each count filled in its place."""
    answers: dict[str, Drawn] = {"t2": [95, None, None], "t3": [], "t4": [], "t5": [5, None, 1], "e5": [None, 30, None]}
    check(f"IF({TOTAL} >= 20, 100 * (FILL(t5, 0) + FILL(e5, 0)) / ({TOTAL}), 0)", [5, 100, 0], **answers)
    cache: dict[str, Drawn] = {
        "cachehits_001": [500, 1],
        "cachehits_002": [100, None],
        "cachemisses_001": [400, None],
        "cachemisses_002": [],
    }
    check(f"IF({HITS} + {MISSES} >= 1000, 100 * ({HITS}) / ({HITS} + {MISSES}), 100)", [60, 100], **cache)
    check("MAX([only])", [1, None, 3], only=[1, None, 3])
    check("FILL(sev1, 0) + FILL(sev2, 0) + FILL(sev3, 0)", [0, 2], sev1=[], sev2=[None, 2], sev3=[])


def test_no_healthy_target_is_an_outage_unless_none_is_wanted_or_nothing_was_measured() -> None:
    check(
        "IF(desired < 1, 1, IF(running < 1, 0, FILL(healthy, 1)))",
        [2, 0, 1, 1, None],
        desired=[2, 2, 2, 0, None],
        running=[2, 0, 2, 0, None],
        healthy=[2, None, None, None, None],
    )


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("ANOMALY_DETECTION_BAND(a, 2)", "localcloud has no anomaly detection"),
        ("a +", "unexpected end"),
        ("(a", "expected ')'"),
        ("a $ 2", "unexpected character '$'"),
        ("MEDIAN(a)", "unknown function MEDIAN"),
        ("FILL(a)", "FILL takes 2 arguments, not 1"),
        ("[a] + [a]", "between two arrays"),
        ("PERIOD(a + 1)", "PERIOD takes a metric"),
        ("(" * 500 + "a" + ")" * 500, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_reported_in_one_sentence(expression: str, says: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        calculate(expression, {"a": [1, 2]})
    assert says in str(refused.value)
