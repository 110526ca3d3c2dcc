"""Charts of the performance review: the database's load, what users wait for by hour, and the cache's hit rate."""

from __future__ import annotations

from statistics import fmean

from omc.facts.performance.figures import DATABASE_PLACE, WeekFigures
from omc.facts.performance.statements import StatementLoads
from omc.model.week_change import Points, step_of
from omc.output.document import Chart, Series
from omc.review.performance.cache import rates
from omc.review.performance.responses import by_hour, milliseconds
from omc.review.performance.words import short

STATEMENTS = 8


def load_chart(figures: WeekFigures) -> Chart | None:
    """DBLoad by day (or hour), on the CPU and waiting."""
    series = tuple(
        Series(name, _steps(figures, figures.now(DATABASE_PLACE, metric, "Average")))
        for name, metric in (("on the CPU", "DBLoadCPU"), ("waiting", "DBLoadNonCPU"))
    )
    return _drawn("Active sessions of the database", figures, series)


def statements_chart(loads: StatementLoads) -> Chart | None:
    """The heaviest statements."""
    if not loads.now:
        return None
    some = loads.now[:STATEMENTS]
    values = tuple(load.sessions for load in some)
    labels = tuple(short(load.text, 40) for load in some)
    return Chart("Statements by load", labels, (Series("average active sessions", values),), is_bars=True)


def responses_chart(figures: WeekFigures) -> Chart | None:
    """The p95 of each target group by hour of the day."""
    series = []
    for group in figures.groups:
        hours = by_hour(milliseconds(figures, group, "p95"), figures.begin)
        if hours:
            series.append(Series(group, tuple(hours.get(hour) for hour in range(24))))
    labels = tuple(f"{hour:02d}:00" for hour in range(24))
    return Chart("95th percentile by hour of the day, UTC", labels, tuple(series), "ms") if series else None


def hit_rate_chart(figures: WeekFigures) -> Chart | None:
    """What the cache answered by itself."""
    points = [(at, value) for at, value in rates(figures) if at >= figures.begin]
    return _drawn("Look-ups that the cache answered", figures, (Series("hit rate", _steps(figures, points)),), "%")


def _drawn(title: str, figures: WeekFigures, series: tuple[Series, ...], unit: str = "") -> Chart | None:
    if not any(value is not None for one in series for value in one.values):
        return None
    step = step_of(figures.since)
    form = "%a %d" if step.days else "%H:%M"
    labels = tuple(f"{figures.begin + number * step:{form}}" for number in range(len(series[0].values)))
    return Chart(title, labels, series, unit)


def _steps(figures: WeekFigures, points: Points) -> tuple[float | None, ...]:
    step = step_of(figures.since)
    found: list[list[float]] = [[] for _ in range(max(1, int(figures.since / step)))]
    for at, value in points:
        if 0 <= (number := int((at - figures.begin) / step)) < len(found):
            found[number].append(value)
    return tuple(fmean(values) if values else None for values in found)
