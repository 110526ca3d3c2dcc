"""Texts within Markdown, escaped; ``markdown`` renders documents with it. Imports no document: every command may."""

from __future__ import annotations

import re
from collections.abc import Iterable

from omc.output.text import line

_ACTIVE = re.compile(
    r"(?P<escaped>[\\`*\[\]|~$])|(?P<entity>[&<>])|(?P<link>:(?=//)|(?i:\bwww)(?=\.)|@|\#(?=\d)|(?i:\bGH)(?=-\d))"
    r"|(?P<edge>(?<![^\W_])_|_(?![^\W_])|^(?:[-+=#]|\d{1,9}(?=[.)])))"
)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_APART = "<!-- -->"
"""Nothing to see; GitHub takes no name or address across it for a mention or a link."""


def escape(text: str) -> str:
    """A text within a line or a cell of Markdown: it shows as it is, and makes no link, image, mention or HTML."""
    return _ACTIVE.sub(_harmless, line(" ".join(text.split())))


def fenced(lines: Iterable[str], language: str = "text") -> list[str]:
    """Lines as a block of code, in a fence that none of them can close."""
    shown = [line(each) for each in lines]
    longest = max((len(found) for each in shown for found in re.findall(r"`+", each)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{re.sub(r'[^a-z]', '', language)}", *shown, fence]


def _harmless(match: re.Match[str]) -> str:
    found = match[0]
    if match["entity"]:
        return _ENTITIES[found]
    if match["link"]:
        return ("\\#" if found == "#" else found) + _APART
    return f"{found}\\" if found.isdigit() else f"\\{found}"
