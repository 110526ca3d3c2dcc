"""Dataclasses whose methods aren't compiled behave as Python's own."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from omc import value_classes

NOT_A_NUMBER = float("nan")
Same = Callable[[Any], Any]


def definitions() -> dict[str, type]:
    """The same classes, made anew."""

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    @dataclass(frozen=True, slots=True)
    class One:
        value: Any

    @dataclass(frozen=True)
    class Frozen:
        name: str
        more: Any = ()

    @dataclass
    class Plain:
        name: str
        many: list[Any] = field(default_factory=list, repr=False)
        hidden: int = field(default=0, compare=False)

    @dataclass(order=True, unsafe_hash=True)
    class Ordered:
        first: int
        second: str = "x"

    @dataclass(eq=False, repr=False)
    class Bare:
        first: int

    @dataclass(frozen=True)
    class Child(Frozen):
        extra: int = 1

    @dataclass(frozen=True, slots=True)
    class Own:
        first: int

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own)

        def __hash__(self) -> int:
            return 7

    return {kind.__name__: kind for kind in (Empty, One, Frozen, Plain, Ordered, Bare, Child, Own)}


@pytest.fixture(scope="module")
def pythons_and_ours() -> tuple[dict[str, type], dict[str, type]]:
    pythons = definitions()
    with pytest.MonkeyPatch.context() as patch:
        for name in value_classes.REPLACED:
            patch.setattr(dataclasses, name, getattr(dataclasses, name))
        value_classes.install()
        return pythons, definitions()


MADE: list[tuple[str, tuple[Any, ...]]] = [
    ("Empty", ()),
    *(("One", (value,)) for value in (1, "a", None, NOT_A_NUMBER, (1, 2), [1], {"a": 1})),
    *(("Frozen", values) for values in (("a",), ("a", (1,)), ("b", [1]))),
    *(("Plain", values) for values in (("a",), ("a", [1], 1), ("a", [1], 2))),
    *(("Ordered", values) for values in ((1,), (1, "y"), (2,))),
    ("Bare", (1,)),
    *(("Child", values) for values in (("a",), ("a", (1,), 2))),
    ("Own", (1,)),
]


def outcome(act: Callable[[], Any]) -> Any:
    """What comes of it: a value, or which error, and what that says."""
    try:
        return act()
    except (TypeError, AttributeError) as error:  # FrozenInstanceError is one
        return type(error), str(error)


@pytest.mark.parametrize(("kind", "values"), MADE)
def test_an_object_says_hashes_and_keeps_itself_alike(
    kind: str, values: tuple[Any, ...], pythons_and_ours: tuple[dict[str, type], dict[str, type]]
) -> None:
    theirs, ours = (some[kind](*values) for some in pythons_and_ours)
    name = next(iter(values and ours.__dataclass_fields__), "nothing")
    acts: list[Same] = [
        repr if kind != "Bare" else type,
        hash if kind != "Bare" else type,
        lambda one: setattr(one, name, 5),
        lambda one: one.__setattr__("another", 5),
        lambda one: delattr(one, "another"),
        lambda one: delattr(one, name),
        dataclasses.asdict,
    ]
    for act in acts[2 if kind == "Bare" else 0 :]:
        assert outcome(lambda: act(theirs)) == outcome(lambda: act(ours)) or NOT_A_NUMBER in values  # noqa: B023
    assert [name in vars(type(ours)) for name in ("__eq__", "__hash__", "__repr__", "__setattr__")] == [
        name in vars(type(theirs)) for name in ("__eq__", "__hash__", "__repr__", "__setattr__")
    ]


@pytest.mark.parametrize(("kind", "values"), MADE)
@pytest.mark.parametrize(("other_kind", "other_values"), MADE)
def test_two_objects_compare_alike(
    kind: str,
    values: tuple[Any, ...],
    other_kind: str,
    other_values: tuple[Any, ...],
    pythons_and_ours: tuple[dict[str, type], dict[str, type]],
) -> None:
    (theirs, their_other), (ours, our_other) = (
        (some[kind](*values), some[other_kind](*other_values)) for some in pythons_and_ours
    )
    assert (theirs == their_other) is (ours == our_other)
    assert (theirs != their_other) is (ours != our_other)
    for one, other in ((theirs, their_other), (ours, our_other)):
        if one == other and kind != "Bare":
            assert outcome(lambda: hash(one)) == outcome(lambda: hash(other))  # noqa: B023
    assert outcome(lambda: theirs < their_other) == outcome(lambda: ours < our_other)


def test_what_holds_itself_is_told_once(pythons_and_ours: tuple[dict[str, type], dict[str, type]]) -> None:
    said = []
    for some in pythons_and_ours:
        plain = some["Plain"]("a")
        one = some["One"]([plain])
        plain.name = one
        said.append(repr(one))
    assert said[0] == said[1]
    assert "..." in said[1]


def test_names_and_places_are_the_classes_own(pythons_and_ours: tuple[dict[str, type], dict[str, type]]) -> None:
    for theirs, ours in zip(*(some.values() for some in pythons_and_ours), strict=True):
        for name in ("__eq__", "__hash__", "__repr__", "__setattr__", "__delattr__"):
            mine: Any = vars(ours).get(name)
            assert getattr(mine, "__qualname__", None) == getattr(vars(theirs).get(name), "__qualname__", None)


def test_a_command_makes_its_classes_so_and_they_can_be_copied() -> None:
    program = (
        "import omc.cli.main, copy, pickle\nfrom omc.facts.terraform_json import Difference\n"
        "one = Difference('a', 'b', 'c')\n"
        "assert one == copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) and len({one, copy.copy(one)}) == 1\n"
        "print(Difference.__eq__.__module__, one)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "Difference(" in said
    if sys.version_info[:2] == value_classes.KNOWN:
        assert said.startswith("omc.value_classes ")


def test_copies_are_equal(pythons_and_ours: tuple[dict[str, type], dict[str, type]]) -> None:
    one = pythons_and_ours[1]["One"]({"a": [1]})
    assert copy.deepcopy(one) == one
    assert pickle.dumps(one.value)
