"""The shapes of log messages: which of them say the same. One function, ``shapes_of``.

All messages are there at once, so none has to be put into a group before the next is seen, as a streaming miner must.
First what is a value by its own look (times, ids, addresses, paths, numbers) becomes a placeholder. Then messages of
equal length that differ in one word only become one where that word takes many values there. docs/logs.md has how often
that is right, and docs/decisions/0009 why this isn't a library's.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

MAX_LENGTH: Final = 600
"""Characters of a message that its shape is made of; what follows rarely tells two causes apart."""
MAX_SHAPES: Final = 5_000
"""Shapes that are compared with one another; those beyond it, the rarest, stay as they are."""
ANY: Final = "<*>"
MANY: Final = 4
"""Values that a word must take where all else is equal, so that it is taken for a value."""
NAMED: Final = 2
"""The same after a word that a value follows: "user bob"."""
LEADING: Final = 12
"""The same of a message's first word, which mostly says what it is about."""
LEAST_WORDS: Final = 3
"""Words that must stay the same around a value; "* started" says nothing."""

_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_TOP_LEVEL = "com|net|org|edu|gov|io|dev|internal|local|amazonaws|asia|info|biz|[a-z]{2}"
_VALUES: Final = tuple(
    (re.compile(pattern), placeholder)
    for pattern, placeholder in (
        (r"\b\d{4}[-/.]\d\d[-/.]\d\d(?:[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?", "<time>"),
        (
            rf"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?:{_MONTHS}) {{1,2}}\d{{1,2}} \d\d:\d\d:\d\d"
            r"(?: [A-Z]{3,4})?(?: \d{4})?",
            "<time>",
        ),
        (r"\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b", "<time>"),
        (r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "<id>"),
        (r"\barn:aws[\w-]*:\S+", "<arn>"),
        (r"\b(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /\S*(?: HTTP/[\d.]+)?", r"\1 <path>"),
        (r"\b[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>,;)]+", "<url>"),
        (r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+", "<address>"),
        (r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+|/\d+)?\b", "<address>"),
        (r"\b(?:[0-9a-fA-F]{2}:){3,19}[0-9a-fA-F]{2}\b", "<address>"),
        (r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){1,7}(?::[0-9a-fA-F]{1,4}){1,7}(?![\w:])", "<address>"),
        (r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}(?![\w:])", "<address>"),
        (rf"(?<![\w./])(?:[a-zA-Z0-9][\w-]*\.){{1,6}}(?:{_TOP_LEVEL})(?::\d+)?(?![\w./(])", "<address>"),
        (r"\"(?:[^\"\\\n]|\\.)*\"|(?<!\w)'(?:[^'\\\n]|\\.)*'(?!\w)", "<text>"),
        (r"(?<![\w.<])(?:[A-Za-z]:)?(?:[/\\][\w.@$%+~#:-]+){2,}[/\\]?", "<path>"),
        (r"\b0[xX][0-9a-fA-F]+\b", "<id>"),
        (r"\b(?=[0-9a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{7,}\b", "<id>"),
        (r"(?<![A-Za-z<\d])[-+]?\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?", "<n>"),
        (r"(?<![\w<])[A-Za-z_]\w*\d[\w.-]*(?![\w>])", "<id>"),
        (r"(<address>) \([^()]{0,200}\)", r"\1"),  # an address and its name
        (r"(<n>) bytes \(<n> [KMG]i?B\)", r"\1 bytes"),
        (r"(<(?:n|id|address)>)(?:[ ,]{1,3}<(?:n|id|address)>)+", r"\1"),  # a list of values, however long
    )
)
_QUOTED_REQUEST = re.compile(r"\"(?=(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /)([^\"\n]*)\"")
_WORDS = re.compile(r"(\s+|[=:,;()\[\]{}|])")
_SIGNS = frozenset("=:,;()[]{}|")
_NAMING = frozenset("user users for from to host by on in name id node = account bucket key task service".split())  # noqa: SIM905

Words = tuple[str, ...]


def shapes_of(messages: Sequence[str]) -> list[str]:
    """The shape of each message, in their order: equal for those that say the same. Deterministic, and total."""
    words = [_words(message) for message in messages]
    merged = _merged(Counter(words))
    return [" ".join(merged.get(each, each)) for each in words]


def without_values(message: str) -> str:
    """The message with each value that is one by its look as a placeholder."""
    text = _QUOTED_REQUEST.sub(r"\1", " ".join(message[: 2 * MAX_LENGTH].split()))
    for pattern, placeholder in _VALUES:
        text = pattern.sub(placeholder, text)
    return text[:MAX_LENGTH]


def _words(message: str) -> Words:
    return tuple(word for word in _WORDS.split(without_values(message)) if word and not word.isspace())


def _merged(counts: Counter[Words]) -> dict[Words, Words]:
    """Each shape that became part of another, to what it is in the end."""
    current = {shape for shape, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_SHAPES]}
    became: dict[Words, Words] = {}
    while found := _one_pass(current):
        for wider, members in found:
            current -= members
            current.add(wider)
            became |= {member: wider for member in members if member != wider}
    return {shape: _end_of(shape, became) for shape in became}


def _end_of(shape: Words, became: dict[Words, Words]) -> Words:
    while shape in became:
        shape = became[shape]
    return shape


def _one_pass(current: set[Words]) -> list[tuple[Words, set[Words]]]:
    """Sets of shapes that differ in one word which is a value there, the largest first; no shape is in two of them."""
    places: dict[tuple[Words, Words], set[Words]] = defaultdict(set)
    for shape in current:
        for at, word in enumerate(shape):
            if word not in _SIGNS:
                places[shape[:at], shape[at + 1 :]].add(shape)
    found: list[tuple[Words, set[Words]]] = []
    used: set[Words] = set()
    for (before, after), members in sorted(places.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(members) < NAMED:
            break
        rest = members - used
        if _is_value(before, after, {shape[len(before)] for shape in rest}):
            used |= rest
            found.append(((*before, ANY, *after), rest))
    return found


def _is_value(before: Words, after: Words, values: set[str]) -> bool:
    if len(values) < NAMED or sum(word not in _SIGNS and not word.startswith("<") for word in before + after) < (
        LEAST_WORDS if before else LEAST_WORDS + 1
    ):
        return False
    if any("<" in value for value in values) or (before and before[-1].lower() in _NAMING):
        return True
    return len(values) >= (MANY if before else LEADING)
