"""One rule for every command: what a plan is made of is needed, what only warns is done without, with its risk said."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from omc.config import Environment
from omc.engine import planning
from omc.errors import AccessDenied, BadCredentials, OmcError, Throttled
from omc.facts import source
from omc.facts.candidates import Candidates
from omc.facts.collector import NO_READING, Unavailable, dependencies
from omc.facts.infrastructure import DeletionProtection, SavedPlan
from omc.facts.pending import Pending
from omc.facts.registered import Registered
from omc.facts.requirements import CandidateNeeds
from omc.facts.scope import Scope
from omc.facts.temporary import Temporary
from omc.facts.terraform_json import changes
from omc.facts.workers import Workers
from omc.infrastructure.planned_change import PlannedChange
from omc.model.maintenance import MaintenanceRequest
from omc.model.plan import Plan
from omc.model.requests import DeployRequest, PruneRequest, RollbackRequest, RunTaskRequest
from omc.model.requests import MigrateRequest as Migrate
from omc.model.requests import RestartRequest as Restart
from omc.model.requests import ScaleRequest as Scale
from omc.procedures import catalogue
from omc.procedures.catalogue import PLANNERS, planner
from omc.procedures.readings import NEEDED, SPARED
from support import release_facts as example

FILE = PlannedChange("/checkout", "/checkout/.omc", "ohmycoins", "/checkout/.omc/plans/5.tfplan", "5" * 64)
CHANGE = {
    "address": "aws_sns_topic.alerts",
    "mode": "managed",
    "type": "aws_sns_topic",
    "change": {"actions": ["update"], "before": {"name": "a"}, "after": {"name": "b"}},
}
ASKED: dict[str, Any] = {
    "deploy": DeployRequest({"backend": "image"}),
    "restart": Restart(["backend"]),
    "scale": Scale("backend", 3),
    "rollback": RollbackRequest(services=["backend"], to="7", override="a test"),
    "migrate": Migrate(),
    "run-task": RunTaskRequest("backend", ["true"]),
    "prune": PruneRequest(),
    "maintenance": MaintenanceRequest("A", "2100-01-02T16:00+00:00", "2100-01-02T18:00+00:00", [{"title": "b"}]),
    "infra-apply": FILE,
    "infra-destroy": FILE,
}


def facts_of(procedure: str) -> list[type]:
    """What it reads, beside what it is given."""
    return [fact for fact in dependencies(planner(procedure)).values() if fact in NEEDED or fact in SPARED]


def test_the_rule_knows_every_reading_of_every_command() -> None:
    assert not NEEDED.keys() & SPARED.keys()
    provided = {Environment, Scope}
    for procedure in PLANNERS:
        read = {
            fact
            for name, fact in dependencies(planner(procedure)).items()
            if fact not in provided and name != "request"
        }
        assert read <= NEEDED.keys() | SPARED.keys(), procedure


def planned(monkeypatch: pytest.MonkeyPatch, procedure: str, missing: type | None, error: OmcError) -> Plan:
    there = example.facts()
    running = dict(there["definitions"].running) | {"backend": example.definition("backend", 8, "b")}
    if procedure == "rollback":
        there["definitions"] = type(there["definitions"])(running, {})
    values = [
        *there.values(),
        example.candidates(example.definition("backend", 7, "a"), *running.values()),
        CandidateNeeds({}),
        SavedPlan("5" * 64, "staging", 7, "l", "", changes([CHANGE]), (), (), 9, {}, {}, (), 7, "l"),
        Pending(()),
        Temporary(),
        Workers(),
        DeletionProtection(()),
        Registered({"backend": ("ohmycoins-backend:1", "ohmycoins-backend:7")}, frozenset()),
    ]
    readings = {type(value): value for value in values}
    if missing is not None:
        readings[missing] = Unavailable(missing, error, NO_READING)
    monkeypatch.setattr(source, "collect", lambda *_: readings)
    monkeypatch.setattr(planning, "require_own_record", lambda *_: None)
    site: Any = SimpleNamespace(
        stack=None,
        environment=there["environment"],
        store=SimpleNamespace(now=lambda: example.NOW),
        reads=SimpleNamespace(environment=there["environment"], endpoint=None),
        procedures=catalogue,
    )
    return planning.make(site, procedure, ASKED[procedure])


@pytest.mark.parametrize("procedure", ASKED)
def test_a_plan_of_all_readings_has_no_such_note(procedure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = planned(monkeypatch, procedure, None, OmcError("unused"))
    assert not [note for note in made.notes if note.startswith("Not checked")]


CASES = [
    (procedure, fact, error)
    for procedure in ASKED
    for fact in facts_of(procedure)
    for error in (
        partial(AccessDenied, "ec2 X is not allowed to you.", "ec2:X"),
        partial(Throttled, "AWS kept answering that there are too many requests."),
    )
]


@pytest.mark.parametrize(
    ("procedure", "fact", "error"),
    CASES,
    ids=[f"{procedure} {fact.__name__} {error.func.__name__}" for procedure, fact, error in CASES],
)
def test_what_can_not_be_read_is_a_refusal_or_a_note_by_the_rule(
    procedure: str, fact: type, error: partial[OmcError], monkeypatch: pytest.MonkeyPatch
) -> None:
    if fact in NEEDED:
        kind = type(error())
        with pytest.raises(kind) as refused:
            planned(monkeypatch, procedure, fact, error())
        assert refused.value.exit_code != 0
        return
    made = planned(monkeypatch, procedure, fact, error())
    why = error().message
    assert made.notes[-1] == f"Not checked, {SPARED[fact].risk}. {why[0].upper()}{why[1:]}"
    assert made.steps


def test_without_credentials_nothing_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing can be read, the services among it."""
    for fact in (each for each in facts_of("deploy") if each in NEEDED):
        with pytest.raises(BadCredentials):
            planned(monkeypatch, "deploy", fact, BadCredentials("The credentials have expired."))


def test_candidates_are_what_a_rollback_is_made_of() -> None:
    assert Candidates in facts_of("rollback")
