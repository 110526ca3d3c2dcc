"""The way out: all that omc prints passes here, where secrets are masked and text from outside becomes harmless.

Log lines, alarm names, stop reasons, tags, notes and names in omc.toml are data. ``line`` makes one of them fit for a
terminal, ``markdown`` for a page or a ticket, ``fenced`` for a block of commands, ``to_json`` a document for programs,
``shell_word`` a word of a command to paste. ``echo`` is the last gate, whatever was forgotten before it: it lets pass
what ``style`` coloured and line breaks, and shows every other control character by its number.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from omc.redaction import mask, without_secrets

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e01ef]"
)
"""Controls of C0 and C1, what turns the direction of writing, what has no width, separators of lines, lone halves."""
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_OURS = re.compile(r"\x1b\[(?:[012]|3[1-7])m")
"""What ``style`` writes: colours, bold, dim and their end."""
_COMMAND = re.compile(r"^(?P<space>[^\S\n]*+)::|##(?=\[)", re.MULTILINE)
"""What GitHub's runner takes for a command to itself in what a step prints."""
_ACTIVE = re.compile(
    r"(?P<escaped>[\\`*\[\]|~$])|(?P<entity>[&<>])|(?P<link>:(?=//)|(?i:\bwww)(?=\.)|@|\#(?=\d)|(?i:\bGH)(?=-\d))"
    r"|(?P<edge>(?<![^\W_])_|_(?![^\W_])|^(?:[-+=#]|\d{1,9}(?=[.)])))"
)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_APART = "<!-- -->"
"""Nothing to see; GitHub takes no name or address across it for a mention or a link."""


def visible(text: str) -> str:
    """The text on one line, each control and invisible character shown by its number."""
    return _UNSAFE.sub(lambda match: _shown(match[0]), text)


def line(text: str) -> str:
    """A text from outside within a line of ours: without secrets, without anything that a terminal would obey."""
    return visible(mask(text))


def markdown(text: str) -> str:
    """A text within a line or a cell of Markdown: it shows as it is, and makes no link, image, mention or HTML."""
    return _ACTIVE.sub(_harmless, line(" ".join(text.split())))


def fenced(lines: Iterable[str], language: str = "text") -> list[str]:
    """Lines as a block of code, in a fence that none of them can close."""
    shown = [line(each) for each in lines]
    longest = max((len(found) for each in shown for found in re.findall(r"`+", each)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *shown, fence]


def table_row(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(markdown(cell) for cell in cells) + " |"


def to_json(document: Any, *, indent: int | None = 2) -> str:
    """A document for programs: without secrets; controls and invisible characters as JSON escapes them."""
    text = json.dumps(without_secrets(document), indent=indent, ensure_ascii=False)
    escaped = _UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else _as_json(match[0]), text)
    return escaped.replace("##[", "\\u0023#[")  # GitHub's runner takes it for a command wherever it stands


def shell_word(word: str) -> str:
    """A word as a shell takes it, on one line, with nothing in it that a terminal would obey when it is pasted."""
    if not _UNSAFE.search(word):
        return shlex.quote(word)
    quoted = word.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + _UNSAFE.sub(lambda match: _as_bytes(match[0]), quoted) + "'"


def shell_line(words: Iterable[str]) -> str:
    """A command to paste, of these words."""
    return " ".join(shell_word(word) for word in words)


def style(text: str, *, fg: str | None = None, bold: bool | None = None, dim: bool | None = None) -> str:
    """Coloured for a terminal; the text has been through ``line`` where it is from outside."""
    return click.style(text, fg=fg, bold=bold, dim=dim)


def printable(text: str) -> str:
    """A whole text of ours, of many lines, as it may be printed."""
    masked = mask(text) if text.startswith(("{", "[")) else "\n".join(mask(each) for each in text.split("\n"))
    parts = re.split(f"({_OURS.pattern})", masked)
    kept = "".join(part if _OURS.fullmatch(part) else "\n".join(map(visible, part.split("\n"))) for part in parts)
    if os.environ.get("GITHUB_ACTIONS"):
        kept = _COMMAND.sub(lambda match: "#\\x23" if match["space"] is None else f"{match['space']}\\x3a:", kept)
    return kept


def echo(text: str = "", *, err: bool = False) -> None:
    """Print to stdout, or to stderr."""
    click.echo(printable(text), err=err)


def redraw(text: str) -> None:
    """Clear the terminal and print."""
    sys.stdout.write("\033[H\033[J")
    echo(text)


def _shown(character: str) -> str:
    number = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _as_bytes(character: str) -> str:
    """For bash, whatever its locale."""
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))


def _as_json(character: str) -> str:
    """As JSON writes it: in two halves, where it is beyond the first 65,536."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _harmless(match: re.Match[str]) -> str:
    found = match[0]
    if match["entity"]:
        return _ENTITIES[found]
    if match["link"]:
        return ("\\#" if found == "#" else found) + _APART
    return f"{found}\\" if found.isdigit() else f"\\{found}"
