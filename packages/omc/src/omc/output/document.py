"""What omc says, as one neutral value: title, verdict, fields, tables, notes, links, lists, code, sections.

A document says what a thing means, never how it looks: a status has a severity, not a colour; a value is a string as
it was read, not an escaped one. The renderers beside this file (``terminal``, ``markdown``, ``html``, ``slack``,
``json``) decide the looks and escape every string for their medium. What makes a document of a value lives next to
that value: ``run_document`` beside the run, ``plan_document`` beside the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a status matters to whoever reads it."""

    NONE = "none"
    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Status:
    """A word that says how something is: ``ok``, ``rolled back``, ``destructive``."""

    word: str
    severity: Severity = Severity.NONE


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads somewhere. Only http(s) addresses and paths of the repository become links; any other address
    is shown as text."""

    text: str
    address: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A word to copy as it stands: an id, a hash, a command."""

    text: str


Inline = str | Status | Link | Literal
Text = Inline | tuple[Inline, ...]
"""A text within a line: a string from anywhere, or several parts next to each other."""


@dataclass(frozen=True, slots=True)
class Field:
    """A name with its value, or with several values."""

    name: str
    value: Text | list[str]
    """A list is shown as one where it doesn't fit a line."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Names with their values."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: Text


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence that must not be missed: a refusal, a loss of data."""

    status: Status
    sentence: str


@dataclass(frozen=True, slots=True)
class Items:
    """Sentences, one an item."""

    items: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Lines as they are: commands to paste, values that change, log lines."""

    lines: tuple[str, ...]
    language: str = "text"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, and the evidence that belongs to it."""

    cells: tuple[Text, ...]
    evidence: tuple[Field, ...] = ()
    """A terminal shows only as many lines of it as a person reads; a page has all of them."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with the same columns."""

    columns: tuple[str, ...]
    """Their names; a terminal leaves the line out where none has one."""
    rows: tuple[Row, ...]
    below: int = 0
    """How many of the last columns hold sentences: a terminal shows these below their row."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart, or one set of its bars."""

    name: str
    values: tuple[float | None, ...]
    """One for each of the chart's labels; None where there is no figure, which is never drawn as nought."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Figures side by side: over time as lines, by kind as bars."""

    title: str
    labels: tuple[str, ...]
    """Along the bottom: days, hours, names."""
    series: tuple[Series, ...]
    unit: str = ""
    """``USD``, ``%``, ``ms``."""
    is_bars: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks with a title of their own."""

    title: str
    blocks: tuple[Block, ...]


Block = Paragraph | Notice | Fields | Items | CodeBlock | Table | Chart | Section


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it is or ended, in a word and a sentence. A terminal says it last, a page first."""

    status: Status
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One answer of omc."""

    title: str
    """Empty for an answer that needs none: a list."""
    blocks: tuple[Block, ...]
    subtitle: Text = ""
    verdict: Verdict | None = None
    data: Any = None
    """The same for programs, as JSON. Keys are added, never renamed; times are ISO 8601 in UTC."""


def parts(text: Text) -> tuple[Inline, ...]:
    """A text as its parts."""
    return text if isinstance(text, tuple) else (text,)


def is_safe(address: str) -> bool:
    """Whether an address may become a link: http(s), or a path within the repository."""
    if address.lower().startswith(("https://", "http://")):
        return True
    path = address.partition("#")[0].partition("?")[0]
    return bool(address) and ":" not in path and "\\" not in address and not address.startswith("/")


def with_texts(document: Document, change: Callable[[str, bool], str]) -> Document:
    """The document with each of its texts changed; what is code, a figure or data stays. ``change`` takes a text, and
    whether it is a ``Literal``."""

    def walked(value: Any) -> Any:
        if isinstance(value, str) and not isinstance(value, StrEnum):
            return change(value, False)
        if isinstance(value, Literal):
            return Literal(change(value.text, True))
        if isinstance(value, tuple | list):
            return type(value)(walked(each) for each in value)
        if is_dataclass(value) and not isinstance(value, type | CodeBlock | Chart):
            return replace(value, **{each.name: walked(getattr(value, each.name)) for each in fields(value)})
        return value

    return replace(
        document,
        **{each.name: walked(getattr(document, each.name)) for each in fields(document) if each.name != "data"},
    )
