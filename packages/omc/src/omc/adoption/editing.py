"""Changes to an omc.toml that people wrote: one key at a time, every other line and comment as it was. Pure.

Each change is read back, and counts only where the file says just that afterwards. What stands in a way that isn't
understood here (a value over several lines, a table within a line) is left to the person.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from omc.adoption.toml_text import Plain, assignment, header, literal
from omc.config.toml_lines import line_of

_ASSIGNED = re.compile(r"^(?P<before>\s*[^=]+?\s*=\s*)(?P<rest>.+)$")


def amended(text: str, path: Sequence[str], value: Plain, note: str = "") -> str | None:
    """The text with the key at ``path`` set to ``value``; None where that is a person's work."""
    wanted = copy.deepcopy(tomllib.loads(text))
    _put(wanted, path, list(value) if isinstance(value, list | tuple) else value)
    for changed in (
        _replaced(text, path, value),
        _inserted(text, path, value, note),
        _appended(text, path, value, note),
    ):
        if changed is None:
            continue
        try:
            read = tomllib.loads(changed)
        except tomllib.TOMLDecodeError:
            continue
        if read == wanted:
            return changed
    return None


def with_table(text: str, path: Sequence[str]) -> str:
    """The text with this table, at its end where there is none."""
    here: Any = tomllib.loads(text)
    for name in path:
        here = here.get(name) if isinstance(here, dict) else None
    return text if here is not None else f"{text.rstrip()}\n\n{header(path)}\n"


def _put(data: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *tables, key = path
    for name in tables:
        data = data.setdefault(name, {})
    data[key] = value


def _has(data: Any, path: Sequence[str]) -> bool:
    for name in path:
        if not isinstance(data, dict) or name not in data:
            return False
        data = data[name]
    return True


def _replaced(text: str, path: Sequence[str], value: Plain) -> str | None:
    if not _has(tomllib.loads(text), path):
        return None
    lines = text.split("\n")
    number = line_of(text, tuple(path)) - 1
    found = _ASSIGNED.match(lines[number])
    if not found:
        return None
    lines[number] = f"{found['before']}{literal(value)}{_behind(found['rest'])}"
    return "\n".join(lines)


def _behind(rest: str) -> str:
    """The comment behind a value, with the blanks before it: what begins at the first # with which the rest is TOML."""
    for found in re.finditer(r"\s*#", rest):
        try:
            tomllib.loads(f"x = {rest[: found.start()]}")
        except tomllib.TOMLDecodeError:
            continue
        return rest[found.start() :]
    return ""


def _inserted(text: str, path: Sequence[str], value: Plain, note: str) -> str | None:
    """Below the last key of its table, where the table has a header."""
    lines = text.split("\n")
    wanted = re.compile(rf"^\s*{re.escape(header(path[:-1]))}\s*(#.*)?$")
    start = next((number for number, line in enumerate(lines) if wanted.match(line)), None)
    if start is None:
        return None
    end = start
    for number in range(start + 1, len(lines)):
        if lines[number].lstrip().startswith("["):
            break
        if lines[number].strip() and not lines[number].lstrip().startswith("#"):
            end = number
    lines.insert(end + 1, assignment(path[-1], value, note))
    return "\n".join(lines)


def _appended(text: str, path: Sequence[str], value: Plain, note: str) -> str:
    return f"{text.rstrip()}\n\n{header(path[:-1])}\n{assignment(path[-1], value, note)}\n"
