"""Typed pieces of SQL, and Insights' loose typing in terms of them.

A discovered field is text whose meaning depends on its use: a number where it is compared with one, else text. The
macros are made once in the worker's database.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Literal as Only

Kind = Only["any", "text", "number", "time", "bool"]
"""``any``: text that may stand for a number. ``time``: milliseconds since the epoch."""

MACROS = r"""
CREATE OR REPLACE MACRO number_of(x) AS
    CASE WHEN isfinite(TRY_CAST(x AS DOUBLE)) THEN TRY_CAST(x AS DOUBLE) END;
CREATE OR REPLACE MACRO text_of_number(x) AS
    CASE WHEN x = trunc(x) AND abs(x) < 1e15 THEN CAST(CAST(x AS BIGINT) AS VARCHAR) ELSE CAST(x AS VARCHAR) END;
CREATE OR REPLACE MACRO text_of_time(x) AS strftime(epoch_ms(CAST(x AS BIGINT)), '%Y-%m-%d %H:%M:%S.%g');
CREATE OR REPLACE MACRO ipv4(x) AS
    CASE WHEN regexp_full_match(x, '((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(\.|$)){4}') AND NOT ends_with(x, '.')
    THEN CAST(split_part(x, '.', 1) AS BIGINT) * 16777216 + CAST(split_part(x, '.', 2) AS BIGINT) * 65536
       + CAST(split_part(x, '.', 3) AS BIGINT) * 256 + CAST(split_part(x, '.', 4) AS BIGINT) END;
"""


LONGEST_RUN = 8
"""Runs of more digits than this compare by their digits alone."""


def natural_order(text: str) -> str:
    """SQL: a text that sorts as the user guide says: a run of digits by its length, then by its value.

    Each run gets its length as a digit before it, so it still stands among digits where other characters are met.
    Regular expressions do this twice as fast as a list of the text's parts.
    """
    marked = f"regexp_replace({text}, '([0-9]+)', chr(1) || '\\1' || chr(2), 'g')"

    def measured(so_far: str, length: int) -> str:
        return f"regexp_replace({so_far}, chr(1) || '([0-9]{{{length}}})' || chr(2), '{length}\\1', 'g')"

    known = reduce(measured, range(1, LONGEST_RUN + 1), marked)
    return f"regexp_replace({known}, chr(1) || '([0-9]+)' || chr(2), '9\\1', 'g')"


@dataclass(frozen=True, slots=True)
class Value:
    """An SQL expression and what it yields. ``constant`` is the text of a literal, which decides comparisons."""

    sql: str
    kind: Kind
    constant: str | None = None


NOTHING = Value("CAST(NULL AS VARCHAR)", "any")


def quote(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def as_number(value: Value) -> str:
    if value.kind in ("number", "time"):
        return value.sql
    if value.kind == "bool":
        return f"CAST({value.sql} AS INTEGER)"
    return f"number_of({value.sql})"


def as_text(value: Value) -> str:
    if value.kind == "number":
        return f"text_of_number({value.sql})"
    if value.kind == "time":
        return f"text_of_time({value.sql})"
    if value.kind == "bool":
        return f"CAST(CAST({value.sql} AS INTEGER) AS VARCHAR)"
    return value.sql


def as_truth(value: Value) -> str:
    """Two-valued: what is missing is false."""
    if value.kind == "bool":
        return f"coalesce({value.sql}, false)"
    return f"coalesce({as_number(value)} <> 0, false)"


def compare(operator: str, left: Value, right: Value) -> Value:
    """A comparison; a missing side makes it false, and ``!=`` true (its negation)."""
    if operator == "!=":
        return Value(f"(NOT {compare('=', left, right).sql})", "bool")
    numbers = f"{as_number(left)} {operator} {as_number(right)}"
    if _numeric(left) or _numeric(right):
        return Value(f"coalesce({numbers}, false)", "bool")
    texts = f"{as_text(left)} {operator} {as_text(right)}"
    if any(_wordy(side) for side in (left, right)):
        return Value(f"coalesce({texts}, false)", "bool")
    both = f"{as_number(left)} IS NOT NULL AND {as_number(right)} IS NOT NULL"
    return Value(f"coalesce(CASE WHEN {both} THEN {numbers} ELSE {texts} END, false)", "bool")


def _numeric(value: Value) -> bool:
    return value.kind in ("number", "time", "bool")


def _wordy(value: Value) -> bool:
    """A literal that is no number, so that the comparison can only be one of texts."""
    if value.constant is None:
        return False
    try:
        float(value.constant)
    except ValueError:
        return True
    return False


def sort_terms(value: Value, descending: bool, number: Value | None = None) -> list[str]:
    """ORDER BY terms: missing values first, then texts in natural order, then numbers; all reversed for descending.

    ``number``: the value as a number, where that is a column already.
    """
    direction = "DESC NULLS LAST" if descending else "ASC NULLS FIRST"
    if value.kind in ("number", "time", "bool"):
        return [f"{value.sql} {direction}"]
    of = as_number(value) if number is None else number.sql
    rank = f"CASE WHEN {value.sql} IS NULL THEN NULL ELSE {of} IS NOT NULL END"
    text = f"CASE WHEN {of} IS NULL THEN {natural_order(value.sql)} END"
    return [f"{rank} {direction}", f"{of} {direction}", f"{text} {direction}"]
