"""Why health checks end a task beside its own words: a start that takes too long, a dependency that its readiness asks
for; and a side-car that ends the task."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from omc.checks.finding import Finding
from omc.facts.dependencies import Dependencies, Dependency, DependencyReport, State
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.followup.starts import Starts, first_ready
from omc.facts.load_balancers import TargetGroups
from omc.facts.services import Services
from omc.facts.tasks import Container, StoppedTask, StoppedTasks
from support.causes_facts import NO_EXCHANGE, SHORT, TARGETS, ago, ill, run, service, stores, task

GROUP = "ohmycoins-staging-backend"
ELB = "Task failed ELB health checks in (target-group x) due to (reason Request timed out)"


def groups(interval: int = 15, number: int = 2) -> TargetGroups:
    return TargetGroups((), {GROUP: {"HealthCheckIntervalSeconds": interval, "UnhealthyThresholdCount": number}})


def ended(lived: float, reason: str = ELB) -> StoppedTask:
    stopped = ago(seconds=20)
    code = "ServiceSchedulerInitiated"
    return task(1, 7, stop_code=code, reason=reason, started=stopped - timedelta(seconds=lived), stopped=stopped)


def first(*facts: Any, findings: tuple[Finding, ...] = (SHORT, TARGETS)) -> Finding:
    return run(findings, [*facts, stores()])[0]


@pytest.mark.parametrize(
    ("grace", "measured", "lived", "words"),
    [
        (0, (95.0,), 32, "its start takes 95 s, and the load balancer's checks give it 30 s"),
        (60, (88.0, 131.5), 92, "its start takes 132 s, and the load balancer's checks give it 90 s"),
        (0, (45.0, 31.0), 47, "a grace period of 0 s, then 2 failed checks 15 s apart"),
    ],
)
def test_a_start_takes_longer_than_the_checks_give_it(
    grace: int, measured: tuple[float, ...], lived: float, words: str
) -> None:
    services = Services((service(running=0, grace=grace),))
    found = first(StoppedTasks((ended(lived),)), services, Starts({"backend": measured}), groups())
    assert found.check == "start-too-slow"
    assert words in found.sentence


def test_a_container_s_own_check_ends_a_start_that_others_needed_longer_for() -> None:
    slow = StoppedTasks((ended(40, "Task failed container health checks"),))
    found = first(slow, Services((service(running=0),)), Starts({"backend": (61.0,)}))
    assert found.check == "start-too-slow"
    assert "ends it after 40 s" in found.sentence or "end it after 40 s" in found.sentence


@pytest.mark.parametrize(
    ("grace", "measured", "lived"),
    [(60, (12.0,), 92), (0, (), 32), (0, (45.0,), 7200), (120, (95.0,), 152)],
)
def test_a_start_that_is_quick_enough_or_not_measured_or_long_over_is_not_blamed(
    grace: int, measured: tuple[float, ...], lived: float
) -> None:
    services, starts = Services((service(running=0, grace=grace),)), Starts({"backend": measured} if measured else {})
    assert first(StoppedTasks((ended(lived),)), services, starts, groups()).check == "task-hangs"


def test_what_a_task_says_itself_goes_before_how_long_it_took() -> None:
    one = ended(32)
    words = LastWords({one.id: ("could not resolve host: databse.internal",)})
    facts = (StoppedTasks((one,)), Services((service(running=0),)), Starts({"backend": (95.0,)}), groups(), words)
    assert first(*facts).check == "task-host"


@pytest.mark.parametrize(
    ("line", "is_ready"),
    [
        ("INFO:     Application startup complete.", True),
        ("[INFO] Listening at: http://0.0.0.0:8000 (1)", True),
        ("server listening on port 3000", True),
        ("Started ShopApplication in 93.2 seconds (process running for 95)", True),
        ("ready to accept connections", True),
        ("loading 40,000 coins", False),
        ("starting server", False),
        ("listening for a lock", False),
    ],
)
def test_how_servers_say_that_they_serve(line: str, is_ready: bool) -> None:
    assert (first_ready([(1.0, "hello"), (61.5, line)]) == 61.5) is is_ready


REFUSES = (
    "Task failed ELB health checks in (target-group x) due to (reason Health checks failed with these codes: [503])"
)


def page(name: str, bad: int, word: str = "down", of: str = "backend") -> Dependencies:
    return Dependencies((Dependency(of, DependencyReport(name, State.DOWN, word), 3, bad, "http://x/status"),), (of,))


@pytest.mark.parametrize(
    ("name", "bad", "word"), [("exchange", 3, "down"), ("smtp", 1, "unreachable"), ("search", 2, "degraded")]
)
def test_a_readiness_that_asks_for_a_dependency_fails_with_it(name: str, bad: int, word: str) -> None:
    facts = (StoppedTasks((ended(70, REFUSES),)), Services((service(running=0),)), page(name, bad, word))
    found = first(*facts)
    assert found.check == "task-not-ready"
    assert f"got 503, since its readiness asks for its {name}, which is {word}" in found.sentence


def test_a_readiness_that_fails_for_the_exchange_is_a_station_of_the_exchange_s_own_trouble() -> None:
    facts = (StoppedTasks((ended(70, REFUSES),)), Services((service(running=0),)), page("exchange", 3))
    found = first(*facts, findings=(SHORT, TARGETS, NO_EXCHANGE))
    assert (found.check, found.place) == ("dependency-down", "exchange")
    assert SHORT.sentence in {each.sentence for each in found.explains}
    assert any("readiness asks for its exchange" in each.text for each in found.evidence)


@pytest.mark.parametrize("pages", [page("exchange", 0), page("exchange", 3, of="frontend"), Dependencies(())])
def test_a_readiness_that_fails_with_nothing_missing_has_another_cause(pages: Dependencies) -> None:
    facts = (StoppedTasks((ended(70, REFUSES),)), Services((service(running=0),)), pages)
    assert first(*facts).check == "health-checks"


def pair(app: int | None, other: int | None, **more: Any) -> StoppedTask:
    return task(containers=(Container("backend", app, ""), Container("proxy", other, "")), **more)


PROXY = LastWords({}, {"b:7": RevisionDetails(essential=frozenset({"backend", "proxy"}))})
HELPER = LastWords({}, {"b:7": RevisionDetails(essential=frozenset({"backend"}))})


@pytest.mark.parametrize(
    ("app", "code", "words", "text"),
    [
        (143, 1, PROXY, "its essential side-car proxy exited with 1"),
        (137, 139, None, "its essential side-car proxy exited with 139 (it crashed"),
        (0, 0, PROXY, "its essential side-car proxy ended by itself, with 0"),
        (None, 2, PROXY, "proxy exited with 2"),
    ],
)
def test_a_side_car_ended_the_task(app: int | None, code: int, words: LastWords | None, text: str) -> None:
    facts: list[Any] = [StoppedTasks((pair(app, code),)), Services((service(running=1),)), *([words] if words else [])]
    found = first(*facts)
    assert found.check == "sidecar-ended"
    assert text in found.sentence


@pytest.mark.parametrize(
    ("app", "code", "words"), [(1, 143, PROXY), (1, 1, PROXY), (143, 0, HELPER), (137, 137, PROXY), (1, None, None)]
)
def test_the_application_s_own_end_is_no_side_car_s(app: int, code: int | None, words: LastWords | None) -> None:
    facts: list[Any] = [StoppedTasks((pair(app, code),)), Services((service(running=1),)), *([words] if words else [])]
    assert first(*facts).check == "task-exits"


def test_health_checks_alone_are_told_as_before() -> None:
    assert first(StoppedTasks((ill(1),)), Services((service(running=0),))).check == "health-checks"


@pytest.mark.parametrize(
    ("unready", "line", "is_slow"),
    [
        (True, "warming the caches up, about 120 s", True),
        (False, "warming the caches up, about 120 s", False),
        (True, "ERROR: the ledger is out of order", False),
    ],
)
def test_a_task_that_was_ended_before_it_said_that_it_serves(unready: bool, line: str, is_slow: bool) -> None:
    """Others of the service say so after 3 s; what it says itself goes before."""
    one = ended(45)
    starts = Starts({"backend": (3.0,)}, frozenset({one.id}) if unready else frozenset())
    found = first(StoppedTasks((one,)), Services((service(running=0),)), starts, groups(), LastWords({one.id: (line,)}))
    assert (found.check == "start-too-slow") is is_slow
