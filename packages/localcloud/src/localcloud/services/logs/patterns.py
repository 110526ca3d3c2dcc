"""The filter pattern language of CloudWatch Logs, parsed and evaluated.

FilterLogEvents, metric filters, TestMetricFilter and Live Tail share it. Three forms, told apart by their first
character: terms (``ERROR -"health check" ?timeout %5\\d\\d%``), JSON (``{ $.level = "ERROR" && $.status >= 500 }``)
and space-delimited fields (``[ip, user, ..., status = 5*, bytes > 1000]``). Insights' query language lives elsewhere
(``localcloud.services.logs.insights``).

Source: CloudWatch Logs user guide, "Filter pattern syntax for metric filters, subscription filters, filter log
events, and Live Tail". Where the guide is silent: a comparison with a JSON property that is missing, or that is an
array or object, doesn't match, ``!=`` included; ``?`` terms beside required or excluded terms are ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

MISSING = object()
"""What a selector finds where the property doesn't exist (JSON's null is something else)."""


class PatternError(ValueError):
    """The pattern breaks the language's rules. ``AWS`` says only "Invalid filter pattern"; we say why."""


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison: an operator and what stands on its right."""

    operator: str
    text: str
    number: float | None = None
    regex: re.Pattern[str] | None = None

    def holds(self, value: object) -> bool:
        """Whether the comparison holds for a JSON value or the text of a field."""
        if value is MISSING or value is None or isinstance(value, dict | list):
            return False
        if self.regex is not None:
            return (self.regex.search(as_text(value)) is not None) == (self.operator == "=")
        if self.operator in ("=", "!="):
            return self._equal(value) == (self.operator == "=")
        actual = as_number(value)
        if actual is None or self.number is None:
            return False
        return {
            "<": actual < self.number,
            "<=": actual <= self.number,
            ">": actual > self.number,
            ">=": actual >= self.number,
        }[self.operator]

    def _equal(self, value: object) -> bool:
        if self.number is not None:
            actual = as_number(value)
            if actual is not None:
                return actual == self.number
        return wildcard_match(self.text, as_text(value))


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of one JSON property or one named field; ``state`` is an ``IS``/``EXISTS`` test instead."""

    selector: tuple[str | int, ...]
    test: Test | None
    state: str | None = None

    def holds(self, value: object) -> bool:
        if self.test is not None:
            return self.test.holds(value)
        return {
            "NULL": value is None,
            "TRUE": value is True,
            "FALSE": value is False,
            "EXISTS": value is not MISSING,
            "NOT EXISTS": value is MISSING,
        }[self.state or ""]


@dataclass(frozen=True, slots=True)
class Both:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Either:
    parts: tuple[Expression, ...]


Expression: TypeAlias = "Condition | Both | Either"


def holds(expression: Expression, find: Callable[[Condition], object]) -> bool:
    """Evaluate a compound condition; ``find`` gives the value that a condition speaks of."""
    if isinstance(expression, Condition):
        return expression.holds(find(expression))
    if isinstance(expression, Both):
        return all(holds(part, find) for part in expression.parts)
    return any(holds(part, find) for part in expression.parts)


@dataclass(frozen=True, slots=True)
class TermsPattern:
    """Terms in any order: each of ``required``, none of ``excluded``, one of ``optional``."""

    required: tuple[str | re.Pattern[str], ...] = ()
    excluded: tuple[str | re.Pattern[str], ...] = ()
    optional: tuple[str | re.Pattern[str], ...] = ()

    def extract(self, message: str) -> dict[str, str] | None:
        """An empty mapping where the message matches, None where it doesn't."""
        if not all(_contains(message, term) for term in self.required):
            return None
        if any(_contains(message, term) for term in self.excluded):
            return None
        if self.required or self.excluded or not self.optional:
            return {}
        return {} if any(_contains(message, term) for term in self.optional) else None

    def literals(self) -> tuple[str, ...]:
        """Texts that every matching message contains: a cheap first sieve for a store."""
        return tuple(term for term in self.required if isinstance(term, str))


@dataclass(frozen=True, slots=True)
class JsonPattern:
    """A condition on the properties of a JSON object."""

    expression: Expression

    def extract(self, message: str) -> dict[str, str] | None:
        document = parse_json(message)
        if document is MISSING:
            return None
        return {} if holds(self.expression, lambda condition: select(document, condition.selector)) else None

    def literals(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class FieldsPattern:
    """Conditions on space-delimited fields. ``ellipsis`` is where ``...`` stands among the names, or None."""

    names: tuple[str, ...]
    ellipsis: int | None
    conditions: tuple[Expression, ...] = field(default=())

    def extract(self, message: str) -> dict[str, str] | None:
        """The fields as ``$name``, or ``$3`` by position for those without a name."""
        values = split_fields(message)
        if self.ellipsis is None:
            if len(values) != len(self.names):
                return None
            names = list(self.names)
        else:
            if len(values) < len(self.names):
                return None
            unnamed = [""] * (len(values) - len(self.names))
            names = [*self.names[: self.ellipsis], *unnamed, *self.names[self.ellipsis :]]
        by_name = {name: value for name, value in zip(names, values, strict=True) if name}
        if not all(holds(each, lambda c: by_name.get(str(c.selector[0]), MISSING)) for each in self.conditions):
            return None
        return {f"${name or place}": value for place, (name, value) in enumerate(zip(names, values, strict=True), 1)}

    def literals(self) -> tuple[str, ...]:
        return ()


FilterPattern: TypeAlias = "TermsPattern | JsonPattern | FieldsPattern"


def parse_json(message: str) -> Any:
    """The JSON object in a message, or ``MISSING`` where the message isn't one."""
    if not message.lstrip().startswith("{"):
        return MISSING
    try:
        return json.loads(message)
    except ValueError:
        return MISSING


def select(document: object, path: Sequence[str | int]) -> object:
    """The value at a path of property names and array indexes."""
    here: object = document
    for step in path:
        if isinstance(step, int):
            here = here[step] if isinstance(here, list) and step < len(here) else MISSING
        else:
            here = here.get(step, MISSING) if isinstance(here, dict) else MISSING
        if here is MISSING:
            return MISSING
    return here


def split_fields(message: str) -> list[str]:
    """The space-delimited fields of a message; what stands in ``[…]`` or ``"…"`` is one field, without its marks."""
    return [
        bracketed or quoted or bare
        for bracketed, quoted, bare in re.findall(r'\[([^\]]*)\](?=\s|$)|"([^"]*)"(?=\s|$)|(\S+)', message)
    ]


def wildcard_match(pattern: str, text: str) -> bool:
    """Equality where ``*`` first or last in the pattern stands for any text (elsewhere it is a plain asterisk)."""
    if pattern == "*":
        return True
    before, after = pattern.startswith("*"), pattern.endswith("*")
    if before and after and len(pattern) > 1:
        return pattern[1:-1] in text
    if before:
        return text.endswith(pattern[1:])
    if after:
        return text.startswith(pattern[:-1])
    return text == pattern


def as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def as_number(value: object) -> float | None:
    """The number that a JSON value or a text is; None where it is none (booleans, null, missing)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _contains(message: str, term: str | re.Pattern[str]) -> bool:
    return term in message if isinstance(term, str) else term.search(message) is not None
