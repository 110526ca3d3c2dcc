"""What prune deregisters: nothing that runs, is in flight, was good, or is Terraform's newest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from omc.cli.releases import prune
from omc.errors import NothingToDo, WrongUse
from omc.facts.definitions import Definitions
from omc.facts.deployments import History
from omc.facts.registered import Registered
from omc.facts.services import Services
from omc.model.plan import Plan
from omc.model.requests import PruneRequest
from support import release_facts as example

B, F = "ohmycoins-backend", "ohmycoins-frontend"
RELEASES = example.ledger(
    example.release(1, 96, 4, 3),
    example.release(2, 48, 6, 3),
    example.release(3, 24, 9, 3),
    example.release(4, 1, 10, 3),
)


def plan(keep: int = 2, *, used: frozenset[str] = frozenset(), **more: Any) -> Plan:
    facts = example.facts(**({"ledger": RELEASES} | more))
    registered = Registered(
        {"backend": tuple(f"{B}:{number}" for number in range(1, 13)), "frontend": (f"{F}:3",)}, used
    )
    running = {"backend": example.definition("backend", 10, "a"), "frontend": example.definition("frontend", 3, "a")}
    applied = {"backend": example.definition("backend", 7, "a", by="terraform")}
    history = History({"backend": (example.deployed(f"{B}:10", 1), example.deployed(f"{B}:9", 24))})
    there = {
        "services": Services((example.service("backend", 10), example.service("frontend", 3))),
        "definitions": Definitions(running, applied),
        "history": history,
        "registered": registered,
    }
    return example.planned("prune", PruneRequest(keep), **facts | there | more)


def gone(made: Plan) -> set[int]:
    assert all(step.action == "ecs.deregister" for step in made.steps)
    return {int(str(step.arguments["task_definition"]).rpartition(":")[2]) for step in made.steps}


def test_what_nobody_needs_goes_and_what_stays_says_why() -> None:
    made = plan()
    assert gone(made) == {1, 2, 3, 4, 5, 6, 8, 11, 12}
    assert f"{B}:10 stays: backend runs it." in made.notes
    assert f"{B}:9 stays: the last that was good before." in made.notes
    assert f"{B}:7 stays: Terraform's newest." in made.notes


def test_more_releases_are_kept_when_asked() -> None:
    assert {4, 6} & gone(plan(keep=10)) == set()


def test_what_is_in_flight_or_in_a_task_stays() -> None:
    history = History({"backend": (example.deployed(f"{B}:12", 0, "IN_PROGRESS"), example.deployed(f"{B}:10", 1))})
    made = plan(history=history, used=frozenset({f"{B}:2"}))
    assert {2, 12} & gone(made) == set()
    assert f"{B}:12 stays: it is in flight." in made.notes
    assert f"{B}:2 stays: a task runs it." in made.notes


def test_of_the_migrations_own_family_the_one_that_the_next_starts_from_stays() -> None:
    facts = example.facts(ledger=RELEASES)
    there = {"migrate-backend": tuple(f"{example.MIGRATION}:{number}" for number in (1, 2, 3, 4))}
    more = {"history": History({}), "registered": Registered(there, frozenset())}
    made = example.planned("prune", PruneRequest(2), **facts | more)
    assert [step.arguments["task_definition"] for step in made.steps] == [
        f"{example.MIGRATION}:{number}" for number in (1, 3, 4)
    ]
    assert f"{example.MIGRATION}:2 stays: the next migration starts from it." in made.notes


@pytest.mark.parametrize("output", ["table", "json", "markdown"])
def test_with_nothing_to_prune_the_command_succeeds(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any, **__: Any) -> int:
        raise NothingToDo("Nothing to prune: each of the 4 registered revisions is still needed.")

    monkeypatch.setattr("omc.cli.releases.carry_out", nothing)
    done = CliRunner().invoke(prune, ["--output", output])
    assert done.exit_code == 0
    assert "Nothing to prune" in done.output
    assert output != "json" or json.loads(done.output)["exit_code"] == 0


def test_nothing_to_prune_and_nothing_kept() -> None:
    with pytest.raises(NothingToDo, match="Nothing to prune"):
        plan(keep=10, used=frozenset(f"{B}:{number}" for number in range(1, 13)))
    with pytest.raises(WrongUse, match="at least one"):
        plan(keep=0)
