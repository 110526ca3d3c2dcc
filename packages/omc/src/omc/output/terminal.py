"""A document on a terminal: aligned columns, long texts wrapped, colour only where it is wanted.

Every string passes ``line``: none of them can move the cursor, begin a line or change a colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
    Severity,
    Status,
    Table,
    Text,
    Verdict,
    is_safe,
    parts,
)
from omc.output.figures import figure, last_of, sparkline, top_of
from omc.output.gate import PIPED_WIDTH, style
from omc.output.text import line

LEAST_WIDTH = 30
"""Characters that the last column gets even on a narrow terminal."""
COLOURS: Mapping[Severity, str] = {
    Severity.OK: "green",
    Severity.WARNING: "yellow",
    Severity.UNKNOWN: "magenta",
    Severity.FAILURE: "red",
}
MAX_EVIDENCE = 16
"""Lines of evidence below a row; JSON and Markdown have all of it."""
LONGEST_LINE = 100
"""Characters up to which a field with several values stays on one line."""
ITEMS_SHOWN = 4


def render(document: Document, *, width: int = PIPED_WIDTH, colour: bool = False, wrap: bool = False) -> str:
    """The document as lines for a terminal of this width. Columns are always wrapped; ``wrap`` says whether sentences
    are too, which a program that reads lines doesn't want."""
    prose = width if wrap else 0
    head = [*_wrapped(line(document.title), prose)] if document.title else []
    head += _prose(document.subtitle, prose, colour) if document.subtitle else []
    shown = ["\n".join(head)] if head else []
    shown += _blocks(document.blocks, width, prose, colour, "")
    if document.verdict:
        shown.append("\n".join(_verdict(document.verdict, prose, colour)))
    return "\n\n".join(shown)


def _blocks(blocks: Sequence[Block], width: int, prose: int, colour: bool, indent: str) -> list[str]:
    """Each block's text; notices that follow each other are one."""
    shown: list[str] = []
    for number, block in enumerate(blocks):
        text = "\n".join(each.rstrip() for each in _block(block, width, prose, colour, indent))
        if number and isinstance(block, Notice) and isinstance(blocks[number - 1], Notice):
            shown[-1] += f"\n{text}"
        elif text:
            shown.append(text)
    return shown


def _block(block: Block, width: int, prose: int, colour: bool, indent: str) -> Iterator[str]:
    match block:
        case Paragraph(text):
            yield from _prose(text, prose, colour)
        case Notice(status, sentence):
            first, *rest = _wrapped(f"{line(status.word)}: {line(sentence)}", prose, "  ")
            yield from (_in_colour(each, status.severity, colour) for each in (first, *rest))
        case Items(items):
            for item in items:
                yield from _wrapped(f"- {_plain(item)}", prose, "  ")
        case CodeBlock(lines):
            yield from (f"{indent}{line(each)}" for each in lines)
        case Fields(fields):
            yield from _fields(fields, width, colour)
        case Table():
            yield from _table(block, width, colour)
        case Chart():
            yield from _chart(block)
        case Section(title, inner):
            yield from _wrapped(line(title), prose)
            yield "\n\n".join(_blocks(inner, width, prose, colour, "  "))


def _chart(chart: Chart) -> Iterator[str]:
    """Bars of characters; below them where they begin and end. Bars by kind are lines, each with its name."""
    yield line(chart.title)
    top = top_of(chart)
    if chart.is_bars:
        names = [line(label) for label in chart.labels]
        room = max(map(len, names), default=0)
        for number, name in enumerate(names):
            values = [series.values[number] for series in chart.series]
            shown = " / ".join(figure(value, chart.unit) for value in values)
            yield f"  {name:{room}}  {sparkline(values, top)}  {shown}"
        return
    names = [line(series.name) for series in chart.series]
    room = max(map(len, names), default=0)
    for name, series in zip(names, chart.series, strict=True):
        last = figure(last_of(series.values), chart.unit)
        yield f"  {name:{room}}  {sparkline(series.values, top)}  {last}"
    if chart.labels:
        yield f"  {'':{room}}  {line(chart.labels[0])} to {line(chart.labels[-1])}"


def _verdict(verdict: Verdict, prose: int, colour: bool) -> list[str]:
    word, sentence = line(verdict.status.word).upper(), line(verdict.sentence)
    first, *rest = _wrapped(f"{word}: {sentence}" if sentence else f"{word}.", prose, "  ")
    if len(first) >= len(word):
        first = _in_colour(first[: len(word)], verdict.status.severity, colour) + first[len(word) :]
    return [first, *rest]


def _prose(text: Text, prose: int, colour: bool) -> list[str]:
    plain = _plain(text)
    if prose and len(plain) > prose:
        return _wrapped(plain, prose, "  ")
    return ["".join(_styled(each, colour) for each in parts(text))]


def _fields(fields: Sequence[Field], width: int, colour: bool) -> list[str]:
    """Names and values in two columns."""
    names = [f"  {line(field.name)}" for field in fields]
    room = max((len(name) for name in names), default=0)
    shown = []
    for name, field in zip(names, fields, strict=True):
        message, *more = _field(Field("", field.value))
        cell = Row((name, field.value if isinstance(field.value, str | Status) else message))
        shown += _row(cell, more, [room], max(LEAST_WIDTH, width - room - 2), colour)
    return shown


def _table(table: Table, width: int, colour: bool) -> list[str]:
    across = len(table.columns) - table.below
    names = table.columns[across:]
    rows = [tuple(_plain(cell) for cell in row.cells[:across]) for row in table.rows]
    has_header = any(table.columns[:across])
    header = [tuple(map(line, table.columns[:across]))] if has_header else []
    if not rows:
        return []
    widths = [max(len(cells[column]) for cells in (*header, *rows)) for column in range(across - 1)]
    last = max(LEAST_WIDTH, width - sum(widths) - 2 * len(widths))
    shown: list[str] = []
    for cells in header:
        shown += _row(Row(cells), (), widths, last, colour=False)
    for row in table.rows:
        below = [
            f"{line(name)}: {_plain(cell)}" if name else _plain(cell)
            for name, cell in zip(names, row.cells[across:], strict=True)
            if cell
        ]
        evidence = [each for field in row.evidence for each in _field(field)]
        below += evidence[:MAX_EVIDENCE]
        if len(evidence) > MAX_EVIDENCE:
            below.append(f"and {len(evidence) - MAX_EVIDENCE} more (--output json shows all)")
        shown += _row(Row(row.cells[:across]), below, widths, last, colour)
    return shown


def _row(row: Row, below: Sequence[str], widths: Sequence[int], last: int, colour: bool) -> list[str]:
    start = ""
    for cell, width in zip(row.cells, widths, strict=False):
        padding = " " * (width - len(_plain(cell)))
        start += f"{_styled_whole(cell, colour)}{padding}  "
    indent = " " * (sum(widths) + 2 * len(widths))
    end = row.cells[-1]
    first, *more = _wrapped(_plain(end), last)
    shown = [start + (_styled_whole(end, colour) if not more else first), *(indent + each for each in more)]
    for text in below:
        lines = _wrapped(text, last, "  ")
        shown += [indent + (style(each, dim=True) if colour else each) for each in lines]
    return shown


def _field(field: Field) -> list[str]:
    """One piece of evidence: on a line, or where it has many values the first few of them on one each."""
    name = f"{line(field.name)}: " if field.name else ""
    if not isinstance(field.value, list):
        return [name + _plain(field.value)]
    values = [line(each) for each in field.value]
    whole = name + (", ".join(values) or "(none)")
    if len(whole) <= LONGEST_LINE:
        return [whole]
    more = [f"- and {len(values) - ITEMS_SHOWN} more"] if len(values) > ITEMS_SHOWN else []
    return [*([name.rstrip()] if name else []), *(f"- {each}" for each in values[:ITEMS_SHOWN]), *more]


def _plain(text: Text) -> str:
    return "".join(_inline(each) for each in parts(text))


def _inline(part: Inline) -> str:
    match part:
        case str():
            return line(part)
        case Status(word):
            return line(word)
        case Literal(text):
            return line(text)
        case Link(text, address):
            shown = f"{text}: {address}" if is_safe(address) else f"{text} ({address})"
            return line(shown if address != text else text)


def _styled(part: Inline, colour: bool) -> str:
    return _in_colour(_inline(part), part.severity, colour) if isinstance(part, Status) else _inline(part)


def _styled_whole(text: Text, colour: bool) -> str:
    return "".join(_styled(part, colour) for part in parts(text))


def _in_colour(text: str, severity: Severity, colour: bool) -> str:
    if not colour or severity not in COLOURS or not text:
        return text
    return style(text, fg=COLOURS[severity], bold=None if severity is Severity.OK else True)


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """The text in lines of this width (0: in one); a word is never broken, so that it can be copied."""
    if not width or len(text) <= width:
        return [text]
    from textwrap import wrap

    lines = wrap(text, width, break_long_words=False, break_on_hyphens=False, subsequent_indent=indent)
    return lines or [""]
