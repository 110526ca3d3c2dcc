"""The values of a parsed Insights query, and the scanner that its parser (``parser``) reads with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias


class QueryError(ValueError):
    """The query can't be understood, or asks for what localcloud doesn't do. Offsets are characters in the query."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end


@dataclass(frozen=True, slots=True)
class Span:
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number, or a boolean."""

    value: str | float | bool
    span: Span


@dataclass(frozen=True, slots=True)
class Period:
    """``5m``: a count and a unit of ``UNITS``."""

    count: int
    unit: str
    span: Span


@dataclass(frozen=True, slots=True)
class Star:
    """The ``*`` of ``count(*)``."""

    span: Span


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    """In lower case."""
    arguments: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Not:
    inner: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Negative:
    inner: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    """``and or = != < <= > >= + - * / % ^``."""

    operator: str
    left: Expression
    right: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Regex:
    pattern: str
    span: Span


@dataclass(frozen=True, slots=True)
class Like:
    target: Expression
    pattern: Regex | Expression
    span: Span


@dataclass(frozen=True, slots=True)
class In:
    target: Expression
    values: tuple[Expression, ...]
    span: Span


Expression: TypeAlias = "Field | Literal | Period | Star | Function | Not | Negative | Binary | Like | In"


@dataclass(frozen=True, slots=True)
class Named:
    """An expression and the column that it becomes: its alias, or its own text."""

    expression: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Fields:
    columns: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Display:
    columns: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    condition: Expression


@dataclass(frozen=True, slots=True)
class Stats:
    columns: tuple[Named, ...]
    by: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class SortKey:
    expression: Named
    descending: bool


@dataclass(frozen=True, slots=True)
class Sort:
    keys: tuple[SortKey, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    count: int


@dataclass(frozen=True, slots=True)
class Dedup:
    columns: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Parse:
    """``groups`` are the names of the regular expression's groups in order, None for one without a name."""

    target: Expression
    regex: str
    groups: tuple[str | None, ...]


Command: TypeAlias = "Fields | Display | Filter | Stats | Sort | Limit | Dedup | Parse"

UNITS = {
    "ms": ("ms", "msec", "msecs", "millisecond", "milliseconds"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "week", "weeks"),
    "mo": ("mo", "mon", "month", "months"),
    "q": ("q", "qtr", "qtrs", "quarter", "quarters"),
    "y": ("y", "yr", "yrs", "year", "years"),
}
"""A period's units and how each may be written (user guide, "Datetime functions")."""
UNIT_OF = {spelling: unit for unit, spellings in UNITS.items() for spelling in spellings}

GROUP = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\((?!\?)|\(\?P?<(?![=!])([^>]*)>|\(\?[=!<]")


class Scanner:
    """A position in the query. Comments (``#`` to the end of the line) count as white space."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.last = 0
        """Where the last token ended."""

    def fail(self, message: str, start: int | None = None) -> QueryError:
        begin = self.at if start is None else start
        return QueryError(message, begin, min(len(self.text), max(begin + 1, self.at)))

    def expected(self, what: str) -> QueryError:
        self.space()
        rest = self.text[self.at :].split(maxsplit=1)
        return self.fail(f"unexpected {rest[0]!r}, expected {what}" if rest else f"unexpected end, expected {what}")

    def space(self) -> None:
        found = re.compile(r"(?:\s|#[^\n]*)*").match(self.text, self.at)
        if found:
            self.at = found.end()

    def match(self, pattern: str) -> str | None:
        """Take what the pattern matches here, white space before it skipped."""
        self.space()
        found = re.compile(pattern).match(self.text, self.at)
        if not found or not found.group():
            return None
        self.at = self.last = found.end()
        return found.group()

    def sees(self, pattern: str) -> bool:
        self.space()
        return re.compile(pattern).match(self.text, self.at) is not None

    def take(self, token: str) -> bool:
        return self.match(re.escape(token)) is not None

    def word(self, word: str) -> bool:
        """Take a keyword in any case."""
        return self.match(rf"(?i:{word})(?![\w.@])") is not None

    def need(self, token: str) -> None:
        if not self.take(token):
            raise self.expected(repr(token))

    def ended(self) -> bool:
        self.space()
        return self.at >= len(self.text)

    def regex(self) -> Regex | None:
        """A regular expression between slashes."""
        self.space()
        start = self.at
        raw = self.match(r"/(?:\\.|[^/\\\n])+/")
        if raw is None:
            return None
        pattern = raw[1:-1].replace("\\/", "/")
        self._check(pattern, start)
        return Regex(pattern, Span(start, self.at))

    def quoted(self) -> Literal | None:
        """A text in single or double quotes."""
        self.space()
        start = self.at
        raw = self.match(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
        if raw is None:
            if self.sees("[\"']"):
                raise self.fail("this text has no closing quote", start)
            return None
        return Literal(re.sub(r"\\([\"'\\])", r"\1", raw[1:-1]), Span(start, self.at))

    def _check(self, pattern: str, start: int) -> None:
        for group in GROUP.finditer(pattern):
            if re.fullmatch(r"\\[1-9]", group.group()) or re.fullmatch(r"\(\?<?[=!<]", group.group()):
                raise self.fail("localcloud's regular expressions have no look-around and no back-references", start)
        plain = re.sub(r"\(\?P?<(?![=!])[^>]*>", "(", re.sub(r"\(\?[imsU-]+\)", "", pattern))
        plain = re.sub(r"\\[pP](?:\{\w+\}|\w)|\\z|\[:\^?\w+:\]", "x", plain)
        try:
            re.compile(plain)
        except re.error as error:
            raise self.fail(f"invalid regular expression: {error}", start) from error


def plain_groups(pattern: str) -> tuple[str, tuple[str | None, ...]]:
    """A regular expression with its named groups made plain, and the names of all groups in order."""
    names: list[str | None] = []

    def plain(found: re.Match[str]) -> str:
        if found.group() == "(":
            names.append(None)
        elif found.group(1) is not None:
            names.append(found.group(1))
            return "("
        return found.group()

    return GROUP.sub(plain, pattern), tuple(names)
