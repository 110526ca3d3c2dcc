"""What was changed just before it began, AWS that throttles, and dependencies that services' status pages call ill."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from omc.checks.causes.dependencies import ill_dependencies
from omc.checks.causes.explain import explain
from omc.checks.causes.model import Situation
from omc.checks.finding import Finding
from omc.config import Environment
from omc.diagnosis.ranking import ranked
from omc.errors import Throttled
from omc.facts.collector import NO_READING, Unavailable
from omc.facts.dependencies import Dependencies, Dependency, DependencyReport, State
from omc.facts.followup.group_rules import GroupRules, Rule
from omc.facts.followup.last_writes import LastWrites, Write
from omc.facts.followup.rejects import Reject, Rejects
from omc.facts.logs import RecentErrors
from omc.facts.quotas import Quotas
from omc.facts.scope import Scope
from omc.facts.services import Event, Services
from omc.facts.tasks import StoppedTasks
from omc.facts.traffic import Minute, Traffic
from support.causes_facts import (
    FAIL,
    LOGS,
    NO_EXCHANGE,
    NOW,
    RATE,
    SERVED,
    STAGING,
    STALE,
    TARGETS,
    WARN,
    ago,
    errors,
    load_of,
    rules,
    run,
    service,
    stores,
    unpulled,
)


def checks_of(found: tuple[Finding, ...]) -> list[str]:
    return [each.check for each in found]


def deployed(minutes: float, old: int = 2, revision: str = "b:8") -> Services:
    made = service()
    [before] = made.deployments
    new = replace(before, id="2", task_definition=revision, created=ago(minutes=minutes))
    return Services((replace(made, deployments=(new, replace(before, status="ACTIVE", running=old))),))


def answers(*bad: int, before: int = 30, total: float = 600.0) -> Traffic:
    """A minute each, the newest last; ``bad`` of the newest, none before."""
    counts = [0] * before + list(bad)
    begin = NOW.replace(second=0) - timedelta(minutes=len(counts))
    return Traffic(tuple(Minute(begin + timedelta(minutes=at), total, errors) for at, errors in enumerate(counts)))


@pytest.mark.parametrize(
    ("minutes", "traffic", "old", "command"),
    [
        (5, answers(90, 80, 120, 100), 2, "omc rollback --env staging backend"),
        (12, answers(*[60] * 10), 0, ""),
        (40, answers(*[60] * 39), 1, "omc rollback --env staging backend"),
    ],
)
def test_5xx_that_began_with_a_deployment(minutes: float, traffic: Traffic, old: int, command: str) -> None:
    write = Write(ago(minutes=minutes), "UpdateService", "jo (role deployer)", frozenset({"backend"}))
    found = run((RATE, SERVED), [deployed(minutes, old), traffic, LastWrites((write,)), stores()])
    assert checks_of(found) == ["release-errors"]
    assert "5xx answers began with the deployment of b:8" in found[0].sentence
    assert any("jo (role deployer)" in each.text for each in found[0].evidence)
    assert found[0].procedure
    assert found[0].procedure.command == command


@pytest.mark.parametrize(
    ("minutes", "traffic"),
    [
        (5, answers(*[90] * 12)),
        (40, answers(90, 80)),
        (5, answers(1, 0, 2, 1)),
        (5, answers(90, 80, 120, 100, before=0)),
    ],
)
def test_5xx_of_before_or_long_after_a_deployment_are_not_its(minutes: float, traffic: Traffic) -> None:
    assert "release-errors" not in checks_of(run((RATE,), [deployed(minutes), traffic, stores()]))


def test_an_image_that_is_not_there_says_it_better_than_the_time() -> None:
    facts = [deployed(5), answers(90, 80, 120), StoppedTasks((unpulled(1),)), stores()]
    assert checks_of(run((RATE, TARGETS), facts))[0] == "image-not-pulled"


BEGUN = replace(SERVED, since=ago(minutes=3))


def change(operation: str, minutes: float = 6, **more: Any) -> Write:
    provided = {"who": "jo (role admin)", "names": frozenset({"ohmycoins-staging-thing"})} | more
    return Write(ago(minutes=minutes), operation, **provided)


@pytest.mark.parametrize(
    ("writes", "words"),
    [
        ((change("ModifyListener"),), "jo (role admin) changed something just before it began, 6 min ago"),
        ((change("PutRolePolicy", is_terraform=True),), "Terraform, run by jo (role admin), changed"),
        (
            (change("ModifyRule", 4), change("DeleteAlarms", 5), change("ModifyRule", 6)),
            "3 calls (ModifyRule, DeleteAlarms)",
        ),
    ],
)
def test_a_change_just_before_it_began_is_told_with_its_doubt(writes: tuple[Write, ...], words: str) -> None:
    facts = {LastWrites: LastWrites(writes), Services: Services((service(),))}
    explanation = explain((BEGUN,), facts, {Environment: STAGING, Scope: Scope(NOW)})
    [one] = ranked(explanation, STAGING, facts)
    assert one.explained.cause.name == "changed-just-before"
    assert words in one.finding.sentence
    assert one.against == ("Nothing but the time connects the change with what suffers.",)
    assert one.score < 0.7


@pytest.mark.parametrize(
    "write",
    [
        change("ModifyListener", 25),
        change("ModifyListener", 1),
        change("ModifyListener", names=frozenset({"of-another-team"})),
        change("CreateLogStream"),
        change("RegisterTaskDefinition"),
    ],
)
def test_what_was_changed_otherwise_or_later_or_elsewhere_is_not_blamed(write: Write) -> None:
    assert checks_of(run((BEGUN,), [LastWrites((write,)), stores()])) == ["users-served"]


def test_a_change_takes_nothing_that_a_known_cause_explains() -> None:
    found = run((BEGUN,), [LastWrites((change("ModifyListener"),)), stores(database={"status": "stopped"})])
    assert checks_of(found) == ["database-not-available"]


THROTTLING = (
    "botocore.exceptions.ClientError: An error occurred (ThrottlingException) when calling the GetSecretValue "
    "operation (reached max retries: 4): Rate exceeded"
)
SLOW_DOWN = "An error occurred (SlowDown) when calling PutObject: Please reduce your request rate."
EVENT = Event(ago(minutes=4), "(service backend) operations are being throttled. Will try again later.")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ([errors(THROTTLING)], "AWS throttles calls of backend: ThrottlingException"),
        ([errors(SLOW_DOWN)], "calls of backend: SlowDown"),
        ([Services((service(events=(EVENT,)),))], "ECS's own calls for backend"),
    ],
)
def test_aws_refuses_too_many_calls(facts: list[Any], words: str) -> None:
    found = run((LOGS, STALE), [*facts, stores(), rules()])
    assert found[0].check == "aws-throttles"
    assert words in found[0].sentence


@pytest.mark.parametrize(
    "facts",
    [
        [errors("the exchange answered 429 Too Many Requests")],
        [errors(THROTTLING, first=ago(hours=2), last=ago(minutes=50), resumed=None)],
        [Services((service(events=(replace(EVENT, at=ago(minutes=50)),)),))],
    ],
)
def test_another_s_limit_or_one_of_before_is_not_aws_s_throttling(facts: list[Any]) -> None:
    assert "aws-throttles" not in checks_of(run((LOGS, STALE), [*facts, stores(), rules()]))


def test_omc_s_own_calls_are_told_beside_it() -> None:
    unread = Unavailable(Quotas, Throttled("AWS keeps answering that there are too many requests."), NO_READING)
    facts = {RecentErrors: errors(THROTTLING), Quotas: unread, Services: Services((service(),))}
    explanation = explain((LOGS,), facts, {Environment: STAGING, Scope: Scope(NOW)})
    [one] = explanation.causes
    assert any("omc's own calls were throttled too" in each.text for each in one.cause.evidence)


def page(name: str = "exchange", state: State = State.DOWN, **more: Any) -> Dependencies:
    word, bad = more.pop("word", "unavailable"), more.pop("bad", 3)
    response = DependencyReport(name, state, word, **more)
    return Dependencies((Dependency("backend", response, 3, bad, "http://x/status"),), ("backend",))


def of(name: str, sentence: str = "It is down.", level: Any = WARN) -> Finding:
    return Finding("dependencies", level, name, sentence, place=name)


@pytest.mark.parametrize(
    ("finding", "pages", "check", "words"),
    [
        (NO_EXCHANGE, page(), "dependency-down", "The exchange that backend needs is unavailable."),
        (
            of("smtp"),
            page("smtp", detail="550 no"),
            "dependency-down",
            "smtp that backend needs is unavailable: 550 no.",
        ),
        (
            of("search", level=FAIL),
            page("search", State.UP, word="ok", bad=0, seconds=2.4),
            "dependency-slow",
            "The search that backend needs is slow: it takes 2.4 s.",
        ),
    ],
)
def test_a_dependency_that_a_status_page_calls_ill_is_a_cause_there(
    finding: Finding, pages: Dependencies, check: str, words: str
) -> None:
    found = run((finding, STALE), [pages, stores(), rules(), load_of(), errors("nothing of the kind")])
    assert checks_of(found) == [check]
    assert found[0].place == finding.place
    assert words in found[0].sentence
    assert STALE.sentence in {each.sentence for each in found[0].explains}


@pytest.mark.parametrize(
    ("findings", "pages"),
    [
        ((STALE,), page(bad=0, state=State.UP, word="ok")),
        ((of("database"), STALE), page("database")),
        ((STALE,), page("exchange")),
    ],
)
def test_a_dependency_that_is_well_or_a_store_is_no_such_cause(
    findings: tuple[Finding, ...], pages: Dependencies
) -> None:
    assert not [each for each in run(findings, [pages, stores(), rules()]) if each.check.startswith("dependency-")]


def test_a_name_that_is_not_there_is_why_and_not_the_dependency() -> None:
    lines = errors("the exchange could not be asked: Could not resolve host: exchnage.internal")
    found = run((NO_EXCHANGE, STALE), [page(), lines, stores(), rules(), load_of()])
    assert checks_of(found) == ["server-host"]


OUT = Rule("sg-backend", True, "tcp", 443, 443, cidr="0.0.0.0/0")
OPEN = GroupRules((*rules().rules, OUT), rules().groups)
ROUTE = Finding("expected", FAIL, "rtb-1", "The route to 0.0.0.0/0 in app-a is gone.", place="infrastructure/rtb-1")
PROVIDED = {Environment: STAGING, Scope: Scope(NOW)}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ([], "lets nothing out to any address on port 443"),
        ([GroupRules((*rules().rules, replace(OUT, first=80, last=80)), rules().groups)], "any address on port 443"),
        ([OPEN, Rejects((Reject("a", "b", 443, 70),))], "refuses packets"),
    ],
)
def test_a_dependency_behind_a_way_that_we_closed_ourselves_is_doubted(facts: list[Any], words: str) -> None:
    given = {type(each): each for each in [page(), rules(), stores(), Services((service(),)), *facts]}
    [one] = ranked(explain((NO_EXCHANGE, STALE), given, PROVIDED), STAGING, given)
    assert one.explained.cause.name == "dependency-down"
    assert any(words in each for each in one.against)
    open_ = {**given, GroupRules: OPEN, Rejects: Rejects()}
    [sure] = ranked(explain((NO_EXCHANGE, STALE), open_, PROVIDED), STAGING, open_)
    assert not sure.against
    assert sure.score > one.score


def test_a_route_that_is_gone_and_a_name_that_is_not_found_are_doubts_too() -> None:
    lines = errors("the exchange could not be asked: Could not resolve host: exchnage.internal", last=ago(seconds=90))
    facts = {type(each): each for each in [page(), OPEN, stores(), Services((service(),)), lines]}
    situation = Situation.of((NO_EXCHANGE, ROUTE), facts, PROVIDED)
    assert situation
    [one] = ill_dependencies(situation)
    assert [each.partition(",")[0].partition(":")[0] for each in one.doubts] == [
        "The name exchnage.internal can't be resolved",
        "The way out of our own network is not as it should be",
    ]
