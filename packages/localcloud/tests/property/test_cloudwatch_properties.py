"""What must hold for any samples and any rule: statistics against a plain reference, the store, rules and alarms."""

from __future__ import annotations

import contextlib
import itertools
import math
import random
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.services.cloudwatch.decide import Criteria, Point, state_of
from localcloud.services.cloudwatch.expressions import ExpressionError, parse
from localcloud.services.cloudwatch.metric_math import EvaluationContext, Series, evaluate
from localcloud.services.cloudwatch.rules import STATES, RuleError, holds, parse_rule
from localcloud.services.cloudwatch.search import parse_search
from localcloud.services.cloudwatch.statistics import (
    MOST_VALUES,
    Summary,
    decode,
    encode,
    merge,
    parse_statistic,
    value_of,
)
from localcloud.services.cloudwatch.store import Metric, Store

VALUES = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False).map(lambda value: round(value, 3) + 0.0)


def summary_of(values: list[float]) -> Summary:
    return Summary.of({value: float(values.count(value)) for value in values})


def statistic(name: str, summary: Summary) -> float:
    parsed = parse_statistic(name)
    assert parsed is not None
    value = value_of(parsed, summary)
    assert value is not None
    return value


@given(st.lists(VALUES, min_size=2, max_size=60), st.integers(1, 99))
@settings(deadline=None)
def test_percentiles_are_those_of_the_raw_values(values: list[float], share: int) -> None:
    expected = statistics.quantiles(values, n=100, method="inclusive")[share - 1]
    assert math.isclose(statistic(f"p{share}", summary_of(values)), expected, rel_tol=1e-9, abs_tol=1e-6)


@given(st.lists(VALUES, min_size=1, max_size=60))
@settings(deadline=None)
def test_simple_statistics_are_those_of_the_raw_values(values: list[float]) -> None:
    summary = summary_of(values)
    assert statistic("SampleCount", summary) == len(values)
    assert math.isclose(statistic("Sum", summary), math.fsum(values), rel_tol=1e-9, abs_tol=1e-6)
    assert math.isclose(statistic("Average", summary), statistics.fmean(values), rel_tol=1e-9, abs_tol=1e-6)
    assert (statistic("Minimum", summary), statistic("Maximum", summary)) == (min(values), max(values))
    assert statistic("p0", summary) == min(values)
    assert statistic("p100", summary) == max(values)
    assert math.isclose(statistic("tm100", summary), statistics.fmean(values), rel_tol=1e-9, abs_tol=1e-6)


@given(st.lists(VALUES, min_size=1, max_size=40), st.lists(VALUES, min_size=1, max_size=40))
@settings(deadline=None)
def test_merging_is_the_same_as_having_put_all_at_once(one: list[float], other: list[float]) -> None:
    merged = merge(summary_of(one), summary_of(other))
    whole = summary_of(one + other)
    assert (merged.count, merged.minimum, merged.maximum, merged.values) == (
        whole.count, whole.minimum, whole.maximum, whole.values,
    )  # fmt: skip
    assert decode(whole.count, whole.total, whole.minimum, whole.maximum, encode(whole)) == whole


@given(st.integers(0, 2**32), st.floats(0.2, 2.0))
@settings(max_examples=20, deadline=None)
def test_percentiles_of_very_many_values_are_right_to_two_percent(seed: int, width: float) -> None:
    """Latencies of a busy load balancer: more distinct values than are kept exactly."""
    values = [random.Random(seed + number).lognormvariate(-2, width) for number in range(3000)]
    kept = summary_in_batches(values)
    assert kept.values is not None
    assert len(kept.values) <= MOST_VALUES
    for share in (50, 90, 95, 99):
        exact = statistics.quantiles(values, n=100, method="inclusive")[share - 1]
        assert math.isclose(statistic(f"p{share}", kept), exact, rel_tol=0.02)


def summary_in_batches(values: list[float]) -> Summary:
    """As the store does it: batch after batch is merged into the row on disk."""
    batches = [Summary.of(Counter(values[at : at + 250])) for at in range(0, len(values), 250)]
    whole = batches[0]
    for batch in batches[1:]:
        merged = merge(whole, batch)
        whole = decode(merged.count, merged.total, merged.minimum, merged.maximum, encode(merged))
    return whole


@given(
    st.lists(st.tuples(st.integers(0, 20 * 86400), VALUES), min_size=1, max_size=80),
    st.sampled_from([3600, 86400]),
)
@settings(max_examples=25, deadline=None)
def test_rolling_up_loses_no_sample(samples: list[tuple[int, float]], period: int) -> None:
    """Whatever the age of the samples, sums and counts over whole hours are the same before and after."""
    now = 1_800_000_000 // 86400 * 86400
    metric = Metric.of("Test", "Metric", {"Name": "x"})
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "metrics.sqlite")
        try:
            for age, value in samples:
                store.put(metric, "None", now - age, Summary.of({value: 1.0}))
            start, end = now - 30 * 86400, now + 86400
            before = store.read(metric, start=start, end=end, period=period)
            store.roll_up(now)
            after = store.read(metric, start=start, end=end, period=period, spread=True)
            assert before.keys() == after.keys()
            for at, summary in before.items():
                kept = after[at]
                assert (summary.count, summary.minimum, summary.maximum) == (kept.count, kept.minimum, kept.maximum)
                assert math.isclose(summary.total, kept.total, rel_tol=1e-9, abs_tol=1e-6)
                assert kept.values is not None
                assert sum(count for _, count in kept.values) == kept.count
        finally:
            store.close()


# Metric math: whatever is written, the answer is a value or one sentence.

OPERATORS = ("+", "-", "*", "/", "^", "(", ")", "[", "]", ",", "<", ">=", "==", "AND", "OR")
CALLS = ("SUM(", "AVG(", "STDDEV(", "FILL(", "IF(", "CEIL(", "SLICE(", "SORT(", "METRICS()", "RATE(", "LOG(")
WORDS = st.sampled_from(("m1", "m2", "1", "0", "1e308", "'x'", "REPEAT", "DESC", *OPERATORS, *CALLS))


@given(st.lists(WORDS, max_size=14).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_any_expression_gives_a_value_or_says_what_is_wrong(text: str) -> None:
    series = {
        name: Series(name, name, 60, values, metric=True)
        for name, values in (("m1", {0: 1.0, 60: 1e308}), ("m2", {60: 0.0}))
    }
    around = EvaluationContext(
        look_up=lambda name: series[name],
        metrics=lambda: tuple(series.values()),
        search=lambda pattern, statistic, length: (),
        grid=range(0, 180, 60),
        period=60,
    )
    try:
        value = evaluate(parse(text), around)
    except ExpressionError:
        return
    for one in (value,) if isinstance(value, Series) else value if isinstance(value, tuple) else ():
        assert all(map(math.isfinite, one.values.values()))


@given(st.text(max_size=60))
@settings(deadline=None)
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    for read, wrong in ((parse, ExpressionError), (parse_rule, RuleError), (parse_search, ExpressionError)):
        with contextlib.suppress(wrong):
            read(text)


@pytest.mark.parametrize(
    ("read", "text", "wrong"),
    [
        (parse, "+".join(["m"] * 2000), ExpressionError),
        (parse_rule, " AND ".join(["TRUE"] * 2000), RuleError),
        (parse_search, "(" * 2000, ExpressionError),
    ],
)
def test_what_is_endless_is_refused_instead_of_exhausting_the_stack(
    read: Callable[[str], object], text: str, wrong: type[Exception]
) -> None:
    with pytest.raises(wrong):
        read(text)


# Composite rules: the parser against Python's own reading of the same logic.

NAMES = ("cpu-high", "db down", "a.b/c")


def rules() -> st.SearchStrategy[tuple[str, str]]:
    """Pairs of a rule and the same as a Python expression over ``states``."""
    leaves = st.one_of(
        st.sampled_from([("TRUE", "True"), ("FALSE", "False")]),
        st.tuples(st.sampled_from(STATES), st.sampled_from(NAMES)).map(
            lambda pair: (f'{pair[0]}("{pair[1]}")', f"(states[{pair[1]!r}] == {pair[0]!r})")
        ),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            inner.map(lambda one: (f"NOT {one[0]}" if " " not in one[0] else f"NOT ({one[0]})", f"(not ({one[1]}))")),
            st.tuples(inner, inner, st.sampled_from(["AND", "OR"])).map(
                lambda parts: (
                    f"({parts[0][0]}) {parts[2]} ({parts[1][0]})",
                    f"(({parts[0][1]}) {parts[2].lower()} ({parts[1][1]}))",
                )
            ),
            st.tuples(inner, inner, inner).map(
                # No parentheses: AND must bind tighter than OR.
                lambda parts: (
                    f"({parts[0][0]}) OR ({parts[1][0]}) AND ({parts[2][0]})",
                    f"(({parts[0][1]}) or (({parts[1][1]}) and ({parts[2][1]})))",
                )
            ),
        ),
        max_leaves=8,
    )


@given(rules(), st.lists(st.sampled_from(STATES), min_size=len(NAMES), max_size=len(NAMES)))
@settings(deadline=None)
def test_rules_mean_what_their_logic_says(rule: tuple[str, str], values: list[str]) -> None:
    states = dict(zip(NAMES, values, strict=True))
    expected = eval(rule[1], {"states": states})
    assert holds(parse_rule(rule[0]), states.__getitem__) is expected


# Alarms: invariants beside the documented examples.

DATAPOINTS = st.lists(st.sampled_from([1.0, 9.0, None]), min_size=5, max_size=5)


@given(DATAPOINTS, st.integers(1, 3))
@settings(deadline=None)
def test_treating_gaps_as_breaching_is_never_calmer_than_treating_them_as_not(
    values: list[float | None], to_alarm: int
) -> None:
    points = [Point(60 * number, value) for number, value in enumerate(values)]
    states = {
        missing: state_of(Criteria("GreaterThanThreshold", 5, 3, to_alarm, missing, 60), points)[0]
        for missing in ("breaching", "notBreaching", "missing", "ignore")
    }
    if states["notBreaching"] == "ALARM":
        assert set(states.values()) == {"ALARM"}
    if states["breaching"] == "OK":
        assert states["notBreaching"] == "OK"
    assert states["ignore"] != "INSUFFICIENT_DATA"


def test_every_drawing_has_a_verdict_that_rests_on_at_most_n_datapoints() -> None:
    for values in itertools.product([1.0, 9.0, None], repeat=5):
        points = [Point(60 * number, value) for number, value in enumerate(values)]
        for missing in ("breaching", "notBreaching"):
            state, used, filled = state_of(Criteria("GreaterThanThreshold", 5, 3, 2, missing, 60), points)
            assert state in ("OK", "ALARM")
            assert len(used) + filled == 3
