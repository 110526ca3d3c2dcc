"""Answers of AWS that know which of their fields were asked for, and the same answers without one of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]


class Watched(dict[str, Any]):
    """A dictionary that writes down which of its keys were asked for."""

    def __init__(self, of: Mapping[str, Any], path: Path, read: set[Path]) -> None:
        super().__init__({key: watched(value, (*path, key), read) for key, value in of.items()})
        self.path, self.read = path, read

    def __getitem__(self, key: str) -> Any:
        self.read.add((*self.path, key))
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add((*self.path, key))
        return super().get(key, default)

    def keys(self) -> Any:
        self.read.update((*self.path, key) for key in self)
        return super().keys()


def watched(value: Any, path: Path, read: set[Path]) -> Any:
    if isinstance(value, Mapping):
        return Watched(value, path, read)
    if isinstance(value, list):
        return [watched(item, (*path, number), read) for number, item in enumerate(value)]
    return value


def without(answer: Any, path: Path) -> Any:
    """The same answer, without what is at the path."""
    if callable(answer):
        return lambda params: without(answer(params), path)
    changed = copy.deepcopy(answer)
    inner = changed
    for part in path[:-1]:
        inner = inner[part]
    del inner[path[-1]]
    return changed


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield (*path, key)
            yield from paths(inner, (*path, key))
    if isinstance(value, list):
        for number, inner in enumerate(value[:2]):
            yield from paths(inner, (*path, number))


def words(operation: str, path: Path) -> str:
    return " ".join([operation, *map(str, path)])
