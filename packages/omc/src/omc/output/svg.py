"""A chart as SVG within a page: no script, no style of its own, every figure to be read as its title.

Colours are classes (``series-0`` …); their looks are the page's own business (``omc.output.page``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape as _escape

from omc.output.document import Chart
from omc.output.figures import figure, top_of
from omc.output.text import line

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 70, 10, 14, 34
COLOURS = 6
"""Classes of series; more of them take turns."""
MOST_LABELS = 8
"""Along the bottom; of more, evenly chosen ones are written."""


def drawing(chart: Chart) -> Iterator[str]:
    """The lines of an ``svg`` element and of the names of its series."""
    top = top_of(chart) or 1.0
    summary = "; ".join(f"{series.name}: {_summary(series.values, chart.unit)}" for series in chart.series)
    yield f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_text(f"{chart.title}. {summary}")}">'
    for part in (0.0, 0.5, 1.0):
        y = _y(part * top, top)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        at = figure(part * top, chart.unit)
        yield f'<text class="axis" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_text(at)}</text>'
    yield from _labels(chart)
    for number, series in enumerate(chart.series):
        yield from _bars(chart, number, top) if chart.is_bars else _line(number, series.values, top)
    yield "</svg>"
    if len(chart.series) > 1:
        names = "".join(
            f'<span class="series-{number % COLOURS}">{_text(series.name)}</span> '
            for number, series in enumerate(chart.series)
        )
        yield f'<p class="legend">{names.rstrip()}</p>'


def _labels(chart: Chart) -> Iterator[str]:
    step = max(1, -(-len(chart.labels) // MOST_LABELS))
    for number in range(0, len(chart.labels), step):
        x = _x(number, len(chart.labels))
        yield (
            f'<text class="axis" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
            f"{_text(chart.labels[number])}</text>"
        )


def _line(number: int, values: Sequence[float | None], top: float) -> Iterator[str]:
    """What is missing parts the line; a point alone is a dot."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((_x(place, len(values)), _y(value, top)))
    kind = f"series-{number % COLOURS}"
    for piece in filter(None, pieces):
        if len(piece) == 1:
            yield f'<circle class="{kind}" cx="{piece[0][0]:.1f}" cy="{piece[0][1]:.1f}" r="2"/>'
            continue
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in piece)
        yield f'<polyline class="{kind}" points="{points}"/>'


def _bars(chart: Chart, number: int, top: float) -> Iterator[str]:
    values = chart.series[number].values
    room = (WIDTH - LEFT - RIGHT) / max(1, len(values))
    width = max(1.0, room * 0.8 / max(1, len(chart.series)))
    for place, value in enumerate(values):
        if value is None:
            continue
        x = LEFT + room * (place + 0.1) + width * number
        y = _y(value, top)
        message = _text(f"{chart.labels[place]}: {figure(value, chart.unit)}")
        yield (
            f'<rect class="series-{number % COLOURS}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{max(0.0, HEIGHT - BOTTOM - y):.1f}"><title>{message}</title></rect>'
        )


def _x(place: int, of: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / max(1, of)


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(1.0, max(0.0, value / top))


def _summary(values: Sequence[float | None], unit: str) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "no figures"
    return f"from {figure(min(known), unit)} to {figure(max(known), unit)}, last {figure(known[-1], unit)}"


def _text(text: str) -> str:
    return _escape(line(text), quote=True)
