"""The diagnosis over all scenarios: how often it is right, and what holds of every answer.

The scenarios are those of ``make bench-diagnosis`` (rehearsal/diagnosis); docs/diagnosis-scores.md has the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import pytest

from omc.checks.causes.explain import AT_ONCE, SLOW
from omc.checks.causes.places import depth_of, place_of_finding
from omc.checks.causes.questions import is_trouble
from omc.checks.finding import Finding
from omc.checks.run import Report
from omc.diagnosis.model import Diagnosis, RankedCause
from omc.diagnosis.run import judge
from omc.errors import Unreachable
from omc.facts.collector import NO_READING, Unavailable
from rehearsal.diagnosis.faults import FAULTS
from rehearsal.diagnosis.page import PAGE, page
from rehearsal.diagnosis.scenarios import HEALTHY_WAYS, READINGS, Scenario
from rehearsal.diagnosis.scores import Given, Score, all_scores, summed

SOME = 8
"""Of so many scenarios one is asked again in another way."""


@cache
def scores() -> tuple[Score, ...]:
    return tuple(all_scores())


def answers() -> Iterator[tuple[Scenario, Given, Diagnosis]]:
    for each in scores():
        yield each.scenario, each.given, each.found


def again(found: Diagnosis, given: Given, findings: tuple[Finding, ...], readings: Mapping[type, Any]) -> Diagnosis:
    report: Report = replace(found.report, findings=findings)
    return judge(report, readings, given.provided)


def shown(found: Diagnosis) -> list[tuple[object, ...]]:
    return [
        (each.explained.cause.name, each.explained.cause.place, each.score, each.finding.sentence,
         tuple(station.place for station in each.path), each.action)
        for each in found.causes
    ]  # fmt: skip


def test_as_much_is_found_as_is_aimed_at() -> None:
    missed = summed(scores()).missed()
    assert not missed, missed


def test_what_nobody_tuned_for_is_found_almost_as_often() -> None:
    held_out = summed(each for each in scores() if each.scenario.is_held_out)
    assert held_out.alarms == 0
    assert held_out.first >= 0.9 * held_out.singles
    assert held_out.first_three >= 0.85 * held_out.pairs
    assert held_out.paths >= 0.85 * held_out.truths


def test_a_third_is_held_out_of_each_sort() -> None:
    for sort in ("single", "pair", "healthy"):
        some = [each.scenario.is_held_out for each in scores() if each.scenario.sort == sort]
        assert 0.25 <= sum(some) / len(some) <= 0.45, sort


def test_each_fault_and_each_way_of_being_well_has_scenarios_that_differ() -> None:
    names = Counter(each.scenario.name.rpartition("/")[0] for each in scores())
    assert all(names[name] >= 3 for name in FAULTS)
    assert all(names[f"healthy-{name}"] >= 3 for name in HEALTHY_WAYS)
    assert len({each.scenario.name for each in scores()}) == len(scores())


def test_the_page_is_what_the_command_makes() -> None:
    assert PAGE.read_text() == page(scores()), "make bench-diagnosis"


def test_the_same_facts_give_the_same_answer_whatever_the_order_of_findings() -> None:
    for number, (scenario, given, found) in enumerate(answers()):
        if number % SOME:
            continue
        assert shown(again(found, given, found.report.findings, given.readings)) == shown(found), scenario.name
        findings = list(found.report.findings)
        Random(number).shuffle(findings)
        assert shown(again(found, given, tuple(findings), given.readings)) == shown(found), scenario.name


def test_each_symptom_is_told_once() -> None:
    for scenario, _, found in answers():
        told = [symptom for each in (*found.causes, *found.others) for symptom in each.explained.symptoms]
        rest = [one for each in (*found.unexplained, *found.under_way) for one in (each, *each.explains)]
        places = Counter((one.check, place_of_finding(one), one.subject, one.sentence) for one in (*told, *rest))
        for finding in found.report.findings:
            if is_trouble(finding):
                key = (finding.check, place_of_finding(finding), finding.subject, finding.sentence)
                assert places[key] == 1, (scenario.name, finding.sentence)


def test_a_path_begins_at_its_cause_and_goes_to_users() -> None:
    for scenario, _, found in answers():
        for each in (*found.causes, *found.others):
            assert each.path[0].place == each.explained.cause.place, scenario.name
            depths = [depth_of(station.place) for station in each.path]
            assert depths == sorted(set(depths), reverse=True), (scenario.name, [one.place for one in each.path])


def test_what_could_not_be_read_never_makes_a_cause_surer() -> None:
    for scenario, given, found in list(answers())[::SOME]:
        before = {_key(each): each.score for each in found.causes}
        for kind in _read(given):
            gone = Unavailable(kind, Unreachable("It could not be read."), NO_READING)
            then = again(found, given, found.report.findings, {**given.readings, kind: gone})
            for each in then.causes:
                if _key(each) in before:
                    assert each.score <= before[_key(each)], (scenario.name, kind.__name__, each.explained.cause.name)


def _key(cause: RankedCause) -> tuple[object, ...]:
    """One store may be closed to two services, each by a rule of its own."""
    found = cause.explained.cause
    return found.name, found.place, found.subject, found.services


def _read(given: Given) -> Iterator[type]:
    return (kind for kind in READINGS if kind in given.readings and not isinstance(given.readings[kind], Unavailable))


@pytest.mark.parametrize("name", sorted(AT_ONCE | SLOW))
def test_what_is_said_of_causes_by_name_is_of_causes_that_there_are(name: str) -> None:
    assert any(name == cause.partition(" ")[0] for each in scores() for cause in each.causes)
