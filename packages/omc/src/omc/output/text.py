"""Text from outside, made harmless within a line of ours or a word of a command.

Log lines, alarm names, stop reasons, tags, notes and names in omc.toml are data. ``line`` makes one of them fit for a
line that a terminal shows, ``shell_word`` for a command to paste. The renderers beside this file do the same for their
medium, to every string of a document.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from omc.redaction import mask

UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e01ef]"
)
"""C0 and C1 controls, changes of the writing direction, characters without width, line separators, lone surrogates."""
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """The text on one line, each control and invisible character shown by its number."""
    return UNSAFE.sub(lambda match: _shown(match[0]), text)


def line(text: str) -> str:
    """A text from outside within a line of ours: without secrets, without anything that a terminal would obey."""
    return visible(mask(text))


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 task``, ``2 tasks``, ``2,000 tasks``; ``plural`` for a noun whose plural has more than an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def verb(number: int, singular: str, plural: str) -> str:
    """``1 alarm tells``, ``2 alarms tell``."""
    return singular if number == 1 else plural


def shell_word(word: str) -> str:
    """A word as a shell takes it, on one line, with nothing in it that a terminal would obey when it is pasted."""
    if not UNSAFE.search(word):
        return shlex.quote(word)
    quoted = word.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + UNSAFE.sub(lambda match: _as_bytes(match[0]), quoted) + "'"


def shell_line(words: Iterable[str]) -> str:
    """A command to paste, of these words."""
    return " ".join(shell_word(word) for word in words)


def _shown(character: str) -> str:
    number = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _as_bytes(character: str) -> str:
    """For bash, whatever its locale."""
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
