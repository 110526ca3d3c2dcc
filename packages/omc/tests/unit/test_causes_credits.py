"""A database that has nothing left to burst with: told where that holds it back, and of the metric that does."""

from __future__ import annotations

import pytest

from omc.checks.finding import Finding
from omc.facts.followup.data_stores import DataStores
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.lock_waits import Wait
from support.causes_facts import FAIL, LOGS, SERVED, WARN, errors, load_of, minutes, run, stores

SLOW = Finding(
    "dependencies", WARN, "database", "backend says that its database is slow: it takes 2.1 s.", place="database"
)
WRITING = Wait("IO", "DataFileWrite", "INSERT INTO price_archive SELECT repeat(?, ?)", 1.6)


def small(size: str) -> DataStores:
    return stores(database={"size": size})


@pytest.mark.parametrize(
    ("size", "metric", "values", "held"),
    [
        (
            "db.t4g.micro",
            "EBSByteBalance%",
            (40.0, 12.0, 0.0),
            "reads and writes are held to the baseline of db.t4g.micro",
        ),
        ("db.m6g.large", "EBSIOBalance%", (3.0, 1.0), "reads and writes are held"),
        ("db.t3.small", "BurstBalance", (0.0,), "reads and writes are held"),
        ("db.t2.micro", "CPUCreditBalance", (9.0, 0.4), "its CPU is held to the baseline of db.t2.micro"),
    ],
)
def test_credits_that_are_gone_hold_the_database_back(
    size: str, metric: str, values: tuple[float, ...], held: str
) -> None:
    facts = [small(size), Gauges({metric: minutes(*values)}), load_of(waits=(WRITING,))]
    [found, *_] = run((SLOW, SERVED), facts)
    assert found.check == "database-credits"
    assert f"used up its {metric}" in found.sentence
    assert held in found.sentence
    assert "price_archive" in found.sentence
    assumed = [
        each.text for each in found.evidence if "assumed to have the credits and the baseline of EC2" in each.text
    ]
    assert [size in text for text in assumed] == ([] if metric == "BurstBalance" else [True])  # gp2's own is published


@pytest.mark.parametrize(
    ("size", "metric", "values"),
    [
        ("db.t4g.micro", "CPUCreditBalance", (9.0, 0.0)),  # unlimited: charged, not slowed
        ("db.t4g.micro", "EBSByteBalance%", (0.0, 14.0)),  # some again
        ("db.t4g.micro", "EBSByteBalance%", ()),
    ],
)
def test_credits_that_hold_nothing_back_are_no_cause(size: str, metric: str, values: tuple[float, ...]) -> None:
    found = run((SLOW, SERVED), [small(size), Gauges({metric: minutes(*values)}), load_of(waits=(WRITING,))])
    assert "database-credits" not in {each.check for each in found}


def test_a_statement_that_is_cut_off_for_lack_of_credits_is_not_the_cause() -> None:
    line = "psycopg.errors.QueryCanceled: canceling statement due to statement timeout"
    facts = [
        small("db.t4g.micro"),
        Gauges({"EBSByteBalance%": minutes(4.0, 0.0)}),
        load_of(waits=(WRITING,)),
        errors(line),
    ]
    [found, *_] = run((SERVED, LOGS), facts)
    assert (found.check, found.level) == ("database-credits", FAIL)
