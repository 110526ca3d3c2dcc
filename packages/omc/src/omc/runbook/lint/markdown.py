"""A Markdown file, taken apart into code and prose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from omc.runbook.lint.model import Code, Line, Text

_IGNORE = re.compile(r"<!--\s*omc-runbook-ignore\s+([\w*-]+)\s*:\s*\S.*?-->")
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")


def taken_apart(source: str) -> Text:
    """Blocks of code with their lines, and every line of prose. Whatever the text is: what isn't Markdown is prose."""
    from markdown_it import MarkdownIt

    lines = source.split("\n")
    headings: list[tuple[int, str]] = []
    code: list[Code] = []
    prose: list[Line] = []
    before = ""
    tokens = MarkdownIt("commonmark").enable("table").parse(source)
    for at, token in enumerate(tokens):
        if token.type == "heading_open" and token.map:
            level = int(token.tag[1:])
            headings = [each for each in headings if each[0] < level] + [(level, tokens[at + 1].content)]
            before = ""
        path = tuple(text for _, text in headings)
        if token.type in ("fence", "code_block") and token.map:
            first = token.map[0] + (token.type == "fence")
            language = token.info.strip().split(" ")[0].lower().strip("{}.") if token.info else ""
            column = _indentation(lines, first, token.content)
            code.append(Code(token.content, first + 1, column, language, path, before))
        elif token.type == "inline" and token.map:
            first, end = token.map
            before = token.content
            for number in range(first, min(end, len(lines))):
                prose.append(Line(lines[number], number + 1, path))
                code += _spans(lines[number], number + 1, path)
    return Text(tuple(code), tuple(dict.fromkeys(prose)), frozenset(_ignored(lines)))


def _indentation(lines: list[str], first: int, content: str) -> int:
    """How much of each line of a block within a list, say, isn't the block's."""
    for offset, line in enumerate(content.split("\n")):
        if line.strip() and first + offset < len(lines):
            return max(lines[first + offset].find(line), 0)
    return 0


def _spans(line: str, number: int, path: tuple[str, ...]) -> Iterator[Code]:
    for match in _SPAN.finditer(line):
        yield Code(match[2], number, match.start(2), "", path, line, is_inline=True)


def _ignored(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        for match in _IGNORE.finditer(line):
            after = number + 1
            while after <= len(lines) and (not lines[after - 1].strip() or lines[after - 1].lstrip().startswith("```")):
                after += 1
            yield from ((at, match[1]) for at in range(number, after + 1))
