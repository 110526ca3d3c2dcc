"""A document as Slack's blocks.

All but the header is rich text, whose text elements Slack takes literally: no mrkdwn is written, so a text can't
become a mention, a link or bold. Only a notification's ``fallback`` is mrkdwn, and is escaped. Slack refuses a message
beyond its limits whole, so what goes beyond them is cut, and a note says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
    Severity,
    Status,
    Table,
    Text,
    is_safe,
    parts,
)
from omc.output.figures import figure, last_of, sparkline, top_of
from omc.output.text import line

MAX_BLOCKS = 50
"""Of a message (Slack's Block Kit reference, as the next)."""
MAX_HEADER = 150
"""Characters of a header's text."""
MAX_TEXT = 3_000
"""Characters of a section's text; we also use it for one text of rich text, for which Slack names none."""
MAX_FALLBACK = 4_000
"""Characters that Slack recommends at most for a message's text."""
MAX_ITEMS = 30
"""Items or lines of a list; ours, since nobody reads more of them in a channel."""
EMOJI: Mapping[Severity, str] = {
    Severity.OK: "large_green_circle",
    Severity.WARNING: "large_yellow_circle",
    Severity.UNKNOWN: "large_purple_circle",
    Severity.FAILURE: "red_circle",
}
_FORMATTING = re.compile(r"[*_~`]|^\s*(?:[-•]|\d+\.)", re.MULTILINE)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JOINER = "\u2060"
"""Nothing to see; Slack formats nothing and links nothing across it."""

Json = dict[str, Any]


def render(document: Document) -> list[Json]:
    """The blocks of a message."""
    blocks: list[Json] = []
    if document.title.strip():
        title = {"type": "plain_text", "text": _cut(line(document.title), MAX_HEADER), "emoji": False}
        blocks.append({"type": "header", "text": title})
    if document.verdict:
        status, sentence = document.verdict.status, document.verdict.sentence
        blocks.append(
            _rich(_section((Status(status.word.upper(), status.severity), f": {sentence}" if sentence else "")))
        )
    if document.subtitle:
        blocks.append(_rich(_section(document.subtitle)))
    blocks += _blocks(document.blocks)
    if len(blocks) > MAX_BLOCKS:
        left = len(blocks) - MAX_BLOCKS + 1
        blocks = [*blocks[: MAX_BLOCKS - 1], _rich(_section(f"… and {left} more blocks, not shown here"))]
    return blocks


def fallback(document: Document) -> str:
    """What a notification shows: one line of mrkdwn."""
    verdict = document.verdict
    words = [document.title, f"{verdict.status.word.upper()}: {verdict.sentence}" if verdict else ""]
    return escape(_cut(" — ".join(word for word in words if word.strip()), MAX_FALLBACK // 6))


def escape(text: str) -> str:
    """A text within mrkdwn: it shows as it is, and makes no mention, link or formatting."""
    entities = re.sub("[&<>]", lambda match: _ENTITIES[match[0]], line(text))
    apart = _FORMATTING.sub(lambda match: match[0] + _JOINER, entities)
    return re.sub(r":(?=//)|@|\bwww(?=\.)", lambda match: match[0] + _JOINER, apart)


def _blocks(blocks: Sequence[Block]) -> Iterator[Json]:
    for block in blocks:
        match block:
            case Paragraph(text):
                yield _rich(_section(text))
            case Notice(status, sentence):
                yield _rich(_section((status, f": {sentence}")))
            case Items(items):
                yield from _list(items)
            case CodeBlock(lines):
                shown = [line(each) for each in lines[:MAX_ITEMS]]
                if len(lines) > MAX_ITEMS:
                    shown.append(f"… and {len(lines) - MAX_ITEMS} more lines")
                if text := _cut("\n".join(shown), MAX_TEXT):
                    yield _rich({"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]})
            case Fields(fields):
                yield from _list([_field(field) for field in fields])
            case Table():
                yield from _table(block)
            case Chart():
                yield _rich({"type": "rich_text_section", "elements": [_text(block.title, bold=True)]})
                top = top_of(block)
                yield from _list(
                    [
                        f"{each.name}: {sparkline(each.values, top)} {figure(last_of(each.values), block.unit)}"
                        for each in block.series
                    ]
                )
            case Section(title, inner):
                yield _rich({"type": "rich_text_section", "elements": [_text(title, bold=True)]})
                yield from _blocks(inner)


def _table(table: Table) -> Iterator[Json]:
    items: list[Text] = []
    for row in table.rows:
        filled = [cell for cell in row.cells if cell]
        items.append(
            tuple(part for number, cell in enumerate(filled) for part in ((" · ",) if number else ()) + parts(cell))
        )
        items += [_field(field) for field in row.evidence]
    yield from _list(items)


def _list(items: Sequence[Text]) -> Iterator[Json]:
    if not items:
        return
    shown = [_section(item) for item in items[:MAX_ITEMS]]
    if len(items) > MAX_ITEMS:
        shown.append(_section(f"… and {len(items) - MAX_ITEMS} more"))
    yield _rich({"type": "rich_text_list", "style": "bullet", "elements": shown})


def _field(field: Field) -> Text:
    value = parts(field.value) if not isinstance(field.value, list) else (", ".join(field.value),)
    return (f"{field.name}: ", *value) if field.name else value


def _rich(element: Json) -> Json:
    return {"type": "rich_text", "elements": [element]}


def _section(text: Text) -> Json:
    return {"type": "rich_text_section", "elements": [each for part in parts(text) for each in _elements(part)]}


def _elements(part: Inline) -> list[Json]:
    match part:
        case Status(word, severity):
            emoji = [{"type": "emoji", "name": EMOJI[severity]}, _text(" ")] if severity in EMOJI else []
            return [*emoji, _text(word, bold=True)]
        case Link(text, address) if is_safe(address) and address.lower().startswith("http"):
            return [{"type": "link", "url": _cut(line(address), MAX_TEXT), "text": _cut(line(text), MAX_TEXT) or " "}]
        case Link(text, address):
            return [_text(f"{text} ({address})")]
        case Literal(text):
            return [_text(text) | {"style": {"code": True}}]
        case str():
            return [_text(part)]


def _text(text: str, *, bold: bool = False) -> Json:
    """A text element; Slack refuses an empty one."""
    element: Json = {"type": "text", "text": _cut(line(text), MAX_TEXT) or " "}
    return element | {"style": {"bold": True}} if bold else element


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
