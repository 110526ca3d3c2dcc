"""What a check of a runbook finds, and the rules by which it does."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a find matters."""

    ERROR = "error"
    """It can't work as it is written."""
    WARNING = "warning"
    """It works, and isn't what its reader needs."""
    NOTE = "note"
    """Worth knowing. Doesn't change the exit code."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of find."""

    name: str
    level: Level
    title: str
    """What is found, as a sentence."""
    why: str
    """What it does to the reader at night."""


@dataclass(frozen=True, slots=True)
class Find:
    """One place in a file where a rule found something."""

    rule: Rule
    line: int
    """From 1."""
    column: int
    """From 1, in characters."""
    message: str
    text: str
    """What stands there: the word, or the beginning of the line."""
    instead: str = ""
    """The command of omc's that does it, where there is one."""
    file: str = ""

    @property
    def fingerprint(self) -> str:
        """The same for the same find when lines above it come and go; 16 hexadecimal digits."""
        what = f"{self.file}\x00{self.rule.name}\x00{self.text}\x00{self.message}"
        return hashlib.sha256(what.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command of a script."""

    words: tuple[Word, ...]
    is_broken: bool = False
    """The shell's grammar doesn't get through it, so what seems to be missing may only not have been seen."""
    is_inline: bool = False
    """It stands within a sentence, where people leave options out."""

    @property
    def line(self) -> int:
        return self.words[0].line

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.words)

    @property
    def tool(self) -> str:
        return self.words[0].text

    def option(self, name: str) -> Word | None:
        """The value of ``--name VALUE`` or ``--name=VALUE``; None where there is none."""
        for at, word in enumerate(self.words):
            if word.text.startswith(f"{name}="):
                return Word(word.text.partition("=")[2], word.line, word.column, word.is_literal)
            if word.text == name and at + 1 < len(self.words):
                return self.words[at + 1]
        return None


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a command, without its quotes."""

    text: str
    line: int
    column: int
    is_literal: bool = True
    """The shell puts nothing in: no variable, no substitution."""
    has_backticks: bool = False
    """Within double quotes, where the shell runs what stands between them."""


@dataclass(frozen=True, slots=True)
class Code:
    """A block or a span of code."""

    text: str
    line: int
    """Of its first line, from 1."""
    column: int
    """How many characters stand before each of its lines; 0 where the block isn't indented."""
    language: str
    """As the fence says it, in lower case; empty where it says nothing."""
    headings: tuple[str, ...]
    """Under which it stands, the outermost first."""
    before: str = ""
    """The last sentence before it: what the reader was told that it does."""
    is_inline: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line of prose."""

    text: str
    number: int
    headings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A Markdown file, taken apart."""

    code: tuple[Code, ...]
    prose: tuple[Line, ...]
    ignored: frozenset[tuple[int, str]]
    """Lines and rules that a comment takes out, by ``<!-- omc-runbook-ignore RULE: reason -->`` before them."""
