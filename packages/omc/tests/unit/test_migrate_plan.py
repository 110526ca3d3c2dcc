"""The migration by itself, planned from plain values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omc.errors import Refused, WrongUse
from omc.facts.definitions import Definitions
from omc.facts.requirements import Requirements
from omc.facts.services import Services
from omc.model.plan import Plan
from omc.model.requests import MigrateRequest
from support import release_facts as example


def plan(*services: str, **more: Any) -> Plan:
    return example.planned("migrate", MigrateRequest(services), **more)


def test_it_is_one_task_with_what_terraform_last_applied() -> None:
    made = plan()
    [step] = made.steps
    assert (step.name, step.action) == ("migrate-backend", "ecs.run_task")
    assert step.arguments["task_definition"] == "ohmycoins-migrate-backend:2"
    assert step.arguments["command"] == ["python", "-m", "backend.migrate"]
    assert made.preconditions == {"task_definitions": {"backend": "ohmycoins-migrate-backend:2"}}
    assert plan("backend").steps == made.steps


def test_a_service_without_a_migration_is_wrong_use() -> None:
    with pytest.raises(WrongUse, match=r"frontend has no migration in omc.toml; there is one of backend\."):
        plan("frontend")
    environment = example.environment()
    none = replace(environment, services=tuple(replace(each, migrate=()) for each in environment.services))
    with pytest.raises(WrongUse, match="there is nothing to run"):
        plan(environment=none)


def test_what_is_not_applied_can_not_migrate() -> None:
    running = example.facts()["definitions"].running
    with pytest.raises(Refused, match=r"no task definition ohmycoins-migrate-backend .*omc infra apply"):
        plan(definitions=Definitions(running, {}))
    with pytest.raises(Refused, match="There is no service backend in the cluster ohmycoins-staging"):
        plan(services=Services(()))
    missing = Requirements({"arn:aws:secretsmanager:a:1:secret:rds!db-1-AbCdEf": "The secret rds!db-1 does not exist."})
    assert "rds!db-1 does not exist" in plan(requirements=missing).refusals[0]
