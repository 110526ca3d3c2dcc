"""Tasks that ECS can't place, deployments that wait, and pools that are larger than the database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omc.checks.finding import Finding
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.load_balancers import GroupHealth, Target, TargetGroup, TargetHealth
from omc.facts.quotas import Quotas
from omc.facts.services import EcsService, Event, Services
from omc.facts.subnets import Subnet, Subnets
from omc.facts.tasks import StoppedTasks
from support.causes_facts import (
    FAIL,
    LOGS,
    SERVED,
    SHORT,
    WARN,
    ago,
    errors,
    load_of,
    rules,
    run,
    service,
    stores,
    task,
)

STARTS = Finding("task-starts", FAIL, "backend", "ECS could not start tasks.", place="services/backend")
PLACE = "(service backend) was unable to place a task. Reason: "


def short(*messages: str, minutes: float = 2, running: int = 1) -> Services:
    events = tuple(Event(ago(minutes=minutes), f"{PLACE}{message}") for message in messages)
    return Services((service(running=running, events=events),))


@pytest.mark.parametrize(
    ("message", "check", "words"),
    [
        (
            "You've reached the limit on the number of vCPUs you can run concurrently.",
            "quota-reached",
            "wants 6.5 vCPUs",
        ),
        ("You've reached the limit on the number of tasks you can run concurrently.", "quota-reached", "may run 6 on"),
        ("The requested CPU configuration is above your limit.", "quota-reached", "above your limit"),
        ("Capacity is unavailable at this time. Please try again later.", "no-capacity", "Capacity is unavailable"),
        (
            "Timeout waiting for network interface provisioning to complete.",
            "no-free-address",
            "0 in subnet-1 (zone-a)",
        ),
        (
            "The specified subnet does not have enough: insufficient free addresses.",
            "no-free-address",
            "free addresses",
        ),
    ],
)
def test_what_ecs_could_not_place_a_task_for(message: str, check: str, words: str) -> None:
    room = [Quotas(6.0, {"backend": 0.5}, 6.5), Subnets({"backend": (Subnet("subnet-1", "zone-a", 0),)})]
    found = run((SHORT, STARTS), [short(message), *room, stores()])
    assert [each.check for each in found] == [check]
    assert words in found[0].sentence
    assert {each.check for each in found[0].explains} == {"services-running", "task-starts"}


@pytest.mark.parametrize(
    "services",
    [
        short("Capacity is unavailable at this time.", minutes=70),
        short("Internal error."),
        Services((service(running=1, events=(Event(ago(minutes=1), "(service backend) has started 1 tasks"),)),)),
    ],
)
def test_nothing_is_short_where_ecs_does_not_say_so(services: Services) -> None:
    checks = {each.check for each in run((SHORT, STARTS), [services, stores()])}
    assert not checks & {"quota-reached", "no-capacity", "no-free-address"}


def test_capacity_that_came_back_is_past() -> None:
    [found] = [
        each
        for each in run((LOGS,), [short("Capacity is unavailable.", minutes=20, running=2), stores()])
        if each.check == "no-capacity"
    ]
    assert found.is_past


ROLLS = Finding("rollouts", WARN, "backend", "The deployment of b:8 has been in progress for 25 min; 1 of 2 tasks run.")


def rolling(minutes: float = 25, old: int = 2, **more: Any) -> EcsService:
    of_service = {key: more.pop(key) for key in ("events", "most_percent", "configuration", "desired") if key in more}
    made = service(created=ago(days=2))
    [before] = made.deployments
    created = ago(minutes=minutes)
    primary = replace(before, id="2", task_definition="b:8", rollout="IN_PROGRESS", created=created, **more)
    return replace(made, deployments=(primary, replace(before, status="ACTIVE", running=old)), **of_service)


FIXED = (
    "(service backend) was unable to stop or start tasks during a deployment because of the service deployment "
    "configuration."
)
GROUP = "ohmycoins-staging-backend"
ILL = TargetHealth((GroupHealth(TargetGroup(GROUP, "a", True), (Target("x", 1, "initial", "", "Registration"),)),))


@pytest.mark.parametrize(
    ("made", "more", "words"),
    [
        (rolling(running=1, pending=1), [], "1 task is still starting"),
        (rolling(running=2), [ILL], "1 of its targets is initial: Registration"),
        (
            rolling(running=2, old=1),
            [BalancerSettings(delays={GROUP: 300.0})],
            "may take 300 s to end",
        ),
        (rolling(running=0, events=(Event(ago(minutes=3), FIXED),)), [], "leave no room"),
        (rolling(running=0, most_percent=100, configuration={"minimumHealthyPercent": 100}), [], "leave no room"),
        (rolling(running=1, events=(Event(ago(minutes=3), "(service backend) waits."),)), [], "last event: waits"),
    ],
)
def test_a_deployment_that_does_not_end_says_what_it_waits_for(made: EcsService, more: list[Any], words: str) -> None:
    found = run((ROLLS,), [Services((made,)), StoppedTasks(()), *more, stores()])
    assert found[0].check == "deployment-stuck"
    assert words in found[0].sentence
    assert "b:8 has not ended for 25 min" in found[0].sentence


@pytest.mark.parametrize(
    ("made", "tasks"),
    [
        (rolling(minutes=6, running=1, pending=1), ()),
        (rolling(running=1, failed=3), ()),
        (rolling(running=1, pending=1), (task(1, 8),)),
        (rolling(running=1, rollout_reason="ECS deployment circuit breaker: rolling back to b:7."), ()),
    ],
)
def test_a_deployment_that_is_young_or_fails_is_not_stuck(made: EcsService, tasks: tuple[Any, ...]) -> None:
    found = run((ROLLS,), [Services((made,)), StoppedTasks(tasks), stores()])
    assert "deployment-stuck" not in {each.check for each in found}


FULL = load_of(counters={"db.User.numbackends": 78.0, "db.User.max_connections": 80.0, "db.state.idle_count": 70.0})
MANY = errors("FATAL: remaining connection slots are reserved for superusers")


def told(**variables: str) -> LastWords:
    return LastWords({}, {"b:7": RevisionDetails(variables={"backend": variables})})


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (told(DATABASE_POOL_SIZE="25", WEB_CONCURRENCY="2"), "may take 100"),
        (told(SQLALCHEMY_POOL_SIZE="20", SQLALCHEMY_MAX_OVERFLOW="30"), "may take 100"),
        (told(DB_POOL_MAX="50", REDIS_POOL_SIZE="500"), "may take 100"),
    ],
)
def test_pools_of_all_tasks_are_larger_than_the_database(words: LastWords, number: str) -> None:
    found = run((SERVED, LOGS), [stores(), rules(), FULL, MANY, words, Services((service(),))])
    assert [each.check for each in found] == ["database-pool-too-large"]
    assert found[0].sentence.startswith("The database takes no further connection: 78 of 80 are in use")
    assert number in found[0].sentence
    assert "more than the database's 80" in found[0].sentence


@pytest.mark.parametrize(
    "words", [told(DATABASE_POOL_SIZE="5", WEB_CONCURRENCY="2"), told(REDIS_POOL_SIZE="500"), told(POOL_MIN_SIZE="90")]
)
def test_pools_that_fit_are_not_why_the_database_is_full(words: LastWords) -> None:
    found = run((SERVED, LOGS), [stores(), rules(), FULL, MANY, words, Services((service(),))])
    assert [each.check for each in found] == ["database-connections"]


def test_large_pools_of_a_database_with_room_are_no_cause() -> None:
    facts = [stores(), rules(), load_of(), told(DATABASE_POOL_SIZE="500"), Services((service(),))]
    assert {each.check for each in run((SERVED,), facts)} == {"users-served"}
