"""The language of metric math: text to a syntax tree. What the tree means is in ``metric_math``.

Grammar, loosest first: OR, AND, comparisons, + -, * /, unary -, ^, then numbers, strings, names, calls, [arrays] and
parentheses. Function names and AND/OR are upper case, identifiers of metrics begin in lower case, as in CloudWatch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias


class ExpressionError(ValueError):
    """What is wrong with an expression, in one sentence."""


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier of another query, or a bare word such as REPEAT."""

    name: str


@dataclass(frozen=True, slots=True)
class Array:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    operand: Node


@dataclass(frozen=True, slots=True)
class Operation:
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    arguments: tuple[Node, ...]


Node: TypeAlias = Number | Text | Name | Array | Negation | Operation | Function

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<text>'[^']*'|"[^"]*")
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign>==|!=|<=|>=|&&|\|\||[-+*/^<>(),\[\]])
)""",
    re.VERBOSE,
)

_BINDING = {
    "OR": 1, "AND": 2,
    "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3,
    "+": 4, "-": 4,
    "*": 5, "/": 5,
    "^": 7,
}  # fmt: skip
_UNARY = 6
MOST_OPERATORS = 200
"""Operators in one expression: more than CloudWatch's limits leave room for, fewer than would exhaust a stack."""
DEEPEST = 60
"""Nesting that the parser follows; AWS limits an expression to 1024 characters, so no sane one comes near."""


@dataclass(slots=True)
class _Tokens:
    text: str
    items: list[tuple[str, str]]
    at: int = 0

    def peek(self) -> str:
        return self.items[self.at][1]

    def take(self) -> tuple[str, str]:
        token = self.items[self.at]
        self.at += 1
        return token

    def expect(self, sign: str) -> None:
        kind, value = self.take()
        if value != sign or kind == "text":
            found = f"'{value}'" if kind != "end" else "the end"
            raise ExpressionError(f"expected '{sign}' but found {found} in {self.text!r}")


def _tokenize(text: str) -> _Tokens:
    items: list[tuple[str, str]] = []
    at = 0
    stripped = text.rstrip()
    while at < len(stripped):
        found = _TOKEN.match(stripped, at)
        if found is None or found.lastgroup is None:
            raise ExpressionError(f"unexpected character {stripped[at:].lstrip()[:1]!r} in {text!r}")
        value = found[found.lastgroup]
        items.append((found.lastgroup, {"&&": "AND", "||": "OR"}.get(value, value)))
        at = found.end()
    items.append(("end", ""))
    return _Tokens(text, items)


@lru_cache(maxsize=4096)
def parse(text: str) -> Node:
    """The tree of one expression; ``ExpressionError`` where it isn't one."""
    tokens = _tokenize(text)
    if sum(value in _BINDING for kind, value in tokens.items if kind != "text") > MOST_OPERATORS:
        raise ExpressionError(f"the expression has more than {MOST_OPERATORS} operators")
    node = _expression(tokens, 0, 0)
    kind, value = tokens.take()
    if kind != "end":
        raise ExpressionError(f"unexpected '{value}' in {text!r}")
    return node


def _expression(tokens: _Tokens, least: int, depth: int) -> Node:
    if depth > DEEPEST:
        raise ExpressionError("the expression is nested too deeply")
    left = _operand(tokens, depth)
    while (binding := _BINDING.get(tokens.peek(), 0)) > least:
        operator = tokens.take()[1]
        left = Operation(operator, left, _expression(tokens, binding, depth + 1))
    return left


def _operand(tokens: _Tokens, depth: int) -> Node:
    kind, value = tokens.take()
    if kind == "number":
        return Number(float(value))
    if kind == "text":
        return Text(value[1:-1])
    if value == "-":
        return Negation(_expression(tokens, _UNARY, depth + 1))
    if value == "+":
        return _expression(tokens, _UNARY, depth + 1)
    if value == "(":
        inner = _expression(tokens, 0, depth + 1)
        tokens.expect(")")
        return inner
    if value == "[":
        return Array(_list(tokens, "]", depth))
    if kind == "word" and value not in ("AND", "OR"):
        if tokens.peek() == "(":
            tokens.take()
            return Function(value, _list(tokens, ")", depth))
        return Name(value)
    raise ExpressionError(f"unexpected {repr(value) if value else 'end'} in {tokens.text!r}")


def _list(tokens: _Tokens, closing: str, depth: int) -> tuple[Node, ...]:
    items: list[Node] = []
    if tokens.peek() == closing:
        tokens.take()
        return ()
    while True:
        items.append(_expression(tokens, 0, depth + 1))
        if tokens.peek() != ",":
            tokens.expect(closing)
            return tuple(items)
        tokens.take()


def names(node: Node) -> set[str]:
    """The identifiers of other queries that the expression uses."""
    match node:
        case Name(name):
            return {name} if name[:1].islower() else set()
        case Array(items):
            return set().union(*map(names, items))
        case Negation(operand):
            return names(operand)
        case Operation(_, left, right):
            return names(left) | names(right)
        case Function(_, arguments):
            return set().union(*map(names, arguments))
    return set()


def functions(node: Node) -> set[str]:
    """The functions that the expression calls."""
    match node:
        case Array(items):
            return set().union(*map(functions, items))
        case Negation(operand):
            return functions(operand)
        case Operation(_, left, right):
            return functions(left) | functions(right)
        case Function(name, arguments):
            return {name}.union(*map(functions, arguments))
    return set()
