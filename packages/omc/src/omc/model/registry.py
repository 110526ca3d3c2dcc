"""Where things of one kind register themselves by name: actions, checks, procedures, commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class NotRegistered(KeyError):
    """A sentence that names the kind, what was asked for and what comes near it.

    It is made when it is read: who asks by ``get`` reads none, and to look for what comes near takes milliseconds.
    """

    def __str__(self) -> str:
        from difflib import get_close_matches  # not for every start of a program

        kind, name, names = self.args
        near = get_close_matches(shown(name), [shown(each) for each in names])
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"There is no {kind} {shown(name)}.{hint}"


class Registry(Mapping[Key, Value]):
    """What is registered of a kind, in the order in which it was. A name is given once."""

    def __init__(self, kind: str, entries: Mapping[Key, Value] | None = None) -> None:
        self.kind = kind
        """In the singular, for sentences: ``action``."""
        self._entries: dict[Key, Value] = dict(entries or {})

    def add(self, name: Key, value: Value) -> Value:
        """Raises ``RuntimeError`` where another has the name."""
        if name in self._entries:
            both = " and ".join(getattr(each, "__qualname__", repr(each)) for each in (self._entries[name], value))
            raise RuntimeError(f"The {self.kind} {shown(name)} is registered twice: {both}.")
        self._entries[name] = value
        return value

    def register(self, name: Key) -> Callable[[Value], Value]:
        """Register what is defined below under this name."""
        return lambda value: self.add(name, value)

    def remove(self, name: Key) -> Value:
        """For tests that add something of their own."""
        return self._entries.pop(name)

    def __getitem__(self, name: Key) -> Value:
        """Raises ``NotRegistered``."""
        try:
            return self._entries[name]
        except KeyError:
            raise NotRegistered(self.kind, name, tuple(self._entries)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[Key]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def shown(name: object) -> str:
    """``ecs.UpdateService`` of a name in two parts."""
    return ".".join(map(str, name)) if isinstance(name, tuple) else str(name)
