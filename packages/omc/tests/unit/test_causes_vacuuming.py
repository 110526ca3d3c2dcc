"""Dead rows that vacuuming had to leave, and transaction ids that run out: told where they are what hurts, or will."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from omc.checks.finding import Finding
from omc.facts.followup.database_log import QUERY, DatabaseLog, Vacuum, vacuums_of
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.lock_waits import IdleSession, Wait
from support.causes_facts import FAIL, LOGS, NOW, SERVED, WARN, errors, load_of, minutes, run, stores

SLOW = Finding(
    "dependencies", WARN, "database", "backend says that its database is slow: it takes 2.1 s.", place="database"
)
SCAN = Wait("CPU", "", "SELECT id FROM queue WHERE state = ? LIMIT ?", 1.4)
DEAD = Vacuum("ohmycoins.public.queue", NOW - timedelta(seconds=40), 405_000, 400_000)
CUT = "psycopg.errors.QueryCanceled: canceling statement due to statement timeout"
REFUSED = 'psycopg.errors.ProgramLimitExceeded: database is not accepting commands to avoid wraparound data loss in database "ohmycoins"'  # noqa: E501
LINE = (
    '2026-11-30 20:00:00 UTC::@:[812]:LOG:  automatic vacuum of table "ohmycoins.public.queue": index scans: 0\n'
    "\tpages: 0 removed, 1770 remain, 1770 scanned (100.00% of total)\n"
    "\ttuples: 0 removed, 405000 remain, 400000 are dead but not yet removable"
)


def told(*facts: object, findings: tuple[Finding, ...] = (SLOW, SERVED)) -> list[Finding]:
    return [each for each in run(findings, [stores(), *facts]) if each.place == "database"]


def test_dead_rows_that_statements_read_through_are_told_with_whoever_keeps_them() -> None:
    load = load_of(
        counters={"db.state.idle_in_transaction_max_time": 1500.0}, waits=(SCAN,), idle=IdleSession("stock-count", "jo")
    )
    [found, *_] = told(load, DatabaseLog(vacuums=(DEAD,)), findings=(SLOW,))
    assert (found.check, found.level) == ("database-dead-rows", WARN)
    assert "400,000 in queue, beside 5,000 live ones" in found.sentence
    assert "session of user jo, application stock-count has been idle in its transaction for 25 min" in found.sentence
    assert any("pg_prepared_xacts" in each.text for each in found.evidence)


def test_a_statement_that_is_cut_off_for_dead_rows_is_not_the_cause() -> None:
    [found, *_] = told(load_of(waits=(SCAN,)), DatabaseLog(vacuums=(DEAD,)), errors(CUT), findings=(SERVED, LOGS))
    assert (found.check, found.level) == ("database-dead-rows", FAIL)


@pytest.mark.parametrize(
    ("waits", "vacuum"),
    [
        ((SCAN,), Vacuum("ohmycoins.public.queue", NOW, 4_000_000, 400_000)),  # of a large table they are few
        ((SCAN,), Vacuum("ohmycoins.public.queue", NOW, 9_100, 9_000)),
        ((SCAN,), Vacuum("ohmycoins.public.queue_archive", NOW, 405_000, 400_000)),  # nobody works there
        ((Wait("CPU", "", "SELECT price FROM prices", 3.0), SCAN), DEAD),  # the work is elsewhere
        ((Wait("CPU", "", SCAN.statement, 0.02),), DEAD),
        ((Wait("Client", "ClientRead", SCAN.statement, 2.0),), DEAD),
        ((Wait("IO", "WalSync", "UPDATE queue SET state = ?", 2.0),), DEAD),
        ((Wait("Lock", "relation", "UPDATE queue SET state = ?", 2.0), SCAN), DEAD),  # the lock is the matter
        ((), DEAD),
    ],
)
def test_dead_rows_that_slow_nothing_down_are_no_cause(waits: tuple[Wait, ...], vacuum: Vacuum) -> None:
    found = told(load_of(waits=waits), DatabaseLog(vacuums=(vacuum,)))
    assert "database-dead-rows" not in {each.check for each in found}


@pytest.mark.parametrize("ages", [(2.1440e9, 2.1446e9), ()])
def test_a_database_without_transaction_ids_refuses_writes(ages: tuple[float, ...]) -> None:
    gauges = Gauges({"MaximumUsedTransactionIDs": minutes(*ages)})
    [found, *_] = told(gauges, errors(REFUSED), findings=(SERVED, LOGS))
    assert (found.check, found.level) == ("database-transaction-ids", FAIL)
    assert "gives out no new transaction ids and refuses writes" in found.sentence
    assert ("2,145 million old" in found.sentence) is bool(ages)


def test_it_is_said_also_before_a_service_says_so() -> None:
    [found, *_] = told(Gauges({"MaximumUsedTransactionIDs": minutes(2.1446e9)}))
    assert (found.check, found.level) == ("database-transaction-ids", FAIL)


def test_transaction_ids_that_grow_old_are_told_beside_what_hurts_and_explain_nothing() -> None:
    gauges = Gauges({"MaximumUsedTransactionIDs": minutes(1.5e9, 1.5004e9, 1.5008e9)})
    [found] = [each for each in told(gauges) if each.check == "database-transaction-ids"]
    assert (found.level, found.explains) == (WARN, ())
    assert "1,501 million old" in found.sentence
    assert "refuses writes. At the last minutes' rate that is in 26 h" in found.sentence


@pytest.mark.parametrize("age", [4e7, 2.1e8, 9.9e8])
def test_transaction_ids_that_are_young_enough_are_no_cause(age: float) -> None:
    found = told(Gauges({"MaximumUsedTransactionIDs": minutes(age, age + 1e6)}))
    assert "database-transaction-ids" not in {each.check for each in found}


def test_what_vacuuming_had_to_leave_is_among_the_lines_that_are_asked_for() -> None:
    asked = re.search(r"like /(.*)/\n", QUERY)
    assert asked
    assert re.search(asked[1], LINE)
    assert not re.search(asked[1], LINE.replace("400000 are dead", "9000 are dead"))
    assert vacuums_of([(NOW, LINE)]) == (Vacuum("ohmycoins.public.queue", NOW, 405_000, 400_000),)
