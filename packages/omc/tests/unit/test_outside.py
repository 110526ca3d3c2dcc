"""The stories of faults from outside: what a verdict means, and that the page in the docs has every story."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

from omc.diagnosis.document import diagnosis_document
from rehearsal.diagnosis.scenarios import scenarios
from rehearsal.diagnosis.scores import diagnosed
from rehearsal.outside import table
from rehearsal.outside.diagnosed import Diagnosed, judge_diagnosis
from rehearsal.outside.story import Result, Story, Verdict, every_story, judge


def finding(sentence: str, level: str = "fail", **more: Any) -> dict[str, Any]:
    record = {"place": "cache", "subject": "redis", "sentence": sentence, "level": level, "evidence": [], "past": False}
    return record | {"command": None, "explains": []} | more


def answer(headline: str, *findings: dict[str, Any], exit_code: int = 1) -> dict[str, Any]:
    return {"headline": headline, "findings": list(findings), "exit_code": exit_code}


CLOSED = Story(
    "closed",
    lambda _: nullcontext(),
    "the cache is closed",
    headline=r"cache.*closed",
    words=(r"sg-\w+",),
    never=(r"rollback",),
)
SEEN = finding("the cache is closed by sg-1")
EVIDENCE = [{"text": "sg-1 has no rule"}]


@pytest.mark.parametrize(
    ("expected", "verdict"),
    [
        (answer("FAIL: the cache is closed", SEEN), "right"),
        (answer("FAIL: the Cache is CLOSED", SEEN), "right"),
        (answer("FAIL: the cache is closed", finding("closed", evidence=EVIDENCE)), "right"),
        (answer("FAIL: the cache is closed", finding("x", explains=[SEEN])), "right"),
        (answer("FAIL: the cache is closed", finding("sg-1", "ok", past=True)), "right"),
        (answer("FAIL: the cache is closed", finding("sg-1", "ok")), "wrong-ok"),  # what is ok says nothing
        (answer("FAIL: the backend is slow", SEEN), "partly"),
        (answer("FAIL: the cache is closed", SEEN | {"command": "omc rollback backend"}), "partly"),
        (answer("FAIL: the cache is closed", SEEN | {"command": "omc rollback backend", "past": True}), "right"),
        (answer("FAIL: the cache is closed: rollback", SEEN), "partly"),
        (answer("FAIL: the cache is closed", finding("the cache is closed")), "wrong"),
        (answer("WARN: the cache is closed", SEEN, exit_code=0), "wrong"),
        (answer("FAIL: the backend is slow", finding("slow")), "wrong"),
        (answer("OK: nothing is wrong", finding("fine", "ok"), exit_code=0), "wrong-ok"),
        (answer("OK: nothing is wrong", exit_code=0), "wrong-ok"),
    ],
)
def test_a_verdict_is_of_the_first_line_the_names_the_advice_and_the_exit_code(
    expected: dict[str, Any], verdict: str
) -> None:
    assert judge(CLOSED, expected).verdict == verdict


def test_a_fault_that_may_exit_with_0_must_be_reported_all_the_same() -> None:
    story = Story("gone", lambda _: nullcontext(), "an alarm", headline=r"alarm", words=(r"a-1",), exits=(0, 1))
    assert judge(story, answer("WARN: alarm a-1", finding("alarm a-1", "warn"), exit_code=0)).verdict == "right"
    assert judge(story, answer("OK: every alarm is well", exit_code=0)).verdict == "wrong-ok"


def cause(sentence: str, *places: str, **more: Any) -> dict[str, Any]:
    path = [{"place": place, "sentence": "", "seen": True} for place in places]
    return finding(sentence, path=path, confidence="high", score=0.9, **more)


LED = Story("led", lambda _: nullcontext(), "x", headline=r"closed", words=(r"sg-1", r"jo"), path="^cache → services/")


@pytest.mark.parametrize(
    ("causes", "rank", "is_right"),
    [
        ([cause("the cache is closed by sg-1", "cache", "services/backend")], 1, True),
        ([cause("the cache is closed", "cache", "services/backend", evidence=EVIDENCE)], 1, True),
        ([cause("slow", "database"), cause("the cache is closed by sg-1", "cache", "services/backend")], 2, True),
        ([cause("the cache is closed by sg-1", "cache")], 1, False),
        ([cause("the cache is closed", "cache", "services/backend")], 0, False),
        ([], 0, False),
    ],
)
def test_a_diagnosis_is_worth_the_rank_of_the_story_s_cause_and_its_path(
    causes: list[dict[str, Any]], rank: int, *, is_right: bool
) -> None:
    found = judge_diagnosis(LED, {"causes": causes}, 1.25)
    assert (found.rank, found.is_path_right, found.seconds) == (rank, is_right, 1.25)
    assert judge_diagnosis(CLOSED, {"causes": causes}, 1.25).is_path_right is None


def test_a_diagnosis_is_read_from_what_the_command_prints() -> None:
    """The recorded answer is the document's own data, as ``--output json`` prints it."""
    [world] = [each.make().world for each in scenarios() if each.name == "cache-group-closed/1"]
    answer = json.loads(json.dumps(diagnosis_document(diagnosed(world)).data))
    story = Story("closed", lambda _: nullcontext(), "x", headline=r"cache.*closed", path=r"^cache → services/\w+$")
    found = judge_diagnosis(story, answer, 2.0)
    assert found.rank == 1
    assert found.is_path_right
    assert found.shown[0::2] == ("1", "2.0 s")


def test_the_table_keeps_what_the_diagnosis_said_and_reads_pages_from_before_it_was_asked() -> None:
    every, day = {"tuned": (CLOSED,)}, datetime(2026, 11, 30, tzinfo=UTC)
    said = Diagnosed(1, "cache → services/backend", True, 1.84)
    result = Result("closed", Verdict.RIGHT, 7.2, 11.0, "FAIL: a", diagnosis=said)
    [row] = table.rows(table.page(every, [result], "", day))
    assert (row.rank, row.path, row.asked) == ("1", "right: cache → services/backend", "1.8 s")
    [old] = table.rows("| closed | x | right | right | 7 s | 11 s | 2026-11-29 | FAIL: a |")
    assert (old.first, old.rank, old.day, old.headline) == ("right", "", "2026-11-29", "FAIL: a")


def test_few_may_be_partly_and_none_wrong() -> None:
    assert table.is_good(["right"] * 19 + ["partly"])
    assert not table.is_good(["right"] * 18 + ["partly"])
    assert not table.is_good(["right"] * 99 + ["wrong"])
    assert not table.is_good(["right"] * 99 + ["wrong-ok"])


def test_every_pattern_of_every_story_can_be_read_and_no_name_is_used_twice() -> None:
    for stories in every_story().values():
        for story in stories:
            for pattern in (story.headline, *story.words, *story.never):
                re.compile(pattern)
            assert re.fullmatch(r"[a-z0-9-]+", story.name)


def test_the_page_lists_every_story_under_its_set_and_only_those() -> None:
    text = table.PAGE.read_text()
    listed = [row.story for row in table.rows(text)]
    assert listed == [story.name for stories in every_story().values() for story in stories], (
        "run a story, such as: make rehearse-outside STORIES=alarm-deleted"
    )
    for title in table.TITLES.values():
        assert title in text


def test_a_run_of_a_part_keeps_what_was_found_of_the_others() -> None:
    other = Story("open", lambda _: nullcontext(), "it | is open", headline=r"open")
    every, day = {"tuned": (CLOSED,), "held_out": (other,)}, datetime(2026, 11, 30, tzinfo=UTC)
    first = table.page(every, [Result("closed", Verdict.RIGHT, 7.2, 11.0, "FAIL: a | b")], "", day)
    again = table.page(every, [Result("open", Verdict.WRONG, None, None, "OK", ("nothing",))], first, day)
    closed, opened = table.rows(again)
    assert (closed.verdict, closed.seconds, closed.healed, closed.day) == ("right", "7 s", "11 s", "2026-11-30")
    assert closed.headline == r"FAIL: a \| b"
    assert (opened.verdict, opened.seconds, opened.healed, opened.headline) == ("wrong", "", "no", "OK; nothing")
    assert table.rows(table.page(every, [], again, day)) == table.rows(again)
