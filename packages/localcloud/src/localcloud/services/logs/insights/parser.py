"""The parser of Insights queries: text in, commands (``syntax``) out. ``QueryError`` says what is wrong and where."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from localcloud.services.logs.insights.syntax import (
    UNIT_OF,
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
    Scanner,
    Sort,
    SortKey,
    Span,
    Star,
    Stats,
    plain_groups,
)

MAX_ROWS = 100_000
"""The highest limit (StartQuery's API reference)."""
UNSUPPORTED = ("pattern", "diff", "anomaly", "unmask", "unnest", "lookup", "join", "source", "addtotals", "outlier")
"""Commands that AWS has and localcloud hasn't: refused by name, never ignored."""

PERIOD = rf"\d+(?:{'|'.join(sorted(UNIT_OF, key=len, reverse=True))})(?![\w.@])"

T = TypeVar("T")


def parse_query(text: str) -> list[Command]:
    """The commands of a query, in order."""
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self.scan = Scanner(text)
        self.commands: dict[str, Callable[[], Command]] = {
            "fields": lambda: Fields(tuple(self._list(self._named))),
            "display": lambda: Display(tuple(self._list(self._named))),
            "filterindex": lambda: Filter(self.expression()),
            "filter": lambda: Filter(self.expression()),
            "stats": self._stats,
            "sort": self._sort,
            "order": self._sort,
            "limit": self._limit,
            "head": self._limit,
            "tail": self._limit,
            "dedup": lambda: Dedup(tuple(self._list(self._named))),
            "parse": self._parse,
        }

    def query(self) -> list[Command]:
        if self.scan.ended():
            raise QueryError("the query is empty", 0, len(self.scan.text))
        commands = []
        self.scan.take("|")
        while True:
            commands.append(self._command())
            if self.scan.ended():
                return commands
            if not self.scan.take("|"):
                raise self.scan.expected("| or the end of the query")

    def _command(self) -> Command:
        self.scan.space()
        start = self.scan.at
        word = self.scan.match(r"[A-Za-z]+")
        if word is None:
            raise self.scan.expected("a command such as fields, filter or stats")
        name = word.lower()
        if name in UNSUPPORTED:
            raise self.scan.fail(f"localcloud does not support the command {name}", start)
        if name not in self.commands:
            raise self.scan.fail(f"unknown command {word}; known are {', '.join(sorted(self.commands))}", start)
        return self.commands[name]()

    # commands

    def _list(self, item: Callable[[], T]) -> list[T]:
        items = [item()]
        while self.scan.take(","):
            items.append(item())
        return items

    def _named(self) -> Named:
        self.scan.space()
        start = self.scan.at
        expression = self.expression()
        text = self.scan.text[start : self.scan.last].strip()
        if self.scan.word("as"):
            return Named(expression, self._name())
        return Named(expression, expression.name if isinstance(expression, Field) else text)

    def _name(self) -> str:
        name = self.scan.match(r"`[^`]+`|[@\w][\w.@\-]*")
        if name is None:
            raise self.scan.expected("a name")
        return name.strip("`")

    def _stats(self) -> Stats:
        columns = self._list(self._named)
        by = self._list(self._named) if self.scan.word("by") else []
        return Stats(tuple(columns), tuple(by))

    def _sort(self) -> Sort:
        self.scan.word("by")

        def key() -> SortKey:
            named = self._named()
            if self.scan.word("desc"):
                return SortKey(named, True)
            self.scan.word("asc")
            return SortKey(named, False)

        return Sort(tuple(self._list(key)))

    def _limit(self) -> Limit:
        self.scan.word("any")
        start = self.scan.at
        number = self.scan.match(r"\d+")
        if number is None:
            raise self.scan.expected("a number of rows")
        if not 1 <= int(number) <= MAX_ROWS:
            raise self.scan.fail(f"limit must be between 1 and {MAX_ROWS}", start)
        return Limit(int(number))

    def _parse(self) -> Parse:
        target: Expression = Field("@message", Span(self.scan.at, self.scan.at))
        if not self.scan.sees("[\"'/]"):
            target = self._primary()  # no operators: a slash after it begins the regular expression
        regex = self.scan.regex()
        if regex is not None:
            pattern, groups = plain_groups(regex.pattern)
            if not any(groups):
                raise QueryError("parse needs a named group such as (?<user>.*)", regex.span.start, regex.span.end)
            return Parse(target, pattern, groups)
        glob = self.scan.quoted()
        if glob is None:
            raise self.scan.expected("a glob in quotes or a regular expression between slashes")
        if not self.scan.word("as"):
            raise self.scan.expected("as, and a name for each *")
        names = self._list(self._name)
        return Parse(target, *_glob(str(glob.value), names, glob.span))

    # expressions, loosest first

    def expression(self) -> Expression:
        return self._joined(self._and, ("or",))

    def _and(self) -> Expression:
        return self._joined(self._not, ("and",))

    def _joined(self, inner: Callable[[], Expression], words: Sequence[str]) -> Expression:
        left = inner()
        while True:
            word = next((word for word in words if self.scan.word(word)), None)
            if word is None:
                return left
            right = inner()
            left = Binary(word, left, right, Span(left.span.start, right.span.end))

    def _not(self) -> Expression:
        self.scan.space()
        start = self.scan.at
        if self.scan.word("not"):
            inner = self._not()
            return Not(inner, Span(start, inner.span.end))
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._sum()
        negated = self.scan.word("not")
        if self.scan.word("like") or (not negated and self.scan.take("=~")):
            pattern: Regex | Expression = self.scan.regex() or self._sum()
            found: Expression = Like(left, pattern, Span(left.span.start, self.scan.last))
        elif self.scan.word("in"):
            self.scan.need("[")
            values = [] if self.scan.sees(r"\]") else self._list(self._sum)
            self.scan.need("]")
            found = In(left, tuple(values), Span(left.span.start, self.scan.last))
        elif negated:
            raise self.scan.expected("like or in")
        elif operator := self.scan.match(r"!=|<=|>=|==|=|<|>"):
            right = self._sum()
            found = Binary("=" if operator == "==" else operator, left, right, Span(left.span.start, right.span.end))
        else:
            return left
        return Not(found, found.span) if negated else found

    def _sum(self) -> Expression:
        return self._arithmetic(self._product, r"[+\-]")

    def _product(self) -> Expression:
        return self._arithmetic(self._power, r"[*/%]")

    def _arithmetic(self, inner: Callable[[], Expression], operators: str) -> Expression:
        left = inner()
        while operator := self.scan.match(operators):
            right = inner()
            left = Binary(operator, left, right, Span(left.span.start, right.span.end))
        return left

    def _power(self) -> Expression:
        base = self._unary()
        if self.scan.take("^"):
            exponent = self._power()
            return Binary("^", base, exponent, Span(base.span.start, exponent.span.end))
        return base

    def _unary(self) -> Expression:
        self.scan.space()
        start = self.scan.at
        if self.scan.take("-"):
            inner = self._unary()
            return Negative(inner, Span(start, inner.span.end))
        return self._primary()

    def _primary(self) -> Expression:
        self.scan.space()
        start = self.scan.at
        if self.scan.take("("):
            inner = self.expression()
            self.scan.need(")")
            return inner
        if (text := self.scan.quoted()) is not None:
            return text
        if (period := self.scan.match(PERIOD)) is not None:
            return self._period(period, start)
        if (number := self.scan.match(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+\-]?\d+)?(?![\w@])")) is not None:
            return Literal(float(number), Span(start, self.scan.at))
        if (name := self.scan.match(r"`[^`]+`")) is not None:
            return Field(name[1:-1], Span(start, self.scan.at))
        name = self.scan.match(r"[@A-Za-z_$][\w@]*(?:\.[\w@]+)*")
        if name is None:
            raise self.scan.expected("a field, a value or a function")
        if self.scan.take("("):
            return self._call(name, start)
        if name.lower() in ("true", "false"):
            return Literal(name.lower() == "true", Span(start, start + len(name)))
        return Field(name, Span(start, start + len(name)))

    def _period(self, text: str, start: int) -> Period:
        count, unit = re.match(r"(\d+)([a-z]+)", text).groups()  # type: ignore[union-attr]
        if int(count) == 0:
            raise self.scan.fail("a period of time is longer than 0", start)
        return Period(int(count), UNIT_OF[unit], Span(start, self.scan.at))

    def _call(self, name: str, start: int) -> Function:
        arguments: list[Expression] = []
        if self.scan.match(r"\*(?=\s*\))"):
            arguments.append(Star(Span(start, self.scan.at)))
        elif not self.scan.sees(r"\)"):
            arguments = self._list(self.expression)
        self.scan.need(")")
        return Function(name.lower(), tuple(arguments), Span(start, self.scan.at))


def _glob(glob: str, names: Sequence[str], span: Span) -> tuple[str, tuple[str | None, ...]]:
    """A glob as a regular expression: each ``*`` takes as little as it can, one at the end takes the rest."""
    literals = glob.split("*")
    if len(literals) - 1 != len(names):
        raise QueryError(f"{len(literals) - 1} * in the glob but {len(names)} names after as", span.start, span.end)
    if not names:
        raise QueryError("the glob has no *", span.start, span.end)
    escaped = [re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", literal) for literal in literals]
    regex = "(?s)" + "(.*?)".join(escaped)
    if not literals[-1]:
        regex = regex.removesuffix("(.*?)") + "(.*)"
    return regex, tuple(names)
