"""SEARCH expressions: which metrics ``{AWS/ECS,ClusterName,ServiceName} MetricName="CPUUtilization"`` finds.

A search is a schema in braces (the namespace and the exact set of dimension names), then words, property designations
and AND, OR, NOT. Reading the metrics' values is ``queries``' business.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from localcloud.services.cloudwatch.expressions import DEEPEST, ExpressionError
from localcloud.services.cloudwatch.store import Metric

Predicate: TypeAlias = Callable[[Metric], bool]

_SCHEMA = re.compile(r"\s*\{([^}]*)\}")
_SCHEMA_PART = re.compile(r'\s*(?:"([^"]*)"|([^,"]+?))\s*(?:,|$)')
_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([()=])|([^\s()="]+))')


@dataclass(slots=True)
class _Tokens:
    items: list[tuple[str, str]]
    at: int = 0

    def peek(self) -> tuple[str, str]:
        return self.items[self.at] if self.at < len(self.items) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token


@lru_cache(maxsize=512)
def parse_search(text: str) -> Predicate:
    """A predicate over metrics; ``ExpressionError`` where the search isn't one."""
    predicates: list[Predicate] = []
    schema = _SCHEMA.match(text)
    rest = text
    if schema:
        parts = [quoted or plain for quoted, plain in _SCHEMA_PART.findall(schema[1]) if quoted or plain]
        if not parts:
            raise ExpressionError("SEARCH: the schema in braces needs at least a namespace")
        namespace, wanted = parts[0], frozenset(parts[1:])
        predicates.append(
            lambda metric: metric.namespace == namespace and {name for name, _ in metric.dimensions} == wanted
        )
        rest = text[schema.end() :]
    tokens = _Tokens(_tokenize(rest))
    if tokens.items:
        predicates.append(_any_of(tokens, None, 0))
        if tokens.peek()[0] != "end":
            raise ExpressionError(f"SEARCH: unexpected '{tokens.peek()[1]}' in {text!r}")
    if not predicates:
        raise ExpressionError("SEARCH: the search expression is empty")
    return lambda metric: all(predicate(metric) for predicate in predicates)


def _tokenize(text: str) -> list[tuple[str, str]]:
    items: list[tuple[str, str]] = []
    stripped, at = text.rstrip(), 0
    while at < len(stripped):
        found = _TOKEN.match(stripped, at)
        if found is None:
            raise ExpressionError(f"SEARCH: unbalanced quotes in {text!r}")
        exact, sign, word = found.groups()
        if exact is not None:
            items.append(("exact", exact.replace('\\"', '"')))
        else:
            items.append(("sign", sign) if sign else ("word", word))
        at = found.end()
    return items


def _any_of(tokens: _Tokens, property_name: str | None, depth: int) -> Predicate:
    if depth > DEEPEST:
        raise ExpressionError("SEARCH: the search is nested too deeply")
    choices = [_all_of(tokens, property_name, depth)]
    while tokens.peek() == ("word", "OR"):
        tokens.take()
        choices.append(_all_of(tokens, property_name, depth))
    return lambda metric: any(choice(metric) for choice in choices)


def _all_of(tokens: _Tokens, property_name: str | None, depth: int) -> Predicate:
    needed = [_one(tokens, property_name, depth)]
    while tokens.peek()[0] != "end" and tokens.peek() not in (("word", "OR"), ("sign", ")")):
        if tokens.peek() == ("word", "AND"):
            tokens.take()
        needed.append(_one(tokens, property_name, depth))
    return lambda metric: all(need(metric) for need in needed)


def _one(tokens: _Tokens, property_name: str | None, depth: int) -> Predicate:
    kind, value = tokens.take()
    if (kind, value) == ("word", "NOT"):
        inner = _one(tokens, property_name, depth + 1)
        return lambda metric: not inner(metric)
    if (kind, value) == ("sign", "("):
        inner = _any_of(tokens, property_name, depth + 1)
        if tokens.take() != ("sign", ")"):
            raise ExpressionError("SEARCH: a parenthesis isn't closed")
        return inner
    if kind not in ("word", "exact"):
        raise ExpressionError(f"SEARCH: unexpected '{value}'")
    if tokens.peek() == ("sign", "=") and property_name is None:
        tokens.take()
        return _one(tokens, value, depth + 1)
    return lambda metric: _matches(metric, property_name, value, exact=kind == "exact")


def _matches(metric: Metric, property_name: str | None, wanted: str, *, exact: bool) -> bool:
    texts = _texts(metric, property_name)
    if exact:
        return wanted in texts
    words = {word for text in texts for word in _words(text)}
    return wanted.casefold() in {text.casefold() for text in texts} or _words(wanted) <= words


def _texts(metric: Metric, property_name: str | None) -> list[str]:
    dimensions = dict(metric.dimensions)
    match property_name:
        case None:
            return [metric.namespace, metric.name, *dimensions, *dimensions.values()]
        case "Namespace":
            return [metric.namespace]
        case "MetricName":
            return [metric.name]
        case _:
            name = property_name.removeprefix(":")
            return [dimensions[name]] if name in dimensions else []


@lru_cache(maxsize=8192)
def _words(text: str) -> frozenset[str]:
    """Words as CloudWatch splits them: at anything that is no letter or digit, and where lower meets upper case."""
    whole = re.findall(r"[A-Za-z0-9]+", text)
    parts = [part for word in whole for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", word)]
    return (
        frozenset(word.casefold() for word in (*whole, *parts))
        if len(whole) > 1 or len(parts) > 1
        else frozenset(word.casefold() for word in whole)
    )
