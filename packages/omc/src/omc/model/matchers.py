"""Which alerts are meant: conditions such as ``service=backend`` or ``name!=rds-*``, all of which must hold.

A value may hold ``*`` (anything) and ``?`` (one character), and nothing else that is special. Case matters, as in the
names that it is compared with. A label that an alert doesn't have counts as empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from omc.errors import WrongUse

MAX_STARS = 8
FORM = r"[A-Za-z_][A-Za-z0-9_.-]{0,127}!?=.{0,255}"
"""Of a condition's text."""
_TEXT = re.compile(r"(?P<label>[A-Za-z_][A-Za-z0-9_.-]{0,127})(?P<sign>!?=)(?P<value>.{0,255})")


@dataclass(frozen=True, slots=True, order=True)
class Matcher:
    """One condition on one label."""

    label: str
    value: str
    is_negative: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        found = fnmatchcase(labels.get(self.label, ""), self.value.replace("[", "[[]"))
        return found != self.is_negative

    def __str__(self) -> str:
        return f"{self.label}{'!=' if self.is_negative else '='}{self.value}"


def parse(text: str) -> Matcher:
    """The condition that a text says. ``WrongUse`` where it says none."""
    found = _TEXT.fullmatch(text.strip())
    if found is None or found["value"].count("*") > MAX_STARS:
        raise WrongUse(
            f'"{text[:80]}" is no condition on alerts; allowed is such as service=backend, name=rds-* or severity!=3.'
        )
    return Matcher(found["label"], found["value"], is_negative=found["sign"] == "!=")


def parse_all(texts: Iterable[str]) -> tuple[Matcher, ...]:
    """In one order, whichever they were given in: the same conditions are the same value."""
    return tuple(sorted({parse(text) for text in texts}))


def all_match(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether each of them holds. No conditions mean nothing: they match no alert, rather than every one."""
    return bool(matchers) and all(each.matches(labels) for each in matchers)
