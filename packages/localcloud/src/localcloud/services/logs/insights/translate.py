"""Insights' commands as one SQL statement: a chain of common table expressions over the view ``events``.

``events`` has the columns moment (milliseconds), sequence, stream, message, size, source (number of the log group) and
log. Fields that the query names and no command made are *discovered*: a property of a JSON message, or a column of a
VPC flow log record.
"""

# ruff: noqa: S608 - making SQL is this module's work; every text in it goes through quote()
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from localcloud.core.flow import DEFAULT_FIELDS
from localcloud.services.logs.insights.functions import (
    AGGREGATES,
    EVENTS_ONLY,
    ROW_FUNCTIONS,
    Signature,
    truncate,
)
from localcloud.services.logs.insights.parser import parse_query
from localcloud.services.logs.insights.syntax import (
    Binary,
    Command,
    Dedup,
    Display,
    Expression,
    Field,
    Fields,
    Filter,
    Function,
    In,
    Like,
    Limit,
    Literal,
    Named,
    Negative,
    Not,
    Parse,
    Period,
    QueryError,
    Regex,
    Sort,
    Star,
    Stats,
)
from localcloud.services.logs.insights.values import (
    NOTHING,
    Kind,
    Value,
    as_number,
    as_text,
    as_truth,
    compare,
    identifier,
    quote,
    sort_terms,
)

DEFAULT_ROWS = 10_000
"""Rows where neither the query nor the call has a limit (StartQuery's API reference)."""
SYSTEM: Mapping[str, Value] = {
    "@timestamp": Value("moment", "time"),
    "@message": Value("message", "text"),
    "@logStream": Value("stream", "text"),
    "@log": Value("log", "text"),
    "@ingestionTime": Value("(sequence // 1000)", "time"),
}
FLOW_LINE = r"^\d+ (\d{12}|unknown|-) eni-"
PLACE = ("source", "moment", "sequence")
"""What identifies an event: the last columns of a result whose rows are events."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What the worker runs. ``kinds`` has one more entry than ``columns`` for each of ``PLACE`` if rows are events."""

    rows: str
    matched: str | None
    """Counts the events that passed the filters; None where none is filtered out."""
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    events: bool
    fields: tuple[str, ...] = ()


def translate(text: str, limit: int | None = None, flows: Mapping[int, Sequence[str]] | None = None) -> Statement:
    """The SQL of a query. ``QueryError`` where it can't be understood.

    ``limit`` counts where the query has none. ``flows``: for log groups (by their number) that receive flow logs in a
    format of their own, the fields of a line in order.
    """
    return _Translator(flows or {}).statement(parse_query(text), limit)


@dataclass(slots=True)
class _Translator:
    flows: Mapping[int, Sequence[str]]
    steps: list[str] = field(default_factory=list)
    """The SELECTs after the first, each from the one before."""
    discovered: dict[str, str] = field(default_factory=dict)
    """Field name to column of the first SELECT."""
    scope: dict[str, Value] = field(default_factory=lambda: dict(SYSTEM))
    shown: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=lambda: ["moment DESC", "sequence DESC"])
    events: bool = True
    displayed: bool = False
    filtered: int | None = None
    """How many steps the count of matches needs; None while nothing is filtered."""
    limited: int | None = None
    last: bool = False
    made: int = 0

    def statement(self, commands: Sequence[Command], limit: int | None) -> Statement:
        for command in commands:
            if self.last and not isinstance(command, Limit):
                raise QueryError("only limit may follow dedup", 0, 1)
            self._apply(command)
        names = self.shown or ["@timestamp", "@message"]
        values = [self._shown_value(name) for name in names]
        columns = [f"{value.sql} AS {identifier(name)}" for name, value in zip(names, values, strict=True)]
        kinds: list[str] = [value.kind for value in values]
        if self.events:
            columns.extend(PLACE)
            kinds.extend("raw" for _ in PLACE)
        rows = (
            f"{self._chain(len(self.steps))} SELECT {', '.join(columns)} FROM step_{len(self.steps)} "
            f"ORDER BY {', '.join(self.order)} LIMIT {self.limited or limit or DEFAULT_ROWS}"
        )
        matched = None
        if self.filtered is not None:
            matched = f"{self._chain(self.filtered)} SELECT count(*) FROM step_{self.filtered}"
        return Statement(rows, matched, tuple(names), tuple(kinds), self.events, tuple(self.discovered))

    # commands

    def _apply(self, command: Command) -> None:
        match command:
            case Fields(columns):
                for named in columns:
                    self._show(self._column(named))
            case Display(columns):
                names = [self._column(named) for named in columns]
                self.shown, self.displayed = names, True
            case Filter(condition):
                self._step(f"SELECT * FROM {{before}} WHERE {as_truth(self._value(condition))}")
                if self.events:
                    self.filtered = len(self.steps)
            case Parse():
                self._parse(command)
            case Stats():
                self._stats(command)
            case Sort(keys):
                terms: list[str] = []
                for key in keys:
                    value = self.scope[self._column(key.expression)]
                    number = self._add(Value(as_number(value), "number")) if value.kind in ("any", "text") else None
                    terms.extend(sort_terms(value, key.descending, number))
                self.order = [*terms, *(["moment DESC", "sequence DESC"] if self.events else [])]
            case Dedup(columns):
                self._dedup(columns)
            case Limit(count):
                self._step(f"SELECT * FROM {{before}} ORDER BY {', '.join(self.order)} LIMIT {count}")
                self.limited = min(count, self.limited or count)

    def _step(self, select: str) -> None:
        self.steps.append(select.replace("{before}", f"step_{len(self.steps)}"))

    def _show(self, name: str) -> None:
        if not self.displayed and name not in self.shown:
            self.shown.append(name)

    def _shown_value(self, name: str) -> Value:
        return self.scope.get(name, NOTHING)

    def _column(self, named: Named) -> str:
        """Make the expression a column, unless it is one; its name."""
        if isinstance(named.expression, Field) and named.expression.name == named.name:
            self.scope.setdefault(named.name, self._field(named.expression))
        elif named.name not in self.scope or not self._is_own_text(named):
            value = self._value(named.expression)
            self.scope[named.name] = self._add(value)
        return named.name

    @staticmethod
    def _is_own_text(named: Named) -> bool:
        """Named by its own text: after ``stats`` the column of that text is meant (``sort count(*) desc``)."""
        return bool(re.search(r"\W", named.name.replace("@", "").replace(".", "")))

    def _add(self, value: Value) -> Value:
        """A column of a new step, so that what refers to it is computed once."""
        self.made += 1
        column = f"made_{self.made}"
        self._step(f"SELECT *, {value.sql} AS {column} FROM {{before}}")
        return Value(column, value.kind)

    def _parse(self, command: Parse) -> None:
        target = as_text(self._value(command.target))
        regex = quote(command.regex)
        names = ", ".join(quote(f"g{place}") for place, _ in enumerate(command.groups))
        self.made += 1
        column = f"made_{self.made}"
        self._step(
            f"SELECT *, CASE WHEN regexp_matches({target}, {regex}) "
            f"THEN regexp_extract({target}, {regex}, [{names}]) END AS {column} FROM {{before}}"
        )
        for place, name in enumerate(command.groups):
            if name is not None:
                self.scope[name] = Value(f"{column}.g{place}", "any")
                self._show_parsed(name)

    def _show_parsed(self, name: str) -> None:
        if not self.shown and not self.displayed:
            self.shown = ["@timestamp", "@message"]
        self._show(name)

    def _stats(self, command: Stats) -> None:
        scope: dict[str, Value] = {}
        selected: list[str] = []
        keys: list[str] = []
        order: list[str] = []
        for named in command.by:
            known = named.name in self.scope and (self._is_own_text(named) or isinstance(named.expression, Field))
            value = self.scope[named.name] if known else self._value(named.expression)
            self.made += 1
            column = f"made_{self.made}"
            selected.append(f"{value.sql} AS {column}")
            keys.append(value.sql)
            scope[named.name] = Value(column, value.kind)
            order.extend(sort_terms(scope[named.name], descending=False))
        for named in command.columns:
            value = self._value(named.expression, aggregated=True)
            self.made += 1
            column = f"made_{self.made}"
            selected.append(f"{value.sql} AS {column}")
            scope[named.name] = Value(column, value.kind)
        self._step(f"SELECT {', '.join(selected)} FROM {{before}}" + (f" GROUP BY {', '.join(keys)}" if keys else ""))
        self.scope, self.shown = scope, list(scope)
        self.order = order or ["1"]
        self.events = self.displayed = False

    def _dedup(self, columns: Sequence[Named]) -> None:
        """The first row in the current order for each value; a row that lacks one of the values stays."""
        keys = [self.scope[self._column(named)].sql for named in columns]
        first = f"row_number() OVER (PARTITION BY {', '.join(keys)} ORDER BY {', '.join(self.order)}) = 1"
        missing = " OR ".join(f"{key} IS NULL" for key in keys)
        self._step(f"SELECT * FROM {{before}} QUALIFY {first} OR {missing}")
        self.last = True

    # the first SELECT: events with the fields that the query names

    def _chain(self, steps: int) -> str:
        parts = [f"step_0 AS ({self._base()})"]
        parts.extend(f"step_{number} AS ({select})" for number, select in enumerate(self.steps[:steps], 1))
        return f"WITH {', '.join(parts)}"

    def _base(self) -> str:
        plain = "moment, sequence, stream, message, source, log"
        if not self.discovered:
            return f"SELECT {plain} FROM events"
        pointers = [pointer for name in self.discovered for pointer in _pointers(name)]
        paths = ", ".join(quote(pointer) for pointer in pointers)
        json = f"CASE WHEN json_valid(message) THEN json_extract(message, [{paths}]) END AS properties"
        columns = []
        place = 0
        for name, column in self.discovered.items():
            found = []
            for _ in _pointers(name):
                place += 1
                found.append(_scalar(f"properties[{place}]"))
            found.extend(self._flow_columns(name))
            columns.append(f"coalesce({', '.join(found)}) AS {column}" if len(found) > 1 else f"{found[0]} AS {column}")
        words = "string_split(trim(message), ' ') AS words" if any(map(self._flow_columns, self.discovered)) else "1"
        inner = f"SELECT {plain}, {json}, {words} FROM events"
        return f"SELECT {plain}, {', '.join(columns)} FROM ({inner})"

    def _flow_columns(self, name: str) -> list[str]:
        """SQL for the column of a flow log record that a field is, in each format that the groups have."""
        found = []
        for source, fields in self.flows.items():
            if name in fields:
                found.append(f"CASE WHEN source = {source} THEN words[{fields.index(name) + 1}] END")
        if name in DEFAULT_FIELDS:
            number = DEFAULT_FIELDS[name] + 1
            other = f" AND source NOT IN ({', '.join(map(str, self.flows))})" if self.flows else ""
            guard = f"regexp_matches(message, {quote(FLOW_LINE)}){other}"
            found.append(f"CASE WHEN {guard} THEN words[{number}] END")
        return found

    # expressions

    def _field(self, expression: Field) -> Value:
        name = expression.name
        if name in self.scope:
            return self.scope[name]
        if name == "@ptr":
            raise QueryError(
                "@ptr is in every result and can't be asked for", expression.span.start, expression.span.end
            )
        if name.startswith("@") and name[1:] in self.scope:
            return self.scope[name[1:]]  # (?<user>…) may be spoken of as @user
        if not self.events or (name.startswith("@") and not name.startswith("@@")):
            return NOTHING
        column = self.discovered.setdefault(name, f"field_{len(self.discovered)}")
        self.scope[name] = Value(column, "any")
        return self.scope[name]

    def _value(self, expression: Expression, aggregated: bool = False) -> Value:
        match expression:
            case Field():
                if aggregated:
                    raise self._error(f"{expression.name} stands outside of a function such as sum()", expression)
                return self._field(expression)
            case Literal(value):
                return _literal(value)
            case Function():
                return self._function(expression, aggregated)
            case Not(inner):
                return Value(f"(NOT {as_truth(self._value(inner, aggregated))})", "bool")
            case Negative(inner):
                return Value(f"(-{as_number(self._value(inner, aggregated))})", "number")
            case Binary():
                return self._binary(expression, aggregated)
            case Like(target, pattern):
                text = as_text(self._value(target, aggregated))
                if isinstance(pattern, Regex):
                    return Value(f"coalesce(regexp_matches({text}, {quote(pattern.pattern)}), false)", "bool")
                return Value(f"coalesce(contains({text}, {as_text(self._value(pattern))}), false)", "bool")
            case In(target, values):
                left = self._value(target, aggregated)
                tests = [compare("=", left, self._value(value)).sql for value in values]
                return Value(f"({' OR '.join(tests) or 'false'})", "bool")
        raise self._error("this has no place here", expression)

    def _binary(self, expression: Binary, aggregated: bool) -> Value:
        left, right = self._value(expression.left, aggregated), self._value(expression.right, aggregated)
        operator = expression.operator
        if operator in ("and", "or"):
            return Value(f"({as_truth(left)} {operator.upper()} {as_truth(right)})", "bool")
        if operator in ("=", "!=", "<", "<=", ">", ">="):
            return compare(operator, left, right)
        a, b = as_number(left), as_number(right)
        if operator == "^":
            return Value(f"pow({a}, {b})", "number")
        if operator in ("/", "%"):
            return Value(f"(CAST({a} AS DOUBLE) {operator} nullif({b}, 0))", "number")
        return Value(f"({a} {operator} {b})", "number")

    def _function(self, call: Function, aggregated: bool) -> Value:
        if call.name in ("bin", "datefloor", "dateceil"):
            return self._period_function(call)
        if call.name in AGGREGATES:
            if not aggregated:
                raise self._error(f"{call.name}() belongs to stats", call)
            if call.name in EVENTS_ONLY and not self.events:
                raise self._error(f"{call.name}() needs log events, which the stats before it summed up", call)
            values = [self._value(each) for each in call.arguments if not isinstance(each, Star)]
            return self._built(call, AGGREGATES[call.name], values)
        if call.name not in ROW_FUNCTIONS:
            raise self._error(f"localcloud knows no function {call.name}()", call)
        return self._built(call, ROW_FUNCTIONS[call.name], [self._value(each, aggregated) for each in call.arguments])

    def _built(self, call: Function, signature: Signature, values: Sequence[Value]) -> Value:
        if not signature.least <= len(values) <= signature.most:
            raise self._error(f"{call.name}() has {len(values)} arguments, which it doesn't take", call)
        try:
            return signature.build(values)
        except ValueError as error:
            raise self._error(f"{call.name}(): {error}", call) from error

    def _period_function(self, call: Function) -> Value:
        *before, period = call.arguments or (None,)
        if not isinstance(period, Period) or len(before) != (0 if call.name == "bin" else 1):
            takes = "a period such as 5m" if call.name == "bin" else "a time and a period such as 5m"
            raise self._error(f"{call.name}() takes {takes}", call)
        if not before and not self.events:
            raise self._error("bin() needs log events, which the stats before it summed up", call)
        time = as_number(self._value(before[0])) if before and before[0] is not None else "moment"
        start = truncate(time, period.count, period.unit)
        if call.name == "dateceil":
            width = {"mo": "months", "q": "months", "y": "years", "w": "weeks", "d": "days", "h": "hours"}.get(
                period.unit, {"m": "minutes", "s": "seconds"}.get(period.unit, "milliseconds")
            )
            count = period.count * (3 if period.unit == "q" else 1)
            after = f"epoch_ms(epoch_ms({start}) + to_{width}({count}))"
            return Value(f"CASE WHEN {start} = {time} THEN {start} ELSE {after} END", "time")
        return Value(start, "time")

    @staticmethod
    def _error(message: str, expression: Expression) -> QueryError:
        return QueryError(message, expression.span.start, expression.span.end)


def _literal(value: str | float | bool) -> Value:
    if isinstance(value, bool):
        return Value(str(value).lower(), "bool")
    if isinstance(value, str):
        return Value(quote(value), "text", value)
    kind: Kind = "number"
    return Value(f"CAST({value!r} AS DOUBLE)", kind, repr(value))


def _pointers(name: str) -> list[str]:
    """JSON pointers to a field: through objects and arrays by its dots, and the name whole."""
    key = name.removeprefix("@") if name.startswith("@@") else name
    escaped = key.replace("~", "~0").replace("/", "~1")
    return ["/" + escaped.replace(".", "/"), "/" + escaped] if "." in key else ["/" + escaped]


def _scalar(json: str) -> str:
    """SQL: a JSON value as Insights shows it; booleans are 1 and 0."""
    return f"CASE {json} WHEN 'true' THEN '1' WHEN 'false' THEN '0' ELSE {json}->>'$' END"
