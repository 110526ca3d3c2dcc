"""A mistake in omc.toml as one sentence: the file, the line, the key, what is wrong, what is allowed, the near name.

msgspec finds the mistake and says where it is; what is allowed there is read from the types of the tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from omc.config.fields import ClockTime, Table
from omc.config.toml_lines import Path as KeyPath
from omc.config.toml_lines import line_of
from omc.errors import StackError, did_you_mean

Read = TypeVar("Read")
_PLACE = re.compile(r".* - at (?P<key>`key` in )?`\$(?P<steps>[^`]*)`", re.DOTALL)
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[([0-9]+|\.\.\.)\]")
_CLOCK_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class Source:
    """The file and its text, for messages."""

    file: Path
    text: str

    def error(self, path: KeyPath, problem: str) -> StackError:
        return StackError(f"{self.file}, line {line_of(self.text, path)}: {dotted(path)} {problem}")

    def missing(self, path: KeyPath, key: str, allowed: str) -> StackError:
        where = f"[{dotted(path)}]" if path else "the file"
        return StackError(f"{self.file}, line {line_of(self.text, path)}: {where} has no {key}; it must be {allowed}.")


def read_as(kind: type[Read], value: Any, source: Source) -> Read:
    """The value as this type; ``StackError`` says what in it is not allowed."""
    try:
        read: Read = _convert(value, kind)
    except msgspec.ValidationError as error:
        raise _mistake(error, kind, value, source, ()) from None
    return read


def taken_apart(hint: Any) -> tuple[Any, msgspec.Meta | None]:
    """A key's type, without "or nothing", and what ``key`` says of it."""
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in get_args(hint) if part is not NoneType]
        hint = parts[0] if len(parts) == 1 else hint
    if get_origin(hint) is Annotated:
        kind, meta = get_args(hint)
        return kind, meta
    return hint, None


def keys_of(table: type[Table]) -> dict[str, Any]:
    """A table's keys with their types."""
    hints = get_type_hints(table, include_extras=True)
    return {name: hints[name] for name in table.__struct_fields__}


def allowed_at(hint: Any, path: KeyPath) -> str:
    """What a key may be, in words."""
    kind, meta = taken_apart(hint)
    if meta and (explicit := (meta.extra or {}).get("allowed")):
        return str(explicit)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if get_origin(kind) is tuple:
        return f"one table or more, [[{dotted(path)}]]"
    if get_origin(kind) is dict or issubclass(kind, Table):
        return f"a table, [{dotted(path)}]"
    if kind in (int, float) and meta:
        return f"a {'whole ' if kind is int else ''}number from {_figure(meta.ge)} to {_figure(meta.le)}"
    return {bool: "true or false", str: "a string", ClockTime: 'a time such as 02:00:00 or "02:00"'}[kind]


def _figure(limit: float | None) -> str:
    return str(int(limit)) if limit == int(limit or 0) else str(limit)


def _convert(value: Any, kind: Any) -> Any:
    return msgspec.convert(value, kind, builtin_types=(date, datetime, time), dec_hook=_clock_time)


def _clock_time(kind: type, value: Any) -> Any:
    if isinstance(value, str) and _CLOCK_TIME.fullmatch(value):
        value = time.fromisoformat(value)
    if not isinstance(value, time):
        raise ValueError("not a time")  # msgspec adds where
    return kind(value.hour, value.minute, value.second, value.microsecond)


def _mistake(error: msgspec.ValidationError, hint: Any, value: Any, source: Source, path: KeyPath) -> StackError:
    place = _PLACE.fullmatch(str(error))
    trail = [(hint, value, path)]
    for name, item in _STEP.findall(place["steps"]) if place else ():
        kind, _ = taken_apart(hint)
        if item == "...":  # msgspec doesn't say which key of a table whose keys are names
            return _mistake_within(get_args(kind)[1], value, source, path)
        step = name or int(item)
        hint = keys_of(kind)[name] if name else get_args(_as_list(kind))[0]
        value, path = value[step], (*path, step)
        trail.append((hint, value, path))
    kind, _ = taken_apart(hint)
    if place and place["key"]:
        return _wrong_name(get_args(kind)[0], value, source, path)
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, Table):
        return _wrong_keys(kind, value, source, path)
    while isinstance(path[-1], int) and _is_plain_text(hint):  # a word of a command: the command is what to show
        trail.pop()
        hint, value, path = trail[-1]
    return _wrong_value(hint, value, source, path)


def _as_list(kind: Any) -> Any:
    """Of a key that is one thing or a list of them, the list."""
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return next((part for part in parts if get_origin(part) is tuple), kind)


def _is_plain_text(hint: Any) -> bool:
    kind, meta = taken_apart(hint)
    return kind is str and not (meta and meta.extra)


def _mistake_within(kind: Any, table: dict[str, Any], source: Source, path: KeyPath) -> StackError:
    for name, item in table.items():
        try:
            _convert(item, kind)
        except msgspec.ValidationError as error:
            return _mistake(error, kind, item, source, (*path, name))
    raise AssertionError(f"nothing in {dotted(path)} is refused by itself")


def _wrong_name(kind: Any, table: dict[str, Any], source: Source, path: KeyPath) -> StackError:
    for name in table:
        try:
            _convert(name, kind)
        except msgspec.ValidationError:
            return source.error((*path, name), f"is not a name; allowed are {allowed_at(kind, path)}.")
    raise AssertionError(f"no name in {dotted(path)} is refused by itself")


def _wrong_keys(table: type[Table], value: dict[str, Any], source: Source, path: KeyPath) -> StackError:
    """A key that isn't one is most often a key that is missing, under a slightly other name."""
    keys = keys_of(table)
    absent = [key for key in keys if key not in value]
    for key in value:
        if key not in keys:
            near = did_you_mean(key, absent) or did_you_mean(key, list(keys))
            return source.error((*path, key), f"is not a key here.{near} Allowed: {', '.join(sorted(keys))}.")
    missing = next(key for key in absent if key in required_keys(table))
    return source.missing(path, missing, allowed_at(keys[missing], (*path, missing)))


def required_keys(table: type[Table]) -> frozenset[str]:
    return frozenset(each.name for each in msgspec.structs.fields(table) if each.required)


def _wrong_value(hint: Any, value: Any, source: Source, path: KeyPath) -> StackError:
    kind, _ = taken_apart(hint)
    if value == {} and get_origin(kind) is dict:
        return source.error(path, f"is empty; at least one [{dotted(path)}.<name>] is needed.")
    near = did_you_mean(value, get_args(kind)) if get_origin(kind) is Literal else ""
    return source.error(path, f"is {shown(value)}; it must be {allowed_at(hint, path)}.{near}")


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
        return f"{{{', '.join(f'{name} = {shown(each)}' for name, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    return str(value)
