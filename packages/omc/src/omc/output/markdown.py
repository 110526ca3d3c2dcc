"""A document as Markdown, for a ticket, a pull request or a job's summary.

Every string is escaped so that it shows as it is: it makes no link, image, HTML, heading, list, table cell or mention,
neither by CommonMark nor by what GitHub adds to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from omc.output.document import (
    Block,
    Chart,
    CodeBlock,
    Document,
    Field,
    Fields,
    Inline,
    Items,
    Link,
    Literal,
    Notice,
    Paragraph,
    Row,
    Section,
    Status,
    Table,
    Text,
    is_safe,
    parts,
)
from omc.output.figures import figure
from omc.output.markdown_text import escape, fenced
from omc.output.text import line

_IN_ADDRESS = "/:?#@!$&'*+,;=%~.-_"


def render(document: Document, *, level: int = 2) -> str:
    """The document, its title as a heading of this level."""
    lines: list[str] = []
    if document.title:
        lines += [f"{'#' * level} {escape(document.title)}", ""]
    if document.subtitle:
        lines += [inline(document.subtitle), ""]
    if document.verdict:
        word, sentence = document.verdict.status.word.upper(), document.verdict.sentence
        lines += [f"**{escape(f'{word}: {sentence}' if sentence else f'{word}.')}**", ""]
    lines += _blocks(document.blocks, level + 1)
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines)


def inline(text: Text) -> str:
    """A text within a line or a cell."""
    return "".join(_inline(part) for part in parts(text))


def _inline(part: Inline) -> str:
    match part:
        case str():
            # What separates two parts must survive: only what is between words is folded.
            start, end = " " * part[:1].isspace(), " " * (len(part) > 1 and part[-1:].isspace())
            return f"{start}{escape(part)}{end}" if part.strip() else start
        case Status(word):
            return f"**{escape(word)}**" if word.strip() else ""
        case Literal(text):
            return _literal(text)
        case Link(text, address):
            if not is_safe(address):
                return escape(f"{text} ({address})")
            return f"[{escape(text)}]({quote(line(address), safe=_IN_ADDRESS)})"


def _literal(text: str) -> str:
    """As code where it can be: a word with a backtick or a bar in it is only escaped."""
    shown = line(" ".join(text.split()))
    return f"`{shown}`" if shown and not re.search(r"[`|\\]", shown) else escape(text)


def _blocks(blocks: Sequence[Block], level: int) -> Iterator[str]:
    """Lines, with an empty one after each block."""
    for block in blocks:
        lines = list(_block(block, level))
        if lines:
            yield from lines
            yield ""


def _block(block: Block, level: int) -> Iterator[str]:
    match block:
        case Paragraph(text):
            yield inline(text)
        case Notice(status, sentence):
            yield f"> **{escape(status.word)}:** {escape(sentence)}"
        case Items(items):
            yield from (f"- {inline(item)}" for item in items)
        case CodeBlock(lines, language):
            yield from fenced(lines, language)
        case Fields(fields):
            yield from (f"- {_field(field)}" for field in fields)
        case Table():
            yield from _table(block)
        case Chart():
            yield from (f"**{escape(block.title)}**", "")
            yield from _table(_as_table(block))
        case Section(title, inner):
            yield from (f"{'#' * min(level, 6)} {escape(title)}", "")
            yield from _blocks(inner, level + 1)


def _table(table: Table) -> Iterator[str]:
    if not table.rows:
        return
    yield _cells(table.columns)
    yield "|" + "---|" * len(table.columns)
    for row in table.rows:
        yield _cells(row.cells)
    for row in table.rows:
        if row.evidence:
            name = row.cells[len(table.columns) - table.below - 1]
            yield from ("", f"**{_cell(name)}**", "")
            yield from (f"- {_field(field)}" for field in row.evidence)


def _as_table(chart: Chart) -> Table:
    """The figures, for who can't see a picture."""
    rows = (
        Row((label, *(figure(series.values[number], chart.unit) for series in chart.series)))
        for number, label in enumerate(chart.labels)
    )
    return Table(("", *(series.name for series in chart.series)), tuple(rows))


def _cells(cells: Iterable[Text]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(cell: Text) -> str:
    if isinstance(cell, Status):
        return escape(cell.word)
    return inline(cell).strip()


def _field(field: Field) -> str:
    value = field.value if not isinstance(field.value, list) else ", ".join(field.value) or "(none)"
    return f"{escape(field.name)}: {inline(value)}" if field.name else inline(value)
