"""The ticked lists of docs/diagnosis.md are true: each row's words give the cause that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from omc.checks.causes.explain import CAUSES_THAT_YIELD
from omc.checks.finding import Finding
from omc.facts.services import Event, Services
from omc.facts.tasks import Container, StoppedTask, StoppedTasks
from support.causes_facts import SERVED, SHORT, TARGETS, WARN, ago, run, service, stores, task

PAGE = (Path(__file__).parents[4] / "docs/diagnosis.md").read_text()
STOPS = re.findall(r"^\| \[x\] \| ([^|]+) \| ([^|]+) \| ([a-z-]+) \|$", PAGE, re.MULTILINE)
EVENTS = re.findall(r"^\| \[x\] \| ([^|]+) \| ([a-z-]+) \|$", PAGE, re.MULTILINE)
STARTS = Finding("task-starts", WARN, "backend", "ECS could not start tasks.", place="services/backend")
ROLLS = Finding("rollouts", WARN, "backend", "It has been in progress for 20 min.", place="services/backend")


def stopped(category: str, words: str) -> StoppedTask:
    code = category.partition("stop code ")[2]
    if code:
        exit_code = 1 if code == "EssentialContainerExited" else 0
        return task(stop_code=code, reason=words, containers=(Container("backend", exit_code, ""),))
    if category == "SpotInterruptionError":
        return task(stop_code="SpotInterruption", reason=words, containers=())
    if category == "OutOfMemoryError":
        return task(containers=(Container("backend", 137, words),))
    return task(stop_code="TaskFailedToStart", reason=words, containers=(Container("backend", None, ""),), started=None)


@pytest.mark.parametrize(("category", "words", "cause"), STOPS)
def test_a_stopped_task_gives_the_cause_that_the_page_says(category: str, words: str, cause: str) -> None:
    short = Services((service(running=1, desired=1 if cause == "stopped-by-scaling" else 2),))
    found = run((SHORT, TARGETS, SERVED), [StoppedTasks((stopped(category, words),)), short, stores()])
    assert found[0].check == cause


@pytest.mark.parametrize(("words", "cause"), EVENTS)
def test_a_service_event_gives_the_cause_that_the_page_says(words: str, cause: str) -> None:
    event = Event(ago(minutes=3), f"(service backend) {words}")
    made = service(running=1, rollout="IN_PROGRESS", created=ago(minutes=20), events=(event,))
    assert run((STARTS, ROLLS), [Services((made,)), StoppedTasks(()), stores()])[0].check == cause


def test_the_page_has_all_of_aws_s_categories_and_all_causes_that_yield() -> None:
    assert len(STOPS) > 30
    assert len(EVENTS) == 5
    table = PAGE.partition("## Causes that may be a coincidence")[2]
    firsts = ", ".join(re.findall(r"^\| ([a-z, -]+) \|", table, re.MULTILINE)[2:])
    assert firsts.split(", ") == list(CAUSES_THAT_YIELD)
