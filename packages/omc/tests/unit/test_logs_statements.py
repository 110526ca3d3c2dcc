"""Slow statements in PostgreSQL's log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.logs.model import LogEvent
from omc.logs.statements import UNNAMED, normalised, statements_by_shape

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PREFIX = "2026-11-23 12:00:00 UTC:10.0.11.5(40112):ohmycoins@ohmycoins:[4711]:LOG:  "


def events(*messages: str) -> list[LogEvent]:
    return [LogEvent(NOON + timedelta(seconds=at), "db", "s", message) for at, message in enumerate(messages)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT * FROM coins WHERE id = 7", "select *  from coins where id = 12;"),
        ("SELECT 'it''s' -- why\n FROM t", "select 'x' from t"),
        ("SELECT * FROM t WHERE id IN (1, 2, 3)", "SELECT * FROM t WHERE id IN (4,5)"),
        ("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, $q$c$q$)"),
        ("SELECT * FROM t WHERE a = $1", "SELECT * FROM t WHERE a = $2"),
        ("SELECT /* trace=abc */ 1.5e3", "SELECT -2"),
        ("SELECT E'a\\'b' FROM t", "SELECT '' FROM t"),
    ],
)
def test_statements_that_differ_in_values_are_the_same(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


def test_names_are_no_values() -> None:
    assert normalised('SELECT "Price" FROM coins2') == 'select "Price" from coins2'
    assert normalised("SELECT a FROM t1") != normalised("SELECT a FROM t2")


def test_statements_are_counted_with_their_time_and_their_user() -> None:
    found = statements_by_shape(
        events(
            PREFIX + "duration: 1200.5 ms  statement: SELECT * FROM prices WHERE coin = 'btc'",
            PREFIX + "duration: 800 ms  execute <unnamed>: SELECT * FROM prices WHERE coin = 'eth'",
            PREFIX + "duration: 5000.000 ms  statement: VACUUM prices",
            PREFIX + "duration: 3 ms  parse <unnamed>: SELECT 1",
            PREFIX + "connection authorized: user=ohmycoins",
        )
    )
    assert [(each.shape, each.count, each.total_ms, each.longest_ms) for each in found] == [
        ("vacuum prices", 1, 5000.0, 5000.0),
        ("select * from prices where coin = ?", 2, 2000.5, 1200.5),
    ]
    assert found[1].users == ("ohmycoins",)
    assert (found[1].first, found[1].last) == (NOON, NOON + timedelta(seconds=1))


def test_lines_that_continue_a_statement_belong_to_it() -> None:
    (found,) = statements_by_shape(
        events(PREFIX + "duration: 900 ms  statement: SELECT *", "\tFROM prices", "\tWHERE coin = 'btc'")
    )
    assert found.shape == "select * from prices where coin = ?"


def test_a_plan_is_kept_and_its_statement_counted_once() -> None:
    (found,) = statements_by_shape(
        events(
            PREFIX + "duration: 1190.1 ms  plan:",
            "\tQuery Text: SELECT * FROM prices WHERE coin = 'btc'",
            "\tSeq Scan on prices  (cost=0.00..35811.00 rows=1 width=40)",
            "\t  Filter: (coin = 'btc'::text)",
            PREFIX + "duration: 1200.5 ms  statement: SELECT * FROM prices WHERE coin = 'btc'",
        )
    )
    assert (found.count, found.longest_ms) == (1, 1200.5)
    assert found.plan.startswith("Seq Scan on prices")


def test_a_duration_without_its_statement_is_said_to_be_one() -> None:
    (found,) = statements_by_shape(events(PREFIX + "duration: 700 ms"))
    assert found.shape == UNNAMED


def test_secrets_in_statements_are_masked() -> None:
    (found,) = statements_by_shape(
        events(PREFIX + "duration: 700 ms  statement: ALTER USER bob PASSWORD 'hunter2hunter2'")
    )
    assert "hunter2" not in found.shape + found.example


@given(st.text(max_size=200))
def test_any_text_has_a_shape(text: str) -> None:
    normalised(text)
    statements_by_shape(events(f"duration: 5 ms  statement: {text}"))
