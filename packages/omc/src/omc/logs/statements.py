"""Slow statements in PostgreSQL's log, grouped by what they are without their values. Pure.

They are there where the database logs them: ``log_min_duration_statement``, or auto_explain with the plan. The line's
beginning is RDS's log_line_prefix (``%t:%r:%u@%d:[%p]:``) or any other that has a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from omc.logs.model import LogEvent, Statement
from omc.redaction import mask

UNNAMED: Final = "(the statement isn't logged)"
MAX_STATEMENT: Final = 20_000
"""Characters of a statement that are looked at."""
_HEAD = re.compile(r":(?P<user>[^@:\s]*)@(?P<database>[^:\s]*):\[(?P<process>\d+)\]:(?P<level>[A-Z0-9]+):\s+")
_DURATION = re.compile(
    r"duration: (?P<ms>\d{1,12}(?:\.\d{1,6})?) ms"
    r"(?:\s+(?:(?P<kind>statement|execute|parse|bind)(?: [^:\n]{0,200})?: (?P<statement>[\s\S]*)"
    r"|plan:\s*(?P<plan>[\s\S]*)))?"
)
_QUERY_TEXT = re.compile(
    r"Query Text: (?P<text>[\s\S]*?)(?=\n\s*(?:Query Parameters:|[A-Z][A-Za-z ]+ +(?:on |using |\(cost=))|\Z)"
)
_TOKENS = re.compile(
    r"(?P<comment>--[^\n]*|/\*[\s\S]*?(?:\*/|\Z))"
    r"|(?P<dollar>\$(?P<tag>[A-Za-z_]\w*)?\$[\s\S]*?(?:\$(?(tag)(?P=tag))\$|\Z))"
    r"|(?P<text>\b[eEbBxXnN]?'(?:[^'\\]|''|\\.)*(?:'|\Z)|'(?:[^']|'')*(?:'|\Z))"
    r"|(?P<name>\"(?:[^\"]|\"\")*(?:\"|\Z))"
    r"|(?P<parameter>\$\d+)"
    r"|(?P<number>(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))"
)
_LIST = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")
_ROWS = re.compile(r"(\((?:\?|\.\.\.)\))(?:\s*,\s*\((?:\?|\.\.\.)\))+")


@dataclass(frozen=True, slots=True)
class Duration:
    """One statement that the log says the duration of."""

    at: datetime | None
    user: str
    ms: float
    statement: str
    plan: str = ""


def normalised(statement: str) -> str:
    """A statement without values and comments, in small letters but for quoted names: equal for the same statement."""

    def replacement(found: re.Match[str]) -> str:
        if found["comment"]:
            return " "
        return found["name"] or "?"

    parts = re.split(r'("(?:[^"]|"")*")', _TOKENS.sub(replacement, statement[:MAX_STATEMENT]))
    text = " ".join("".join(part if at % 2 else part.lower() for at, part in enumerate(parts)).split()).rstrip("; ")
    return _ROWS.sub(r"\1, …", _LIST.sub("(...)", text))


def durations_in(events: Iterable[LogEvent]) -> Iterator[Duration]:
    """The statements with their durations, of events in the order of time. Lines that begin with white space go on
    with the one before them, as PostgreSQL writes them."""
    for event in _whole(events):
        found = _DURATION.search(event.message)
        if found is None or found["kind"] in ("parse", "bind"):
            continue
        head = _HEAD.search(event.message)
        statement, plan = (found["statement"] or "").strip(), (found["plan"] or "").strip()
        if plan and (text := _QUERY_TEXT.match(plan)):
            statement, plan = text["text"].strip(), plan[text.end() :].strip()
        yield Duration(event.at, head["user"] if head else "", float(found["ms"]), statement, plan)


def _whole(events: Iterable[LogEvent]) -> Iterator[LogEvent]:
    """Each event with the lines that continue it."""
    pending: dict[tuple[str, str], list[LogEvent]] = {}
    for event in events:
        key = event.source, event.stream
        if event.message[:1] in ("\t", " ") and key in pending:
            if len(pending[key]) < 1000:
                pending[key].append(event)
            continue
        if key in pending:
            yield _joined(pending[key])
        pending[key] = [event]
    for parts in pending.values():
        yield _joined(parts)


def _joined(parts: list[LogEvent]) -> LogEvent:
    first = parts[0]
    return LogEvent(first.at, first.source, first.stream, "\n".join(part.message for part in parts))


def statements_by_shape(events: Iterable[LogEvent]) -> tuple[Statement, ...]:
    """The statements, those that took most time altogether first.

    Where auto_explain and log_min_duration_statement both tell of a statement, it is counted once.
    """
    groups: dict[str, list[Duration]] = {}
    for each in _once(durations_in(events)):
        groups.setdefault(normalised(each.statement) or UNNAMED, []).append(each)
    found = [_statement(shape, some) for shape, some in groups.items()]
    return tuple(sorted(found, key=lambda each: (-each.total_ms, each.shape)))


def _once(durations: Iterable[Duration]) -> Iterator[Duration]:
    """auto_explain writes when the executor ends, with a duration that is a little less; the other line follows."""
    explained: dict[tuple[str, str], Duration] = {}
    for each in durations:
        key = each.user, " ".join(each.statement.split())
        before = explained.pop(key, None)
        if each.plan:
            if before:
                yield before
            explained[key] = each
        elif before and before.ms <= each.ms <= before.ms * 1.5 + 50:
            yield Duration(each.at, each.user, each.ms, each.statement, before.plan)
        else:
            if before:
                yield before
            yield each
    yield from explained.values()


def _statement(shape: str, durations: list[Duration]) -> Statement:
    moments = sorted(each.at for each in durations if each.at)
    longest = max(durations, key=lambda each: each.ms)
    with_plan = [each for each in durations if each.plan]
    return Statement(
        shape=mask(shape),
        count=len(durations),
        total_ms=sum(each.ms for each in durations),
        longest_ms=longest.ms,
        first=moments[0] if moments else None,
        last=moments[-1] if moments else None,
        users=tuple(sorted({each.user for each in durations if each.user})),
        example=mask(longest.statement),
        plan=mask(max(with_plan, key=lambda each: each.ms).plan) if with_plan else "",
    )
