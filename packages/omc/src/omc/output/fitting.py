"""Text that fits a small terminal: entries that are shown on one line each, and taller while there is room for it."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from omc.output.document import Severity, Status
from omc.output.gate import style
from omc.output.terminal import COLOURS
from omc.output.text import line


@dataclass(slots=True)
class Entry:
    """Something to show below a label. ``forms`` are from one line to all of it; the tallest that fits is shown."""

    label: Status
    forms: list[list[str]]
    shown: int = 0

    @property
    def lines(self) -> list[str]:
        return self.forms[self.shown]

    def coloured(self, colour: bool) -> list[str]:
        """The lines that are shown, with the label in the colour of its severity."""
        if not colour or self.label.severity is Severity.NONE:
            return self.lines
        first, *rest = self.lines
        word = self.label.word
        return [in_colour(word, self.label.severity) + first[len(word) :], *rest]


def in_colour(word: str, severity: Severity) -> str:
    """A word in bold and in the colour of a severity."""
    return style(word, fg=COLOURS[severity], bold=True)


def fit(entries: list[Entry], room: int, width: int, order: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """As many entries as have a line, as tall as they fit; and the line that says how many were left out, counted by
    label in ``order``. What one line each leaves of the room goes to whole sentences first, then to what to do, from
    the top."""
    entries, more = _within(entries, room, width, order)
    left = room - len(more) - sum(len(entry.lines) for entry in entries)
    for step in range(1, max((len(entry.forms) for entry in entries), default=0)):
        for entry in entries:
            if step < len(entry.forms) and entry.shown == step - 1:
                cost = len(entry.forms[step]) - len(entry.lines)
                if cost <= left:
                    entry.shown, left = step, left - cost
    return entries, more


def _within(entries: list[Entry], room: int, width: int, order: Sequence[str]) -> tuple[list[Entry], list[str]]:
    if len(entries) <= room:
        return entries, []
    kept, left_out = entries[: max(0, room - 1)], entries[max(0, room - 1) :]
    counts = Counter(entry.label.word for entry in left_out)
    message = ", ".join(f"{counts[name]} {name}" for name in order if counts[name])
    more = f"and {len(left_out)} more: {message} (--verbose)"
    return kept, [more if len(more) <= width else f"and {len(left_out)} more (--verbose)"]


def indented(label: str, lines: Sequence[str], indent: int) -> list[str]:
    """Lines in a column that begins at ``indent``, with the label before the first."""
    first, *rest = lines
    return [f"{label:<{indent}}{first}", *(f"{'':<{indent}}{each}" for each in rest)]


def fitted(text: str, width: int, most: int) -> list[str]:
    """The text in so many lines at most (0: all of it), with an ellipsis where it is cut. Only its first line begins at
    the margin, so that words from outside can't look like a line of ours."""
    text = line(text)
    if not most:
        return wrapped(text, width, below="  ")
    lines = wrapped(text[: width * (most + 2)], width, below="  ")
    if len(lines) <= most:
        return lines
    return cut([text] if most == 1 else lines[:most], width)


def cut(lines: Sequence[str], width: int) -> list[str]:
    """The lines, the last with an ellipsis within the width."""
    return [*lines[:-1], f"{lines[-1][: width - 1].rstrip()}…"]


def wrapped(text: str, width: int, *, whole_words: bool = False, below: str = "") -> list[str]:
    """The text in lines of this width; ``below`` begins all but the first."""
    if len(text) <= width:
        return [text]
    lines = textwrap.wrap(
        text, width, break_long_words=not whole_words, break_on_hyphens=False, subsequent_indent=below
    )
    return lines or [""]
