"""A document as HTML: one ``article`` for a page to hold, without scripts, styles or ids.

Every string is escaped as text or as an attribute's value; the elements depend on the document's shape alone. What a
status means is a class (``severity-failure``): its look is the page's own business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape as _escape
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
    Section,
    Status,
    Table,
    Text,
    is_safe,
    parts,
)
from omc.output.svg import drawing
from omc.output.text import line

_IN_ADDRESS = "/:?#@!$&*+,;=%~.-_"


def render(document: Document, *, level: int = 1) -> str:
    """The document as an article, its title as a heading of this level."""
    lines = ["<article>"]
    if document.title:
        lines.append(_heading(document.title, level))
    if document.subtitle:
        lines.append(f"<p>{inline(document.subtitle)}</p>")
    if document.verdict:
        status, sentence = document.verdict.status, document.verdict.sentence
        lines.append(f"<p><strong>{_status(status)}</strong>{f': {escape(sentence)}' if sentence else ''}</p>")
    return "\n".join([*lines, *_blocks(document.blocks, level + 1), "</article>"])


def escape(text: str) -> str:
    """A text between tags or in a quoted attribute: it shows as it is."""
    return _escape(line(text), quote=True)


def inline(text: Text) -> str:
    """A text within an element."""
    return "".join(_inline(part) for part in parts(text))


def _inline(part: Inline) -> str:
    match part:
        case str():
            return escape(part)
        case Status():
            return _status(part)
        case Literal(text):
            return f"<code>{escape(text)}</code>"
        case Link(text, address):
            if not is_safe(address):
                return escape(f"{text} ({address})")
            target = escape(quote(line(address), safe=_IN_ADDRESS))
            return f'<a href="{target}" rel="noreferrer">{escape(text)}</a>'


def _status(status: Status) -> str:
    return f'<span class="severity-{status.severity.value}">{escape(status.word)}</span>'


def _heading(title: str, level: int) -> str:
    return f"<h{min(level, 6)}>{escape(title)}</h{min(level, 6)}>"


def _blocks(blocks: Sequence[Block], level: int) -> Iterator[str]:
    for block in blocks:
        yield from _block(block, level)


def _block(block: Block, level: int) -> Iterator[str]:
    match block:
        case Paragraph(text):
            yield f"<p>{inline(text)}</p>"
        case Notice(status, sentence):
            yield f'<p role="alert">{_status(status)}: {escape(sentence)}</p>'
        case Items(items):
            yield "<ul>"
            yield from (f"<li>{inline(item)}</li>" for item in items)
            yield "</ul>"
        case CodeBlock(lines):
            yield "<pre><code>" + "\n".join(map(escape, lines)) + "</code></pre>"
        case Fields(fields):
            yield "<dl>"
            yield from map(_field, fields)
            yield "</dl>"
        case Table():
            yield from _table(block)
        case Chart():
            yield "<figure>"
            yield f"<figcaption>{escape(block.title)}</figcaption>"
            yield from drawing(block)
            yield "</figure>"
        case Section(title, inner):
            yield "<section>"
            yield _heading(title, level)
            yield from _blocks(inner, level + 1)
            yield "</section>"


def _field(field: Field) -> str:
    values = field.value if isinstance(field.value, list) else [field.value]
    return f"<dt>{escape(field.name)}</dt>" + "".join(f"<dd>{inline(value)}</dd>" for value in values)


def _table(table: Table) -> Iterator[str]:
    yield "<table>"
    yield "<thead><tr>" + "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns) + "</tr></thead>"
    yield "<tbody>"
    for row in table.rows:
        yield "<tr>" + "".join(f"<td>{inline(cell)}</td>" for cell in row.cells) + "</tr>"
        if row.evidence:
            evidence = "".join(map(_field, row.evidence))
            yield f'<tr><td colspan="{len(table.columns)}"><dl>{evidence}</dl></td></tr>'
    yield "</tbody>"
    yield "</table>"
