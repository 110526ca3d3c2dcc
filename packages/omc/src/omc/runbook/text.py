"""A section's Markdown as blocks of a document, so that it is shown as everything else. Pure: no value is looked up."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence

from omc.output.document import Block, CodeBlock, Inline, Items, Link, Literal, Paragraph, Row, Section, Table, Text
from omc.runbook.model import DOCUMENTS

_HEADING = re.compile(r"(#{1,6}) (.+)")
_ITEM = re.compile(r"(?:[-*]|\d+\.) +(.*)")
_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\[(?P<text>[^\]]+)\]\((?P<address>[^)]+)\)|\*\*(?P<bold>[^*]+)\*\*|\*(?P<em>[^*]+)\*"
)
Fill = Callable[[tuple[str, ...]], tuple[str, ...]]
"""Of a block of commands: the same with today's values."""
Say = Callable[[str], str]
"""Of a command within a line: the same with today's names."""


def blocks_of(lines: Sequence[str], chapter: str, fill: Fill, say: Say) -> tuple[Block, ...]:
    """What is written there."""
    return _Reader(list(lines), chapter, fill, say).section(0)


class _Reader:
    """Goes through the lines once."""

    def __init__(self, lines: list[str], chapter: str, fill: Fill, say: Say) -> None:
        self._lines, self._chapter, self._fill, self._say, self._at = lines, chapter, fill, say, 0

    def section(self, level: int) -> tuple[Block, ...]:
        """Up to a heading of this level or a higher one."""
        found: list[Block] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if heading := _HEADING.fullmatch(line):
                if len(heading[1]) <= level:
                    break
                self._at += 1
                found.append(Section(self._plain(heading[2]), self.section(len(heading[1]))))
            elif not line.strip():
                self._at += 1
            elif line.startswith("```"):
                found.append(self._code(line.removeprefix("```").strip()))
            elif line.startswith("|"):
                found.append(self._table())
            elif _ITEM.match(line):
                found.append(self._items())
            else:
                found.append(Paragraph(self._text(" ".join(self._taken(_is_prose)))))
        return tuple(found)

    def _code(self, language: str) -> Block:
        self._at += 1
        inside = []
        while self._at < len(self._lines) and not self._lines[self._at].startswith("```"):
            inside.append(self._lines[self._at])
            self._at += 1
        self._at += 1
        shown = self._fill(tuple(inside)) if language == "bash" else tuple(inside)
        return CodeBlock(shown, language or "text")

    def _table(self) -> Block:
        rows = [self._cells(line) for line in self._taken(lambda line: line.startswith("|"))]
        columns = tuple(self._plain(cell) for cell in rows[0])
        return Table(columns, tuple(Row(tuple(self._text(cell) for cell in row)) for row in rows[2:]))

    def _cells(self, line: str) -> list[str]:
        return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]

    def _items(self) -> Block:
        items: list[str] = []
        while self._at < len(self._lines) and (line := self._lines[self._at]).strip():
            match = _ITEM.match(line.strip())
            if match and not line.startswith("    "):
                items.append(match[1])
            elif line.startswith(" ") and items:
                items[-1] += f" {line.strip()}"
            else:
                break
            self._at += 1
        return Items(tuple(self._text(item) for item in items))

    def _taken(self, wanted: Callable[[str], bool]) -> list[str]:
        taken = []
        while self._at < len(self._lines) and wanted(self._lines[self._at]):
            taken.append(self._lines[self._at].lstrip("> ") if wanted is _is_prose else self._lines[self._at])
            self._at += 1
        return taken

    def _plain(self, text: str) -> str:
        return re.sub(r"[`*]", "", text)

    def _text(self, text: str) -> Text:
        parts: list[Inline] = []
        at = 0
        for match in _INLINE.finditer(text):
            parts += [text[at : match.start()]] if match.start() > at else []
            if match["code"]:
                parts.append(Literal(self._say(match["code"])))
            elif match["text"]:
                parts.append(Link(self._plain(match["text"]), address_of(match["address"], self._chapter)))
            else:
                parts.append(match["bold"] or match["em"])
            at = match.end()
        parts += [text[at:]] if at < len(text) else []
        return tuple(parts) if len(parts) != 1 else parts[0]


def _is_prose(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("```", "|")) and not _HEADING.fullmatch(line)


def address_of(address: str, chapter: str) -> str:
    """A link of a chapter's, as it leads from the repository's root."""
    if "://" in address:
        return address
    path, _, section = address.partition("#")
    whole = posixpath.normpath(posixpath.join(DOCUMENTS, path)) if path else f"{DOCUMENTS}/{chapter}.md"
    return f"{whole}#{section}" if section else whole
