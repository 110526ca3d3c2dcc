"""The parser of filter patterns: text in, the values of ``localcloud.services.logs.patterns`` out. No evaluation."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from localcloud.services.logs.patterns import (
    Both,
    Condition,
    Either,
    Expression,
    FieldsPattern,
    FilterPattern,
    JsonPattern,
    PatternError,
    TermsPattern,
    Test,
)

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
REGEX_CHARACTERS = re.compile(r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]*")
"""What the guide allows between two percent signs: no parentheses, no spaces, no multi-byte characters."""
MAX_REGEXES = 2
"""A JSON or space-delimited pattern may hold two (the guide's quota)."""


@lru_cache(maxsize=256)
def parse_pattern(text: str) -> FilterPattern:
    """Parse a filter pattern. ``PatternError`` says what is wrong and where. The empty pattern matches everything."""
    stripped = text.strip()
    if stripped.startswith("{"):
        return _Scanner(stripped).json_pattern()
    if stripped.startswith("["):
        return _Scanner(stripped).fields_pattern()
    return _Scanner(stripped).terms_pattern()


@lru_cache(maxsize=256)
def parse_selector(text: str) -> tuple[str | int, ...]:
    """``$.users[0].id`` as a path."""
    scanner = _Scanner(text)
    path = scanner.selector()
    scanner.at_end()
    return path


class _Scanner:
    """A position in the pattern and the rules of the grammar, one method each."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.regexes = 0

    # what all three forms need

    def fail(self, expected: str) -> PatternError:
        found = repr(self.text[self.at : self.at + 12]) if self.at < len(self.text) else "the end"
        return PatternError(f"Invalid filter pattern: expected {expected} at character {self.at + 1}, found {found}")

    def space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def take(self, token: str) -> bool:
        self.space()
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def word(self, *words: str) -> bool:
        """Take these keywords, in any case, if they stand here."""
        self.space()
        found = re.compile(r"\s+".join(words) + r"(?![A-Za-z0-9_])", re.IGNORECASE).match(self.text, self.at)
        if found:
            self.at = found.end()
        return found is not None

    def match(self, expression: str) -> str | None:
        found = re.compile(expression).match(self.text, self.at)
        if not found:
            return None
        self.at = found.end()
        return found.group()

    def at_end(self) -> None:
        self.space()
        if self.at < len(self.text):
            raise self.fail("the end of the pattern")

    def quoted(self) -> str | None:
        """A text in double quotes, with backslash escapes; None where none starts here."""
        raw = self.match(r'"(?:[^"\\]|\\.)*"')
        if raw is None:
            if self.text.startswith('"', self.at):
                raise self.fail("a closing double quote")
            return None
        return re.sub(r"\\(.)", r"\1", raw[1:-1])

    def regex(self) -> re.Pattern[str] | None:
        if not self.text.startswith("%", self.at):
            return None
        raw = self.match(r"%(?:[^%\\]|\\.)+%")
        if raw is None:
            raise self.fail("a regular expression that ends in %")
        body = raw[1:-1]
        if not REGEX_CHARACTERS.fullmatch(body):
            raise PatternError(f"Invalid filter pattern: {raw} uses a character that regular expressions here may not")
        self.regexes += 1
        try:
            return re.compile(body)
        except re.error as error:
            raise PatternError(f"Invalid filter pattern: {raw} is not a regular expression: {error}") from error

    # terms

    def terms_pattern(self) -> TermsPattern:
        required: list[str | re.Pattern[str]] = []
        excluded: list[str | re.Pattern[str]] = []
        optional: list[str | re.Pattern[str]] = []
        while True:
            self.space()
            if self.at >= len(self.text):
                return TermsPattern(tuple(required), tuple(excluded), tuple(optional))
            kind = excluded if self.take("-") else optional if self.take("?") else required
            self.space()
            kind.append(self._term())

    def _term(self) -> str | re.Pattern[str]:
        quoted = self.quoted()
        if quoted is not None:
            return quoted
        regex = self.regex()
        if regex is not None:
            return regex
        bare = self.match(r"\w+")
        if bare is None or (self.at < len(self.text) and not self.text[self.at].isspace()):
            raise self.fail("a term (one with other than letters, digits and _ needs double quotes)")
        return bare

    # JSON

    def json_pattern(self) -> JsonPattern:
        self.take("{")
        expression = self._either(self._json_condition)
        if not self.take("}"):
            raise self.fail("&&, || or }")
        self.at_end()
        self._few_regexes()
        return JsonPattern(expression)

    def _json_condition(self) -> Condition:
        self.space()
        path = self.selector()
        if self.word("IS"):
            for state in ("NULL", "TRUE", "FALSE"):
                if self.word(state):
                    return Condition(path, None, state)
            raise self.fail("NULL, TRUE or FALSE")
        if self.word("NOT", "EXISTS"):
            return Condition(path, None, "NOT EXISTS")
        if self.word("EXISTS"):
            return Condition(path, None, "EXISTS")
        return Condition(path, self._test(stop=r"\s&|)}"))

    def selector(self) -> tuple[str | int, ...]:
        if not self.take("$"):
            raise self.fail("a property such as $.level")
        path: list[str | int] = []
        while True:
            if (name := self.match(r"\.[\w\-]+")) is not None:
                path.append(name[1:])
            elif (index := self.match(r"\[\d+\]")) is not None:
                path.append(int(index[1:-1]))
            elif (name := self.match(r"\.?\[(['\"])[^'\"\]]+\1\]")) is not None:
                path.append(name.lstrip(".")[2:-2])
            elif path:
                return tuple(path)
            else:
                raise self.fail("a property such as $.level")

    # space-delimited fields

    def fields_pattern(self) -> FieldsPattern:
        self.take("[")
        names: list[str] = []
        conditions: list[Expression] = []
        ellipsis: int | None = None
        while True:
            self.space()
            if self.take("..."):
                if ellipsis is not None:
                    raise PatternError("Invalid filter pattern: ... may stand only once")
                ellipsis = len(names)
            elif self.at < len(self.text) and self.text[self.at] in ",]":
                names.append("")
            else:
                name, condition = self._field()
                names.append(name)
                if condition is not None:
                    conditions.append(condition)
            if self.take("]"):
                break
            if not self.take(","):
                raise self.fail(", or ]")
        self.at_end()
        self._few_regexes()
        return FieldsPattern(tuple(names), ellipsis, tuple(conditions))

    def _field(self) -> tuple[str, Expression | None]:
        start = self.at
        name = self._field_name()
        self.space()
        if self.at < len(self.text) and self.text[self.at] in ",]":
            return name, None
        self.at = start
        return name, self._either(self._field_condition)

    def _field_name(self) -> str:
        name = self.match(r"[\w\-]+")
        if name is None:
            raise self.fail("a field's name or ...")
        return name

    def _field_condition(self) -> Condition:
        self.space()
        return Condition((self._field_name(),), self._test(stop=r"\s&|,\])"))

    # conditions

    def _either(self, primary: Callable[[], Condition]) -> Expression:
        parts = [self._both(primary)]
        while self.take("||"):
            parts.append(self._both(primary))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self, primary: Callable[[], Condition]) -> Expression:
        parts = [self._one(primary)]
        while self.take("&&"):
            parts.append(self._one(primary))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _one(self, primary: Callable[[], Condition]) -> Expression:
        if not self.take("("):
            return primary()
        inside = self._either(primary)
        if not self.take(")"):
            raise self.fail(")")
        return inside

    def _test(self, stop: str) -> Test:
        """``stop``: the characters, as a regex class, that end a bare value."""
        self.space()
        operator = self.match(r"!=|>=|<=|=|>|<")
        if operator is None:
            raise self.fail("=, !=, <, <=, > or >=")
        self.space()
        text = self.quoted()
        if text is not None:
            return self._checked(Test(operator, text))
        regex = self.regex()
        if regex is not None:
            if operator not in ("=", "!="):
                raise PatternError("Invalid filter pattern: a regular expression goes with = or != only")
            return Test(operator, regex.pattern, regex=regex)
        bare = self.match(rf"[^{stop}]+")
        if bare is None:
            raise self.fail("a value")
        return self._checked(Test(operator, bare, float(bare) if NUMBER.fullmatch(bare) else None))

    def _checked(self, test: Test) -> Test:
        if test.operator not in ("=", "!=") and test.number is None:
            raise PatternError(f"Invalid filter pattern: {test.operator} needs a number, found {test.text!r}")
        return test

    def _few_regexes(self) -> None:
        if self.regexes > MAX_REGEXES:
            raise PatternError(f"Invalid filter pattern: at most {MAX_REGEXES} regular expressions are allowed")
