"""Methods of dataclasses without compiling each: a command makes a hundred such classes before it asks anything.

Python's own ``dataclass`` writes six functions a class as text and compiles them, which takes a fifth of the time to
the morning check's first call. Here it compiles ``__init__`` alone; the others are closures that do the same, which a
test holds against Python's own. It is only done for the Python whose ``dataclasses`` module is known; on another one
nothing changes but the time.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError
from operator import attrgetter
from typing import Any, Final

KNOWN: Final = (3, 11)
REPLACED: Final = ("_repr_fn", "_frozen_get_del_attr", "_cmp_fn", "_hash_fn")

_module: Any = dataclasses
_recursive_repr: Any = getattr(dataclasses, "_recursive_repr", None)
_pythons_cmp_fn: Any = getattr(dataclasses, "_cmp_fn", None)


def _values(names: Sequence[str]) -> Callable[[Any], Any]:
    """The fields of an object as a tuple; without a tuple around it where there is one, as ``attrgetter`` has it."""
    return attrgetter(*names) if names else lambda _: ()


def _repr_fn(fields: Sequence[Any], globals: Any) -> Any:  # noqa: A002, ARG001 - Python's names
    names = [field.name for field in fields]

    def __repr__(self: Any) -> str:  # noqa: N807
        return f"{self.__class__.__qualname__}({', '.join([f'{name}={getattr(self, name)!r}' for name in names])})"

    return _recursive_repr(__repr__)


def _frozen_get_del_attr(cls: Any, fields: Sequence[Any], globals: Any) -> tuple[Any, Any]:  # noqa: A002, ARG001
    names = frozenset(field.name for field in fields)

    def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:  # noqa: N807
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return __setattr__, __delattr__


def _cmp_fn(name: str, op: str, self_tuple: str, other_tuple: str, globals: Any) -> Any:  # noqa: A002
    if op != "==":
        return _pythons_cmp_fn(name, op, self_tuple, other_tuple, globals)
    values = _values([part.partition(".")[2] for part in self_tuple.strip("()").split(",") if part])

    def __eq__(self: Any, other: Any) -> Any:  # noqa: N807
        if other.__class__ is self.__class__:
            return _same(values(self), values(other))
        return NotImplemented

    return __eq__


def _same(one: Any, other: Any) -> bool:
    """As parts of a tuple are compared: what is the same object is equal, and the answer is a truth value."""
    return one is other or bool(one == other)


def _hash_fn(fields: Sequence[Any], globals: Any) -> Any:  # noqa: A002, ARG001
    names = [field.name for field in fields]
    values = _values(names)
    if len(names) == 1:

        def __hash__(self: Any) -> int:  # noqa: N807
            return hash((values(self),))
    else:

        def __hash__(self: Any) -> int:  # noqa: N807
            return hash(values(self))

    return __hash__


def install() -> None:
    """For every dataclass that is made from now on in this process."""
    if sys.version_info[:2] == KNOWN and all(hasattr(dataclasses, name) for name in REPLACED):
        _module._repr_fn, _module._frozen_get_del_attr = _repr_fn, _frozen_get_del_attr
        _module._cmp_fn, _module._hash_fn = _cmp_fn, _hash_fn
