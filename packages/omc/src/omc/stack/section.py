"""Typed reading of one table of omc.toml, with errors that name the file, the line, the key and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from omc.errors import StackError
from omc.stack.toml_lines import Path as KeyPath
from omc.stack.toml_lines import line_of

_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Source:
    """The file and its text, for messages."""

    file: Path
    text: str

    def error(self, path: KeyPath, problem: str) -> StackError:
        return StackError(f"{self.file}, line {line_of(self.text, path)}: {dotted(path)} {problem}")


@dataclass(slots=True)
class Section:
    """One table. Every key is asked for by name; ``finish`` refuses those that nobody asked for."""

    source: Source
    path: KeyPath
    data: Mapping[str, Any]
    known: list[str] = field(default_factory=list)

    def error(self, key: str, problem: str) -> StackError:
        return self.source.error((*self.path, key), problem)

    def text(self, key: str, default: Any = _MISSING, *, allowed: str = "a text", pattern: str = r".+") -> Any:
        value = self._value(key, default, allowed)
        if value is default and key not in self.data:
            return default
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self.error(key, f"is {shown(value)}; allowed is {allowed}.")
        return value

    def whole_number(self, key: str, default: Any = _MISSING, *, least: int = 0, most: int = 1_000_000) -> Any:
        allowed = f"a whole number from {least} to {most}"
        value = self._value(key, default, allowed)
        if value is default and key not in self.data:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(key, f"is {shown(value)}; allowed is {allowed}.")
        return value

    def number(self, key: str, default: float, *, least: float, most: float) -> float:
        value = self._value(key, default, "")
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(key, f"is {shown(value)}; allowed is a number from {least:g} to {most:g}.")
        return float(value)

    def words(self, key: str, *, allowed: str) -> tuple[str, ...]:
        """A list of strings, such as a command; empty where the key is missing."""
        value = self._value(key, [], allowed)
        if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
            raise self.error(key, f"is {shown(value)}; allowed is {allowed}.")
        return tuple(value)

    def yes_or_no(self, key: str, default: bool) -> bool:
        value = self._value(key, default, "")
        if not isinstance(value, bool):
            raise self.error(key, f"is {shown(value)}; allowed is true or false.")
        return value

    def one_of(self, key: str, choices: Sequence[str]) -> str:
        value = self._value(key, _MISSING, f"one of {', '.join(choices)}")
        if not isinstance(value, str) or value not in choices:
            raise self.error(
                key, f"is {shown(value)}; allowed is one of {', '.join(choices)}.{did_you_mean(value, choices)}"
            )
        return value

    def time(self, key: str) -> time:
        value = self._value(key, _MISSING, "a time such as 02:00:00")
        if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
            value = time.fromisoformat(value)
        if not isinstance(value, time):
            raise self.error(key, f'is {shown(value)}; allowed is a time such as 02:00:00 or "02:00".')
        return value

    def section(self, key: str, *, required: bool = True) -> Section | None:
        value = self._value(key, _MISSING if required else None, f"a table, [{dotted((*self.path, key))}]")
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.error(key, f"is {shown(value)}; allowed is a table, [{dotted((*self.path, key))}].")
        return Section(self.source, (*self.path, key), value)

    def timestamp(self, key: str) -> datetime:
        """A date and time with its offset, in UTC."""
        allowed = "a date and time with its offset, 2026-12-20T00:00:00+11:00"
        value = self._value(key, _MISSING, allowed)
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self.error(key, f"is {shown(value)}; allowed is {allowed}.")
        return value.astimezone(UTC)

    def sections(self, key: str, *, required: bool = True) -> list[Section]:
        """The items of a list of tables."""
        allowed = f"one table or more, [[{dotted((*self.path, key))}]]"
        value = self._value(key, _MISSING if required else None, allowed)
        if value is None and not required:
            return []
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise self.error(key, f"is {shown(value)}; allowed is {allowed}.")
        return [Section(self.source, (*self.path, key, number), item) for number, item in enumerate(value)]

    def named(self) -> Iterator[tuple[str, Section]]:
        """The sub-tables of a table whose keys are names that the writer chose."""
        for name in self.data:
            if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", name):
                raise self.error(
                    name, "is not a name; allowed are small letters, digits and hyphens, 32 at most, a letter first."
                )
            section = self.section(name)
            if section is not None:
                yield name, section

    def finish(self) -> None:
        for key in self.data:
            if key not in self.known:
                problem = f"is not a key here.{did_you_mean(key, self.known)} Allowed: {', '.join(sorted(self.known))}."
                raise self.error(key, problem)

    def _value(self, key: str, default: Any, allowed: str) -> Any:
        self.known.append(key)
        if key in self.data:
            return self.data[key]
        if default is _MISSING:
            self._refuse_misspelt(key)
            where = f"[{dotted(self.path)}]" if self.path else "the file"
            line = line_of(self.source.text, self.path)
            raise StackError(f"{self.source.file}, line {line}: {where} has no {key}; it must be {allowed}.")
        return default

    def _refuse_misspelt(self, key: str) -> None:
        """A missing key is most often there under a slightly other name; that name's line is the one to show."""
        from difflib import get_close_matches

        for close in get_close_matches(key, [name for name in self.data if name not in self.known], n=1, cutoff=0.75):
            raise self.error(close, f'is not a key here. Did you mean "{key}"?')


def dotted(path: KeyPath) -> str:
    """``("on_call", "chain", 1, "role")`` as ``on_call.chain[2].role``; people count from one."""
    parts = [f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def shown(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        return "a table"
    return str(value)


def did_you_mean(word: object, choices: Sequence[str]) -> str:
    """`` Did you mean …?`` where a choice is close, else nothing."""
    from difflib import get_close_matches

    close = get_close_matches(str(word), choices, n=1)
    return f' Did you mean "{close[0]}"?' if close else ""
