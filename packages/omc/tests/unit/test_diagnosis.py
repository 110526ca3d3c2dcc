"""A diagnosis of literal facts: what is ranked first, by which path, what is ruled out, and what could not be seen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import omc.checks.causes
from omc.checks.causes.explain import CAUSES_THAT_YIELD
from omc.checks.causes.rollout import PLACED
from omc.checks.causes.tasks import NAMES
from omc.checks.causes.words import Kind as Words
from omc.checks.finding import Finding, Level
from omc.checks.run import Report
from omc.config import Environment
from omc.diagnosis.document import diagnosis_document, lines_of, sentence_of
from omc.diagnosis.kinds import KINDS
from omc.diagnosis.model import Confidence, Diagnosis
from omc.diagnosis.ranking import _actions
from omc.diagnosis.run import judge
from omc.errors import Unknown, Unreachable, WrongUse
from omc.facts.collector import NO_READING, Unavailable
from omc.facts.expected import Expected
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.followup.clients import Clients
from omc.facts.followup.database_log import DatabaseLog
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.followup.lock_waits import DatabaseLoad
from omc.facts.followup.rejects import Rejects
from omc.facts.load_balancers import TargetGroup, TargetGroups
from omc.facts.logs import RecentErrors
from omc.facts.requests import Requests
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.tasks import StoppedTasks
from omc.output import markdown, terminal
from support.causes_facts import (
    ALL_ILL,
    NOW,
    RATE,
    SERVED,
    SHORT,
    STAGING,
    TARGETS,
    ago,
    errors,
    minutes,
    rules,
    service,
    stores,
    task,
    unpulled,
)

FINE = Finding("services-running", Level.OK, "all services", "All run what they want.")


def diagnosed(findings: tuple[Finding, ...], *facts: Any, symptom: str = "", past: bool = False) -> Diagnosis:
    report = Report("Diagnosis", STAGING, None, NOW, 0.1, findings, ())
    readings = {value.fact if isinstance(value, Unavailable) else type(value): value for value in facts}
    provided = {Environment: STAGING, Scope: Scope(NOW, timedelta(hours=1))}
    return judge(report, readings, provided, symptom, is_past=past)


STOPPED = stores(database={"status": "stopped"})


def test_the_likeliest_cause_comes_first_with_its_path_to_users() -> None:
    found = diagnosed(ALL_ILL, STOPPED)
    first = found.causes[0]
    assert first.explained.cause.name == "database-not-available"
    assert first.confidence is Confidence.HIGH
    assert [each.place for each in first.path] == [
        "database",
        "services/backend",
        "targets/ohmycoins-staging-backend",
        "load-balancer",
        "users/backend",
    ]
    assert all(each.is_seen for each in first.path)  # its service's errors are in its log
    assert "The database is stopped" in sentence_of(found)
    for render in (terminal.render, markdown.render):
        assert "users/backend" in render(diagnosis_document(found))
    assert any("path: database → services/backend" in each for each in lines_of(found))


def test_a_service_s_own_trouble_begins_there_and_names_the_way_back() -> None:
    tasks = StoppedTasks((unpulled(1), unpulled(2)))
    found = diagnosed((SHORT, TARGETS), Services((service(revision=8, running=0),)), tasks, stores())
    first = found.causes[0]
    assert first.explained.cause.name == "image-not-pulled"
    assert first.path[0].place == "services/backend"
    assert first.action.command == "omc rollback --env staging backend"


def test_what_was_read_and_is_not_there_is_ruled_out_and_what_could_not_be_read_is_not_seen() -> None:
    denied = Unavailable(DatabaseLoad, Unreachable("Performance Insights is off."), NO_READING)
    found = diagnosed(ALL_ILL, stores(), Gauges(), rules(), denied)
    assert {each.title for each in found.ruled_out} >= {"security groups", "the cache"}
    assert [each.why for each in found.not_seen if "locks" in each.title] == ["Performance Insights is off."]
    assert not {each.title for each in found.ruled_out} & {each.title for each in found.not_seen}


def test_a_kind_of_which_a_cause_was_found_is_not_ruled_out() -> None:
    found = diagnosed(ALL_ILL, STOPPED, Gauges(), rules())
    assert "the database's state" not in {each.title for each in found.ruled_out}


def test_a_cause_that_yields_to_another_is_not_ruled_out_though_it_is_not_told() -> None:
    """AWS took a task a minute ago, and the load balancer says 502 of a server that ends idle connections first."""
    gone = task(1, stop_code="TerminationNotice", reason="maintenance", stopped=ago(minutes=1))
    balancer = BalancerSettings(idle={"alb": 60.0}, bad_gateways=minutes(0.0, 4.0), unreached=minutes(0.0, 0.0))
    said = LastWords({}, {"b:7": RevisionDetails(variables={"backend": {"KEEP_ALIVE_TIMEOUT": "5"}})})
    found = diagnosed((RATE,), StoppedTasks((gone,)), Services((service(),)), balancer, said, stores())
    assert [each.explained.cause.name for each in found.causes] == ["stopped-by-aws"]
    alone = diagnosed((RATE,), Services((service(),)), balancer, said, stores())
    path = alone.causes[0].path
    assert [each.place for each in path] == ["services/backend", "targets/backend", "load-balancer"]
    assert "pass the load balancer's health checks" in path[1].sentence
    assert "idle connections that end too soon" not in {each.title for each in found.ruled_out}


def test_nothing_found_is_an_answer_and_so_is_a_healthy_stack() -> None:
    unknown = diagnosed((SERVED,))
    assert not unknown.causes
    assert sentence_of(unknown) == "The cause is not known: It answers 503."
    assert unknown.verdict is Level.FAIL
    well = diagnosed((FINE,), stores(), Gauges())
    assert well.is_well
    assert sentence_of(well) == "Nothing is wrong."
    assert not well.ruled_out


@pytest.mark.parametrize(
    ("symptom", "number", "others"),
    [("", 1, 0), ("users", 1, 0), ("database", 1, 0), ("redis", 0, 1), ("users/backend", 1, 0), ("targets", 1, 0)],
)
def test_what_was_not_asked_about_is_told_apart(symptom: str, number: int, others: int) -> None:
    found = diagnosed(ALL_ILL, STOPPED, symptom=symptom)
    assert (len(found.causes), len(found.others)) == (number, others)


def test_a_symptom_that_nothing_has_is_refused_with_a_hint() -> None:
    with pytest.raises(WrongUse, match="backend"):
        diagnosed(ALL_ILL, STOPPED, symptom="backnd")


def test_a_symptom_that_may_be_among_what_could_not_be_read_is_unknown_and_no_wrong_use() -> None:
    alarms = Finding("alarms", Level.UNKNOWN, "alarms", "It is not allowed.", place="alarms", unread=True)
    with pytest.raises(Unknown, match=r'called "backend-slow" is not known.*: It is not allowed\.'):
        diagnosed((FINE, alarms), symptom="backend-slow")


@pytest.mark.parametrize(
    ("findings", "symptom", "verdict", "sentence"),
    [
        (ALL_ILL, "redis", Level.FAIL, "Nothing is wrong with redis; elsewhere something is: The database is stopped"),
        ((FINE,), "database", Level.OK, "Nothing is wrong with database."),
        ((FINE,), "nat-costs", Level.UNKNOWN, "Of nat-costs nothing was looked at here: the commands above answer it."),
        (ALL_ILL, "nat-costs", Level.UNKNOWN, "Of nat-costs nothing was looked at here"),
    ],
)
def test_the_sentence_and_the_verdict_are_of_what_was_asked_about(
    findings: tuple[Finding, ...], symptom: str, verdict: Level, sentence: str
) -> None:
    found = diagnosed(findings, STOPPED if findings is ALL_ILL else stores(), symptom=symptom)
    assert found.verdict is verdict
    assert sentence_of(found).startswith(sentence)


@pytest.mark.parametrize(
    ("fact", "title", "why"),
    [
        (Rejects(), "connections that were rejected", "no flow log"),
        (Clients(), "one client that sends most requests", "no flow log"),
        (DatabaseLoad(is_off=True), "locks and load in the database", "performance_insights_enabled"),
        (DatabaseLog(exists=False), "locks and load in the database", "enabled_cloudwatch_logs_exports"),
        (Expected(()), "listeners, rules and settings that are not as the Terraform has them", "terraform_state"),
        (Expected((), problem="It is locked."), "listeners, rules and settings that are not", "It is locked."),
        (RecentErrors((), scanned=0), "AWS that refuses too many calls", "logged nothing at all"),
    ],
)
def test_what_is_switched_off_is_not_seen_and_says_what_would_switch_it_on(fact: Any, title: str, why: str) -> None:
    found = diagnosed((SERVED,), fact, *((DatabaseLoad(),) if isinstance(fact, DatabaseLog) else ()))
    assert not any(each.title.startswith(title) for each in found.ruled_out)
    [unseen] = [each for each in found.not_seen if each.title.startswith(title)]
    assert why in unseen.why


def test_what_speaks_against_a_cause_lowers_it() -> None:
    quiet = diagnosed(ALL_ILL, errors("connection failed: timeout expired"), stores())
    spoken = Finding(
        "dependencies", Level.OK, "dependencies", "backend reported no trouble with database, cache.", place="users"
    )
    against = diagnosed((*ALL_ILL, spoken), errors("connection failed: timeout expired"), stores())
    for plain, lowered in zip(quiet.causes, against.causes, strict=True):
        if not plain.explained.cause.is_direct:
            assert lowered.score < plain.score
            assert lowered.against


def test_what_ails_before_its_cause_began_speaks_against_it() -> None:
    late = tuple(replace(each, since=ago(minutes=1)) for each in ALL_ILL)
    assert not diagnosed(late, STOPPED).causes[0].against


def test_a_past_moment_says_that_the_state_then_is_not_kept() -> None:
    found = diagnosed((FINE,), past=True)
    assert "omc incident show" in found.not_seen[0].why
    assert found.past == NOW


def test_each_kind_and_each_action_names_causes_that_there_are() -> None:
    names = set(_names_in_the_code())
    for begin in (name for kind in KINDS for name in kind.names):
        assert any(name.startswith(begin) for name in names), begin
    for begin in (name for causes, _, _ in _actions() for name in causes):
        assert any(name.startswith(begin) for name in names), begin


def _names_in_the_code() -> Iterator[str]:
    """The names of causes: what the files of causes say literally, and what they make of kinds."""
    yield from NAMES.values()
    yield from (f"task-{kind}" for kind in Words)
    yield from ("expected", "listeners", "load-balancer", *CAUSES_THAT_YIELD, *PLACED.values())
    for file in Path(omc.checks.causes.__file__).parent.glob("*.py"):
        kinds = ("database", "cache")
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "name":
                if isinstance(node.value, ast.Constant):
                    yield str(node.value.value)
                elif isinstance(node.value, ast.JoinedStr):
                    parts = [str(each.value) for each in node.value.values if isinstance(each, ast.Constant)]
                    yield from (f"{kind}{parts[-1]}" if parts[-1].startswith("-") else parts[0] for kind in kinds)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_cause", "cause_at"):
                literal = [each.value for each in node.args if isinstance(each, ast.Constant)]
                yield from (f"{kind}-{each}" for kind in kinds for each in literal if isinstance(each, str))


def test_a_surge_s_path_goes_by_the_service_that_gets_it_to_users() -> None:
    slow = Finding("users-served", Level.WARN, "backend", "It is answered slowly.", place="users/backend")
    steps = {ago(minutes=10 + 5 * number): 100.0 for number in range(1, 20)} | {ago(minutes=10): 900.0}
    group = TargetGroup("ohmycoins-staging-backend", "arn:x", True)
    found = diagnosed((slow,), Requests({"arn:x": steps}), TargetGroups((group,)), Services((service(),)), stores())
    [first] = found.causes
    assert first.explained.cause.name == "traffic-surge"
    assert [each.place for each in first.path][:2] == ["traffic", "services/backend"]
    assert first.path[1].sentence == "backend gets more requests than it can serve"
    assert first.path[-1].place == "users/backend"
    assert first.action.command == "omc scale --env staging backend"


@pytest.mark.parametrize("name", ["database-connections", "database-connection-limit", "database-pool-too-large"])
def test_what_to_do_at_full_connections_needs_none_itself(name: str) -> None:
    sentence, command = next(row[1:] for row in _actions() if any(name.startswith(each) for each in row[0]))
    assert command.split()[1] not in ("db", "restart", "check")
    assert "omc db" in sentence
