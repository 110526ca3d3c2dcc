"""The rule of a composite alarm: ``ALARM("a") AND NOT (OK(b) OR FALSE)`` parsed to a tree and judged by child states.

Nothing here knows what an alarm is beyond its name and state.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
DEEPEST = 100
MOST_CHILDREN = 100
MOST_ELEMENTS = 500
"""Alarms that one rule may name, and its elements altogether (CloudWatch API, PutCompositeAlarm)."""


class RuleError(ValueError):
    """What is wrong with a rule, in one sentence."""


@dataclass(frozen=True, slots=True)
class Constant:
    value: bool


@dataclass(frozen=True, slots=True)
class StateIs:
    state: str
    alarm: str
    """A name or an ARN, as written."""


@dataclass(frozen=True, slots=True)
class Not:
    operand: Rule


@dataclass(frozen=True, slots=True)
class Both:
    left: Rule
    right: Rule


@dataclass(frozen=True, slots=True)
class Either:
    left: Rule
    right: Rule


Rule: TypeAlias = Constant | StateIs | Not | Both | Either

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<bare>[^\s()"']+))\s*\)
  | (?P<word>AND|OR|NOT|TRUE|FALSE)\b
  | (?P<sign>[()])
)""",
    re.VERBOSE | re.IGNORECASE,
)


@lru_cache(maxsize=1024)
def parse_rule(text: str) -> Rule:
    """The tree of a rule; NOT binds tighter than AND, AND tighter than OR. ``RuleError`` where it isn't one."""
    tokens: list[tuple[str, str]] = []
    stripped, at = text.rstrip(), 0
    while at < len(stripped):
        found = _TOKEN.match(stripped, at)
        if found is None:
            raise RuleError(f"AlarmRule has a syntax error at {stripped[at:].lstrip()[:40]!r}")
        if found["state"]:
            quoted = found["double"]
            name = quoted.replace('\\"', '"') if quoted is not None else found["single"] or found["bare"]
            if not name:
                raise RuleError(f"AlarmRule names no alarm in {found[0].strip()!r}")
            tokens.append((found["state"].upper(), name))
        else:
            tokens.append(((found["word"] or found["sign"]).upper(), ""))
        at = found.end()
    if len(tokens) > MOST_ELEMENTS:
        raise RuleError(f"AlarmRule has more than {MOST_ELEMENTS} elements")
    tokens.append(("end", ""))
    rule, rest = _either(tokens, 0, 0)
    if tokens[rest][0] != "end":
        raise RuleError(f"AlarmRule has an unexpected {tokens[rest][0]}")
    if len(children(rule)) > MOST_CHILDREN:
        raise RuleError(f"AlarmRule names more than {MOST_CHILDREN} alarms")
    return rule


def _either(tokens: list[tuple[str, str]], at: int, depth: int) -> tuple[Rule, int]:
    left, at = _both(tokens, at, depth)
    while tokens[at][0] == "OR":
        right, at = _both(tokens, at + 1, depth)
        left = Either(left, right)
    return left, at


def _both(tokens: list[tuple[str, str]], at: int, depth: int) -> tuple[Rule, int]:
    left, at = _not(tokens, at, depth)
    while tokens[at][0] == "AND":
        right, at = _not(tokens, at + 1, depth)
        left = Both(left, right)
    return left, at


def _not(tokens: list[tuple[str, str]], at: int, depth: int) -> tuple[Rule, int]:
    if depth > DEEPEST:
        raise RuleError("AlarmRule is nested too deeply")
    kind, name = tokens[at]
    if kind == "NOT":
        operand, at = _not(tokens, at + 1, depth + 1)
        return Not(operand), at
    if kind == "(":
        inner, at = _either(tokens, at + 1, depth + 1)
        if tokens[at][0] != ")":
            raise RuleError("AlarmRule has a parenthesis that isn't closed")
        return inner, at + 1
    if kind in STATES:
        return StateIs(kind, name), at + 1
    if kind in ("TRUE", "FALSE"):
        return Constant(kind == "TRUE"), at + 1
    raise RuleError(f"AlarmRule has an unexpected {kind if kind != 'end' else 'end'}")


def holds(rule: Rule, state_of: Callable[[str], str]) -> bool:
    """Whether the rule is true, given the state of each alarm by the name or ARN in the rule."""
    match rule:
        case Constant(value):
            return value
        case StateIs(state, alarm):
            return state_of(alarm) == state
        case Not(operand):
            return not holds(operand, state_of)
        case Both(left, right):
            return holds(left, state_of) and holds(right, state_of)
        case Either(left, right):
            return holds(left, state_of) or holds(right, state_of)


def children(rule: Rule) -> tuple[str, ...]:
    """The alarms that the rule names, each once, in the order of the rule."""
    match rule:
        case StateIs(_, alarm):
            return (alarm,)
        case Not(operand):
            return children(operand)
        case Both(left, right) | Either(left, right):
            return tuple(dict.fromkeys((*children(left), *children(right))))
    return ()
