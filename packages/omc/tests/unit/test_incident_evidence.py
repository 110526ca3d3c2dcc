"""What an incident keeps of the moment in which it opened: lines of facts; of what can't be read, why."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from omc.config import Environment
from omc.errors import AccessDenied
from omc.facts.api_changes import ApiChange, ApiChanges, read_api_changes
from omc.facts.deployments import History, ServiceDeployment
from omc.facts.logs import ErrorGroup, RecentErrors
from omc.facts.recent_runs import RecentRun, RecentRuns
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Event, Services
from omc.facts.tasks import Container, StoppedTask, StoppedTasks
from omc.facts.traffic import Minute, Traffic
from omc.responder import evidence
from omc.responder.capture import read_evidence
from omc.store.location import StoreLocation
from omc.store.opened import Store
from support import release_facts
from support.incident_life import START, minutes

SCOPE = Scope(START, timedelta(hours=2))
ENVIRONMENT = release_facts.environment(time_zone="Australia/Sydney")


def test_stopped_tasks_are_kept_with_their_reasons() -> None:
    task = StoppedTask(
        "abc",
        "backend",
        "ohmycoins-backend:7",
        "EssentialContainerExited",
        "Essential container in task exited",
        (Container("backend", 137, "OutOfMemoryError: container killed due to memory usage"),),
        None,
        START,
    )
    (kept,) = evidence.stopped_tasks(StoppedTasks((task,)), ENVIRONMENT)
    assert kept.startswith("Mon 23 Nov 12:00:00 AEDT (01:00 UTC): backend ohmycoins-backend:7 abc: ")
    assert kept.endswith(
        "backend ohmycoins-backend:7 abc: EssentialContainerExited, Essential container in task exited; "
        "backend exit code 137 (OutOfMemoryError: container killed due to memory usage)"
    )


def test_events_metrics_deployments_and_changes_are_kept_newest_first() -> None:
    events = tuple(Event(START - minutes(age), f"event {age}") for age in range(30))
    service = EcsService("backend", "ACTIVE", 2, 1, 1, "ohmycoins-backend:7", (), events)
    kept = evidence.service_events(Services((service,)), ENVIRONMENT)
    assert (len(kept), kept[0].split("UTC): ", 1)[1]) == (15, "backend: event 0")
    assert evidence.task_counts(Services((service,))) == ("backend: 1 of 2 run, 1 start, ohmycoins-backend:7",)
    traffic = Traffic((Minute(START - minutes(2), 100, 0), Minute(START - minutes(1), 50, 25)))
    assert evidence.metrics(traffic, SCOPE, ENVIRONMENT)[0].endswith("50 requests, 25 failed (50.0 %)")
    old, new = (
        ServiceDeployment(f"arn{age}", "SUCCESSFUL", "", f"ohmycoins-backend:{age}", START - minutes(age), None)
        for age in (500, 5)
    )
    (deployment,) = evidence.recent_deployments(History({"backend": (new, old)}), SCOPE, ENVIRONMENT)
    assert deployment.endswith("backend: ohmycoins-backend:5 SUCCESSFUL")
    runs = RecentRuns(
        (
            RecentRun("r2", "infra-apply", "Apply 3 changes", "ann", START, "succeeded"),
            RecentRun("r1", "scale", "Scale backend to 4", "bob", START, "running"),
        )
    )
    assert [each.split("UTC): ", 1)[1] for each in evidence.terraform_applies(runs, ENVIRONMENT)] == [
        "Apply 3 changes by ann: succeeded (r2)"
    ]
    assert [each.split("UTC): ", 1)[1] for each in evidence.changes_by_omc(runs, ENVIRONMENT)] == [
        "Scale backend to 4 by bob: running (r1)"
    ]
    changes = ApiChanges((ApiChange(START, "ecs", "UpdateService", "ann (role admin)", "AccessDenied"),))
    assert evidence.api_changes(changes, ENVIRONMENT)[0].endswith(
        "ecs UpdateService by ann (role admin), refused: AccessDenied"
    )


def test_a_log_group_that_is_missing_is_said() -> None:
    group = ErrorGroup("/ecs/backend", "x", 12, START, START, "connection refused", 2)
    kept = evidence.error_samples(RecentErrors((group,), missing=("/ecs/frontend",)), ENVIRONMENT)
    assert kept[0] == "unknown: the log group /ecs/frontend doesn't exist"
    assert kept[1].startswith("12 times in /ecs/backend, last ")


STUCK = threading.Event()


def denied(scope: Scope) -> tuple[str, ...]:
    raise AccessDenied("ecs:ListTasks is missing.", "ecs:ListTasks")


def broken(scope: Scope) -> tuple[str, ...]:
    raise ZeroDivisionError("of ours")


def stuck(scope: Scope) -> tuple[str, ...]:
    STUCK.wait(60)
    return ("too late",)


def fine(environment: Environment, scope: Scope) -> tuple[str, ...]:
    return tuple(f"{number} {environment.name}\x1b[2J" for number in range(60))


def test_what_can_not_be_read_is_unknown_and_costs_nothing_else() -> None:
    environment = release_facts.environment()
    unopened: Any = None
    store = Store(StoreLocation(), unopened, lambda: START)
    parts: dict[str, Callable[..., tuple[str, ...]]] = {
        "denied": denied,
        "broken": broken,
        "stuck": stuck,
        "fine": fine,
    }
    found = {each.what: each for each in read_evidence(environment, store, parts, limit=1)}
    STUCK.set()
    assert found["denied"].unknown == "ecs:ListTasks is missing."
    assert found["broken"].unknown == "a mistake in omc: ZeroDivisionError: of ours"
    assert found["stuck"].unknown == "it took longer than 1 s"
    assert found["fine"].unknown is None
    assert (len(found["fine"].items), found["fine"].items[-1]) == (41, "and 20 more")
    assert "\x1b" not in found["fine"].items[0]


class Trail:
    """CloudTrail's answer, in two pages."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def client(self, service: str) -> Trail:
        assert service == "cloudtrail"
        return self

    def lookup_events(self, **wire: Any) -> dict[str, Any]:
        self.asked.append(wire)
        events = [
            {
                "CloudTrailEvent": f'{{"eventTime": "2026-11-23T00:50:00Z", "eventSource": "{source}.amazonaws.com", '
                f'"eventName": "{name}", "userIdentity": {{"userName": "ann"}}}}'
            }
            for source, name in (
                ("ecs", "UpdateService"),
                ("logs", "PutLogEvents"),
                ("logs", "StartQuery"),  # CloudTrail says that these write
                ("iam", "SimulatePrincipalPolicy"),
            )
        ]
        return {"Events": events, "NextToken": "more"} if len(self.asked) == 1 else {"Events": []}


def test_api_changes_are_asked_for_within_the_time_and_without_what_a_stack_does_by_itself() -> None:
    trail: Any = Trail()
    found = read_api_changes(trail, SCOPE)
    assert [(each.service, each.operation, each.who) for each in found.changes] == [("ecs", "UpdateService", "ann")]
    assert trail.asked[0]["StartTime"] == START - timedelta(hours=2)
    assert trail.asked[1]["NextToken"] == "more"
