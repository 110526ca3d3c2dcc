"""What an operation's model says of its parameters: presence, types, lengths, ranges, patterns, enumerations.

A shape is compiled to a function once, and found again by its name. Members that a model doesn't have are ignored, as
AWS ignores them, and so is null.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

MISSING, TYPE, LENGTH, RANGE, PATTERN, ENUM = "missing", "type", "length", "range", "pattern", "enum"

LONGEST_SHOWN = 1024
"""Characters of a refused value in an error's message."""


@dataclass(frozen=True, slots=True)
class Violation:
    kind: str
    path: tuple[str, ...]
    """Member names as the model spells them, and 1-based positions in lists."""
    constraint: str
    """As Smithy's servers put it: ``Member must have length less than or equal to 64``."""
    shape: str = ""
    """The constrained shape's name."""
    value: Any = None
    sensitive: bool = False

    @property
    def name(self) -> str:
        """The nearest parameter that has a name."""
        return next((part for part in reversed(self.path) if not part.isdigit()), "?")

    @property
    def place(self) -> str:
        """``containerDefinitions.1.member.name``."""
        dotted = (f"{part}.member" if part.isdigit() else part[:1].lower() + part[1:] for part in self.path)
        return ".".join(dotted)

    @property
    def shown(self) -> str:
        """The value as a message may show it."""
        if self.sensitive or isinstance(self.value, bytes):
            return "***"
        text = f"[{', '.join(map(str, self.value))}]" if isinstance(self.value, list) else str(self.value)
        return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"

    @property
    def quoted(self) -> str:
        """The value before ``at``, as Smithy's servers put it: secrets and bytes they leave out."""
        if self.kind == MISSING:
            return "null "
        return "" if self.sensitive or isinstance(self.value, bytes) else f"'{self.shown}' "


Path: TypeAlias = tuple[str, ...]
Check: TypeAlias = Callable[[Any, Path], Iterator[Violation]]

TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (datetime, str, int, float),
    "blob": (bytes, bytearray, str),
    "list": (list, tuple),
    "map": (Mapping,),
    "structure": (Mapping,),
}
NUMBERS = ("integer", "long", "float", "double")
WHOLE = {"integer": 31, "long": 63}
"""Bits of a number, but for its sign."""

UNICODE_CLASSES = {
    "L": "a-zA-Z\u00aa-\U0010ffff",
    "N": "0-9\u00b2\u00b3\u00b9\u0660-\U0010ffff",
    "Z": " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
    "Zs": " \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000",
    "M": "\u0300-\U0010ffff",
    "P": "!-#%-*,-/:;?@\\[-\\]_{}\u00a1-\U0010ffff",
    "S": "$+<->^`|~\u00a2-\U0010ffff",
    "ASCII": "\\x00-\\x7f",
    "Print": " -~",
    "Graph": "!-~",
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Punct": "!-/:-@\\[-`{-~",
}
"""Java's names of character classes, which Python's patterns lack. Beyond ASCII they take in more than Java's do:
nothing that AWS accepts is refused for it."""


RUNS = re.compile(r"(\(\?:(?:\[[^\]]*\]|\\?[^\\()\[])\?)(\[[^\]]*\])\+(\)(?:[*+]|\{\d+,\d*\})\$?)\Z")
"""``(?:-?[a-z]+)*`` at a pattern's end: runs that can be divided in more ways than there is time to try, where the text
doesn't match. A run that is taken as a whole matches the same texts."""

BLANKS = re.compile(r"^\^\[ \\t\]\*(\[(?:\^\\x00-\\x1F|\\x20-)[^\]]*\])\+\(\[ \\t\]\+\1\+\)\*\[ \\t\]\*\$$")
"""Words between blanks where a word may hold blanks itself, as HTTP's headers have them: all but tabs alone."""


@functools.cache
def pattern(java: str) -> re.Pattern[str] | None:
    """A model's pattern as Python understands it; None where it can't, and then it isn't enforced."""
    text = java.replace("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\U00010000-\U0010ffff")
    text = re.sub(r"(\\p\{\w+\}|\\w)-(?=[^\]])", r"\1\\-", text)  # a hyphen after a class is one, not a range
    text = re.sub(r"\\p\{(\w+)\}", lambda found: _character_class(found, text), text)
    text = RUNS.sub(r"\1\2++\3", text)
    text = BLANKS.sub(r"^\\t*\1(?:\1|\\t)*$", text)
    try:
        return re.compile(text, re.ASCII)
    except re.error:
        return None


def _character_class(found: re.Match[str], text: str) -> str:
    members = UNICODE_CLASSES.get(found[1], "\\p")  # which doesn't compile
    before = re.sub(r"\\.", "", text[: found.start()])
    inside = before.rfind("[") > before.rfind("]")
    return members if inside else f"[{members}]"


def check(operation: Any, params: Mapping[str, Any]) -> Iterator[Violation]:
    """What the operation's model doesn't allow of these parameters, in its order."""
    shape = operation.input_shape
    if shape is not None:
        yield from _compiled(operation.service_model.service_name, shape)(params, ())


_known: dict[tuple[str, str], Check] = {}


def _compiled(service: str, shape: Any) -> Check:
    key = (service, shape.name)
    if key not in _known:
        _known[key] = _compile(service, shape)
    return _known[key]


def _compile(service: str, shape: Any) -> Check:
    kind = shape.type_name
    within = {"structure": _structure, "list": _list, "map": _map}.get(kind)
    inner = within(service, shape) if within else _scalar(shape)
    sensitive = bool(shape.metadata.get("sensitive"))
    types = TYPES[kind]

    def of_the_type(value: Any, path: Path) -> Iterator[Violation]:
        if not isinstance(value, types) or (isinstance(value, bool) and kind != "boolean"):
            yield Violation(TYPE, path, f"Member must be a {kind}", shape.name, value, sensitive)
        else:
            yield from inner(value, path)

    return of_the_type


def _structure(service: str, shape: Any) -> Check:
    required = tuple(shape.required_members)
    members: dict[str, Check] = {}

    def check_members(value: Any, path: Path) -> Iterator[Violation]:
        for name in required:
            if value.get(name) is None:
                yield Violation(MISSING, (*path, name), "Member must not be null", shape.name)
        for name, held in value.items():
            if held is None:
                continue
            if name not in members:
                if name not in shape.members:
                    continue
                members[name] = _compiled(service, shape.members[name])
            yield from members[name](held, (*path, name))

    return check_members


def _list(service: str, shape: Any) -> Check:
    length = _length(shape)
    plain = shape.member.type_name == "string"
    sensitive = bool(shape.member.metadata.get("sensitive"))

    def check_items(value: Any, path: Path) -> Iterator[Violation]:
        yield from length(value, path)
        item = _compiled(service, shape.member)
        if plain and all(isinstance(held, str) for held in value):
            wrong = next((each for held in value for each in item(held, path)), None)
            if wrong is not None:  # told once of the whole list
                text = f"Member must satisfy constraint: [{', '.join(_constraints(shape.member))}]"
                yield Violation(wrong.kind, path, text, wrong.shape, value, sensitive)
            return
        for number, held in enumerate(value, 1):
            if held is not None:
                yield from item(held, (*path, str(number)))

    return check_items


def _map(service: str, shape: Any) -> Check:
    length = _length(shape)

    def check_entries(value: Any, path: Path) -> Iterator[Violation]:
        yield from length(value, path)
        keys, values = _compiled(service, shape.key), _compiled(service, shape.value)
        for key, held in value.items():
            yield from keys(key, path)
            if held is not None:
                yield from values(held, (*path, str(key)))

    return check_entries


def _constraints(shape: Any) -> Iterator[str]:
    """All that a string's shape asks for, as Smithy's servers put it."""
    limits = shape.metadata
    if limits.get("enum"):
        yield _one_of(shape)
        return
    if limits.get("max") is not None:
        yield f"Member must have length less than or equal to {limits['max']}"
    if limits.get("min") is not None:
        yield f"Member must have length greater than or equal to {limits['min']}"
    if limits.get("pattern"):
        yield f"Member must satisfy regular expression pattern: {limits['pattern']}"


def _one_of(shape: Any) -> str:
    return f"Member must satisfy enum value set: [{', '.join(shape.metadata['enum'])}]"


def _length(shape: Any) -> Check:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    sensitive = bool(shape.metadata.get("sensitive"))

    def check_length(value: Any, path: Path) -> Iterator[Violation]:
        if least is not None and len(value) < least:
            text = f"Member must have length greater than or equal to {least}"
            yield Violation(LENGTH, path, text, shape.name, value, sensitive)
        elif most is not None and len(value) > most:
            text = f"Member must have length less than or equal to {most}"
            yield Violation(LENGTH, path, text, shape.name, value, sensitive)

    return check_length


def _scalar(shape: Any) -> Check:
    kind, limits = shape.type_name, shape.metadata
    if kind in NUMBERS:
        return _number(shape)
    if kind == "blob":
        return _length(shape)
    if kind != "string":
        return _anything
    length, sensitive = _length(shape), bool(limits.get("sensitive"))
    allowed = frozenset(limits.get("enum") or ())
    written = limits.get("pattern") or ""
    compiled = pattern(written) if written and not allowed else None

    def check_text(value: Any, path: Path) -> Iterator[Violation]:
        if allowed:
            if value not in allowed:
                yield Violation(ENUM, path, _one_of(shape), shape.name, value, sensitive)
            return
        wrong = next(length(value, path), None)
        if wrong is not None:
            yield wrong
        elif compiled is not None and not compiled.fullmatch(value):
            text = f"Member must satisfy regular expression pattern: {written}"
            yield Violation(PATTERN, path, text, shape.name, value, sensitive)

    return check_text


def _anything(_value: Any, _path: Path) -> Iterator[Violation]:
    return iter(())


def _number(shape: Any) -> Check:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    bits = WHOLE.get(shape.type_name)

    def check_number(value: Any, path: Path) -> Iterator[Violation]:
        if bits is not None and not -(1 << bits) <= value < 1 << bits:
            yield Violation(TYPE, path, f"Member must be a {shape.type_name}", shape.name, value)
        elif least is not None and value < least:
            text = f"Member must have value greater than or equal to {least}"
            yield Violation(RANGE, path, text, shape.name, value)
        elif most is not None and value > most:
            text = f"Member must have value less than or equal to {most}"
            yield Violation(RANGE, path, text, shape.name, value)

    return check_number
