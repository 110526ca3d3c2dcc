"""The readings that are asked once something is wrong, against a stack that runs: each comes, within its budget."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from omc.aws.gateway import Gateway, access_to
from omc.checks.causes.paths import closed_side
from omc.checks.causes.questions import QUESTIONS
from omc.config import Environment, load
from omc.facts.collector import Unavailable, collect
from omc.facts.followup.data_stores import DataStores
from omc.facts.followup.group_rules import GroupRules
from omc.facts.followup.last_words import LastWords
from omc.facts.followup.lock_waits import DatabaseLoad
from omc.facts.followup.rejects import Rejects
from omc.facts.image_labels import exit_codes
from omc.facts.scope import Scope
from omc.facts.services import Services
from support.stack import Stack
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]


def test_what_is_asked_once_something_is_wrong_can_be_read(healthy: Stack) -> None:
    stack = load(Path(__file__).parents[4] / "omc.toml")
    environment = replace(stack.environments["local"], local_state=healthy.state)
    gateway = Gateway(environment, access_to(environment))
    questions = dict.fromkeys(question for _, some in QUESTIONS for question in some)
    found: dict[type, Any] = {}

    def is_all_read() -> bool:
        provided = {Environment: environment, Scope: Scope(datetime.now(UTC)), Gateway: gateway}
        found.update(collect(questions, provided))
        return not any(isinstance(fact, Unavailable) for fact in found.values())

    eventually("each reading of the second round comes within its budget", is_all_read, within=120)
    stores = found[DataStores]
    assert (stores.database.status, stores.cache.status) == ("available", "available")
    assert found[DatabaseLoad].counters["db.User.max_connections"] > 0
    assert found[Rejects].log_group
    backend = next(service for service in found[Services].services if service.name == "backend")
    frontend = next(service for service in found[Services].services if service.name == "frontend")
    for store in (stores.database, stores.cache):
        assert closed_side(found[GroupRules], backend.security_groups, store.groups, store.port) == ""
        assert closed_side(found[GroupRules], frontend.security_groups, store.groups, store.port) == store.groups[0]
    payload = found[LastWords].revisions[backend.task_definition]
    assert payload.variables["backend"]["POSTGRES_SERVER"] == stores.database.host
    assert exit_codes(gateway, payload.images["backend"])[2] == "its settings are wrong or missing", (
        "as its Dockerfile says"
    )
