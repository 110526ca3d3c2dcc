"""Values and comments as TOML writes them, whatever is in them. Names from AWS are data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from omc.output.text import UNSAFE, visible

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}

Plain = str | int | float | bool | Sequence[str]


def literal(value: Plain) -> str:
    """A value on one line. What a terminal would obey, or nobody sees, is escaped; a half character, which no file of
    UTF-8 can hold, becomes U+FFFD."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{"".join(map(_character, value))}"'
    if isinstance(value, int | float):
        return str(value)
    return f"[{', '.join(map(literal, value))}]"


def _character(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if "\ud800" <= character <= "\udfff":
        return "\\uFFFD"
    if UNSAFE.match(character) or not character.isprintable():
        number = ord(character)
        return f"\\u{number:04X}" if number < 0x10000 else f"\\U{number:08X}"
    return character


def key(name: str) -> str:
    return name if _BARE.fullmatch(name) else literal(name)


def header(path: Sequence[str]) -> str:
    """``[environments.prod.services.api]``."""
    return f"[{'.'.join(map(key, path))}]"


def comment(text: str) -> str:
    """On one line, with nothing in it that could end it."""
    shown = "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in visible(text))
    return f"# {shown}"


def assignment(name: str, value: Plain, note: str = "") -> str:
    """A key with its value, and why."""
    text = f"{key(name)} = {literal(value)}"
    return f"{text}  {comment(note)}" if note else text


def table(path: Sequence[str], values: Mapping[str, tuple[Plain, str]]) -> list[str]:
    """A table's lines: its header, and each key with its note, the notes below each other where they fit."""
    texts = {name: f"{key(name)} = {literal(value)}" for name, (value, _) in values.items()}
    width = max((len(text) for name, text in texts.items() if values[name][1] and len(text) <= WIDEST), default=0)
    lines = [header(path)] if path else []
    for name, (_, note) in values.items():
        lines.append(f"{texts[name].ljust(width)}  {comment(note)}" if note else texts[name])
    return lines


WIDEST = 44
"""An assignment that is longer has its note right behind it."""
