"""The one table renderer: aligned columns, the last one wrapped to the terminal, colour only where it is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from omc.output.gate import PIPED_WIDTH, style
from omc.output.text import line

LEAST_WIDTH = 30
"""Characters that the last column gets even on a narrow terminal."""
COLOURS: Mapping[str, str] = {"ok": "green", "warn": "yellow", "fail": "red", "unknown": "magenta"}


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one line, and lines that stand below its last cell."""

    cells: tuple[str, ...]
    below: tuple[str, ...] = ()


def table(rows: Sequence[Row], *, header: Sequence[str] = (), width: int | None = None, colour: bool = False) -> str:
    """The rows as lines. A first cell that names a level (ok, warn, fail, unknown) is coloured.

    What stands in a cell can't break out of it."""
    rows = [Row(tuple(map(line, row.cells)), tuple(map(line, row.below))) for row in rows]
    every = [*([tuple(header)] if header else []), *(row.cells for row in rows)]
    if not every:
        return ""
    columns = len(every[0])
    widths = [max(len(cells[column]) for cells in every) for column in range(columns - 1)]
    indent = sum(widths) + 2 * len(widths)
    last = max(LEAST_WIDTH, (width or PIPED_WIDTH) - indent)
    lines: list[str] = []
    if header:
        lines += _row(Row(tuple(header)), widths, last, indent, colour=False)
    for row in rows:
        lines += _row(row, widths, last, indent, colour=colour)
    return "\n".join(each.rstrip() for each in lines)


def _row(row: Row, widths: Sequence[int], last: int, indent: int, *, colour: bool) -> list[str]:
    padded = [cell.ljust(width) for cell, width in zip(row.cells, widths, strict=False)]
    if colour and padded and row.cells[0].lower() in COLOURS:
        padded[0] = style(padded[0], fg=COLOURS[row.cells[0].lower()], bold=row.cells[0].lower() != "ok")
    start = "".join(cell + "  " for cell in padded)
    first, *more = _wrapped(row.cells[-1], last)
    lines = [start + first, *(" " * indent + part for part in more)]
    for text in row.below:
        for number, part in enumerate(_wrapped(text, last - 2)):
            shown = part if number == 0 else "  " + part
            lines.append(" " * indent + (style(shown, dim=True) if colour else shown))
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]

    return wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
