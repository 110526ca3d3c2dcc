"""Rotten backups are found, each kind by its own question, and what the source wrote or deleted since is no rot."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.judgement.backups import FEW, Comparison, is_sound, judge, recovery_point

TAKEN = datetime(2026, 11, 30, 13, 0, tzinfo=UTC)
NEWEST = TAKEN - timedelta(seconds=30)


def table(rows: int, newest: datetime | None = NEWEST, **more: Any) -> dict[str, Any]:
    """A table as an inspection tells it; without a newest row it has no column with a time."""
    times = (
        {} if newest is None else {"newest": newest.isoformat(), "rows_as_of": rows, "newest_as_of": newest.isoformat()}
    )
    return {
        "columns": {"symbol": "text not null", "as_of": "timestamp with time zone"},
        "indexes": {"prices_pkey": "UNIQUE INDEX prices_pkey ON public.prices USING btree (symbol)"},
        "rows": rows,
        "read": "whole",
        **times,
        **more,
    }


def inspected(**more: Any) -> dict[str, Any]:
    return {
        "database": "ohmycoins",
        "version": "17.6",
        "system": "7000000000000000001",
        "migration": "2",
        "extensions": {"plpgsql": "1.0"},
        "tables": {"public.prices": table(10_000), "public.coins": table(6, None)},
        "broken": [],
        **more,
    }


def compared(restored: Mapping[str, Any], source: Mapping[str, Any] | None, tolerance: float = 1.0) -> Comparison:
    return Comparison(restored, source, TAKEN, tolerance)


def test_what_is_as_in_the_source_is_sound_and_says_how_much_was_read() -> None:
    found = judge(compared(inspected(), inspected()))
    assert is_sound(found)
    assert [each.sentence for each in found] == ["2 tables with 10006 rows were read whole, as in its source."]
    assert recovery_point(compared(inspected(), inspected())) == 30


def test_a_database_without_a_table_is_no_backup_whatever_its_source_has() -> None:
    nothing = inspected(tables={})
    assert not is_sound(judge(compared(nothing, nothing)))


def test_rows_that_lost_their_times_are_found() -> None:
    restored = inspected()
    restored["tables"]["public.prices"] |= {"newest": None}
    [wrong] = [each for each in judge(compared(restored, inspected())) if each.level == "fail"]
    assert wrong.sentence.startswith("No row of public.prices has a time; the source has one of 2026-11-30")


def test_what_was_only_estimated_is_not_called_read() -> None:
    large = inspected(
        tables={"public.prices": table(10_000, None) | {"read": "estimate"}, "public.coins": table(6, None)}
    )
    words = [each.sentence for each in judge(compared(large, large)) if each.question == "whole"]
    assert words == ["2 tables with 10006 rows were read whole, but for 1 too large for it, as in its source."]


def test_what_came_or_went_since_is_no_rot() -> None:
    source = inspected()
    source["tables"]["public.prices"] |= {"rows": 90_000, "newest": (TAKEN + timedelta(days=2)).isoformat()}
    source["tables"]["public.prices"] |= {"rows_as_of": 4_000}  # most of that time were deleted since
    assert is_sound(judge(compared(inspected(), source)))


Spoil = Callable[[dict[str, Any]], None]


def put(name: str, **values: Any) -> Spoil:
    return lambda backup: backup["tables"][name].update(values)


ROTTEN: Mapping[str, tuple[Spoil, str, str]] = {
    "truncated": (put("public.prices", rows=6_000), "rows", "40 % are missing"),
    "empty table": (put("public.coins", rows=0), "rows", "The table public.coins is empty"),
    "empty table with times": (
        put("public.prices", rows=0, newest=None),
        "rows",
        "is empty; the source has 10000 rows of",
    ),
    "stale": (
        put("public.prices", newest=(TAKEN - timedelta(days=3)).isoformat()),
        "newest",
        "3.0 days later",
    ),
    "a table is missing": (lambda backup: backup["tables"].pop("public.coins"), "schema", "public.coins is missing"),
    "a column is missing": (
        put("public.prices", columns={"symbol": "text not null"}),
        "schema",
        "Columns differ: as_of.",
    ),
    "an index is missing": (put("public.prices", indexes={}), "schema", "Indexes differ: prices_pkey."),
    "an extension is missing": (
        lambda backup: backup.update(extensions={}),
        "schema",
        "Extensions are missing: plpgsql",
    ),
    "another database": (lambda backup: backup.update(database="accounts"), "database", "holds the database accounts"),
    "another server": (lambda backup: backup.update(system="7"), "database", "of another database server"),
    "a damaged page": (
        put("public.prices", error="invalid page in block 0 of relation base/16385/16402"),
        "readable",
        "invalid page in block 0",
    ),
    "a damaged index": (
        lambda backup: backup.update(broken=["The index prices_pkey is damaged: item order invariant violated"]),
        "readable",
        "prices_pkey is damaged",
    ),
    "no migration": (lambda backup: backup.update(migration=None), "migration", "doesn't say which migration"),
}


@pytest.mark.parametrize("kind", ROTTEN)
def test_a_rotten_backup_is_found(kind: str) -> None:
    spoil, question, words = ROTTEN[kind]
    backup = inspected()
    if kind == "empty table":
        backup["tables"]["public.coins"]["rows"] = 0
    source = inspected()
    if kind == "empty table":
        source["tables"]["public.coins"] = table(FEW + 1, None)
    spoil(backup)
    found = judge(compared(backup, source))
    assert not is_sound(found)
    assert any(each.question == question and each.level == "fail" and words in each.sentence for each in found), found


def test_of_a_schema_that_went_on_since_a_difference_is_told_and_no_failure() -> None:
    source = inspected(migration="3")
    source["tables"]["public.alerts"] = table(0)
    found = judge(compared(inspected(), source))
    assert is_sound(found)
    assert [(each.question, each.level) for each in found] == [
        ("migration", "warn"),
        ("schema", "warn"),
        ("whole", "ok"),
    ]


def test_a_source_that_cant_be_read_leaves_it_unknown_and_unknown_is_not_sound() -> None:
    source = inspected()
    source["tables"]["public.prices"] |= {"error": "canceling statement due to statement timeout"}
    found = judge(compared(inspected(), source))
    assert [each.level for each in found] == ["unknown"]
    assert not is_sound(found)


def test_without_a_source_it_must_be_readable_and_hold_something() -> None:
    found = judge(compared(inspected(), None))
    assert is_sound(found)
    assert "nothing was there to compare it with" in found[-1].sentence
    empty = inspected()
    for each in empty["tables"].values():
        each["rows"] = 0
    assert not is_sound(judge(compared(empty, None)))
    assert not is_sound(judge(compared(inspected(tables={}), None)))


@given(
    rows=st.integers(0, 1_000_000),
    missing=st.floats(0, 1),
    tolerance=st.floats(0, 50),
    kinds=st.sets(st.sampled_from([kind for kind in ROTTEN if kind != "empty table"]), max_size=4),
)
def test_rows_are_missing_or_they_are_not_and_no_rot_hides_another(
    rows: int, missing: float, tolerance: float, kinds: set[str]
) -> None:
    source, backup = inspected(), inspected()
    source["tables"]["public.extra"] = table(rows)
    lost = int(rows * missing)
    backup["tables"]["public.extra"] = table(rows - lost)
    for kind in kinds:
        ROTTEN[kind][0](backup)
    before = copy.deepcopy(backup)
    found = judge(compared(backup, source, tolerance))
    assert backup == before
    told = any(each.level == "fail" and each.subject == "public.extra" for each in found)
    assert told == (lost > max(FEW, rows * tolerance / 100) or (lost == rows and rows > 0))
    if kinds & {"another database", "another server", "a damaged page", "a column is missing", "no migration"}:
        assert not is_sound(found)
