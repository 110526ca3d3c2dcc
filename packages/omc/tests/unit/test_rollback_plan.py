"""What a rollback goes back to, and why it would not: the planner with plain values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omc.errors import Refused, WrongUse
from omc.facts.candidates import Candidates
from omc.facts.definitions import Definitions
from omc.facts.deployments import History
from omc.model.plan import Plan, Risk
from omc.model.releases import ReleasedService
from omc.model.requests import RollbackRequest
from omc.procedures.rollback import _untold
from support import release_facts as example

B, F = "ohmycoins-backend", "ohmycoins-frontend"
OLD = example.definition("backend", 7, "a")
NEW = example.definition("backend", 8, "b")
FRONTEND = example.definition("frontend", 3, "a")
DEPLOYED_TWICE = History(
    {
        "backend": (example.deployed(f"{B}:8", 1), example.deployed(f"{B}:7", 24)),
        "frontend": (example.deployed(f"{F}:3", 24),),
    }
)


def plan(request: RollbackRequest | None = None, **more: Any) -> Plan:
    facts = example.facts(**({"history": DEPLOYED_TWICE, "ledger": example.ledger()} | more))
    running = more.get("definitions", Definitions({"backend": NEW, "frontend": FRONTEND}, {}))
    found = more.get("found", example.candidates(OLD, NEW, FRONTEND))
    return example.planned(
        "rollback", request or RollbackRequest(), **facts | more | {"definitions": running, "found": found}
    )


def targets(made: Plan) -> dict[str, Any]:
    return {step.name: step.arguments["task_definition"] for step in made.steps if step.name.startswith("roll-")}


def test_without_a_ledger_ecs_own_history_says_what_was_good() -> None:
    made = plan()
    assert targets(made) == {"roll-backend": f"{B}:7"}
    assert made.risk is Risk.HIGH
    assert f"frontend stays on {F}:3." in made.notes
    shown = next(note for note in made.notes if note.startswith("→"))
    assert f"candidate {B}:7: ECS completed it Sun 22 Nov" in shown
    assert "served 23 h, ACTIVE, image in the registry" in shown


def test_the_ledger_goes_before_what_only_ecs_says() -> None:
    """:9 was put there by hand and completed; :7 was verified."""
    newest = example.definition("backend", 9, "c")
    history = History(
        {**DEPLOYED_TWICE.of, "backend": (example.deployed(f"{B}:9", 0.5), *DEPLOYED_TWICE.of["backend"])}
    )
    made = plan(
        RollbackRequest(services=["backend"]),
        history=history,
        ledger=example.ledger(example.release(1, 24, 7, 3)),
        definitions=Definitions({"backend": newest, "frontend": FRONTEND}, {}),
        found=example.candidates(OLD, NEW, newest, FRONTEND),
    )
    assert targets(made) == {"roll-backend": f"{B}:7"}


def test_a_release_goes_back_as_a_whole_in_reverse_order() -> None:
    newer = example.definition("frontend", 4, "b")
    made = plan(
        definitions=Definitions({"backend": NEW, "frontend": newer}, {}),
        ledger=example.ledger(example.release(1, 24, 7, 3), example.release(2, 1, 8, 4)),
        found=example.candidates(OLD, NEW, FRONTEND, newer),
    )
    assert list(targets(made).items()) == [("roll-frontend", f"{F}:3"), ("roll-backend", f"{B}:7")]


def test_what_was_rolled_back_from_is_not_gone_back_to() -> None:
    """1, 2, back to 1: asked again, 2 is not the answer."""
    history = History(
        {
            "backend": (example.deployed(f"{B}:7", 1), example.deployed(f"{B}:8", 2), example.deployed(f"{B}:7", 24)),
            "frontend": (example.deployed(f"{F}:3", 24),),
        }
    )
    with pytest.raises(Refused, match=rf"There is no known good revision.*\({B}:8 ran, but was rolled back from"):
        plan(history=history, definitions=Definitions({"backend": OLD, "frontend": FRONTEND}, {}))


def test_a_release_that_was_rolled_back_from_is_not_either() -> None:
    releases = (
        example.release(1, 48, 6, 3),
        example.release(2, 24, 7, 3),
        example.release(3, 12, 8, 3),
        example.release(4, 1, 7, 3, is_rollback=True),
    )
    oldest = example.definition("backend", 6, "c")
    made = plan(
        ledger=example.ledger(*releases),
        definitions=Definitions({"backend": OLD, "frontend": FRONTEND}, {}),
        found=example.candidates(oldest, OLD, NEW, FRONTEND),
    )
    assert targets(made) == {"roll-backend": f"{B}:6"}
    assert any(note.startswith(f"backend was already rolled back from {B}:8") for note in made.notes)


def test_nothing_known_good_is_refused_with_the_way_out() -> None:
    history = History({"backend": (example.deployed(f"{B}:8", 1),), "frontend": ()})
    with pytest.raises(Refused, match="omc rollback backend --to REVISION"):
        plan(RollbackRequest(services=["backend"]), history=history)


def test_a_deployment_in_flight_is_stopped_and_ecs_takes_it_back() -> None:
    history = History(
        {**DEPLOYED_TWICE.of, "backend": (example.deployed(f"{B}:9", 0, "IN_PROGRESS"), *DEPLOYED_TWICE.of["backend"])}
    )
    made = plan(history=history)
    assert [step.name for step in made.steps] == ["stop-backend", "record"]
    assert made.steps[0].arguments["failing"] == f"{B}:9"
    assert made.preconditions["continues"] == {"backend": f"arn:{B}:9:0"}


def test_what_ecs_rolls_back_already_needs_nobody() -> None:
    history = History({**DEPLOYED_TWICE.of, "backend": (example.deployed(f"{B}:9", 0, "ROLLBACK_IN_PROGRESS"),)})
    with pytest.raises(Refused, match=f"The deployment of {B}:9 to backend is being rolled back already"):
        plan(history=history)


def test_a_revision_that_ecs_made_inactive_is_registered_anew() -> None:
    made = plan(found=example.candidates(replace(OLD, status="INACTIVE"), NEW, FRONTEND))
    assert [step.name for step in made.steps] == ["register-backend", "roll-backend", "record"]
    assert targets(made) == {"roll-backend": {"output_of": "register-backend", "key": "task_definition"}}


def test_a_revision_that_ecs_deleted_is_made_anew_from_the_ledger() -> None:
    recorded = ReleasedService(f"{B}:7", dict(OLD.images), dict(OLD.body))
    before = example.release(1, 24, 7, 3)
    before = replace(before, services={**before.services, "backend": recorded})
    made = plan(ledger=example.ledger(before, example.release(2, 1, 8, 3)), found=example.candidates(NEW, FRONTEND))
    assert made.steps[0].arguments["definition"] == OLD.body
    forgotten = example.release(1, 24, 7, 3)
    with pytest.raises(Refused, match="doesn't exist, and omc has no record"):
        plan(ledger=example.ledger(forgotten, example.release(2, 1, 8, 3)), found=example.candidates(NEW, FRONTEND))


def test_an_image_that_is_gone_is_refused_unless_overridden() -> None:
    found = example.candidates(OLD, NEW, FRONTEND, gone=("a",))
    assert "is no longer in the registry" in plan(found=found).refusals[0]
    assert plan(RollbackRequest(override="it is cached"), found=found).refusals == ()


def test_a_crossed_schema_contract_is_refused() -> None:
    releases = (example.release(1, 24, 7, 3, schema=4), example.release(2, 1, 8, 3, schema=6, schema_floor=5))
    made = plan(ledger=example.ledger(*releases))
    assert f"{B}:7 was made for schema 4, and a migration since removed what code before schema 5" in made.refusals[0]
    harmless = (example.release(1, 24, 7, 3, schema=4), example.release(2, 1, 8, 3, schema=6))
    assert plan(ledger=example.ledger(*harmless)).refusals == ()


def test_a_named_revision_that_was_never_verified_wants_a_reason() -> None:
    stranger = example.definition("backend", 5, "a")
    found = example.candidates(stranger, OLD, NEW, FRONTEND)
    made = plan(RollbackRequest(services=["backend"], to="5"), found=found)
    assert "never verified in this environment" in made.refusals[0]
    made = plan(RollbackRequest(to=f"{B}:5", override="I know it"), found=found)
    assert made.refusals == ()
    assert targets(made) == {"roll-backend": f"{B}:5"}


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        (RollbackRequest(services=["api"]), 'no service "api"'),
        (RollbackRequest(to="7"), "Say of which service 7 is a revision"),
        (RollbackRequest(services=["backend"], to=f"{F}:3"), "revision of another family: backend's family is"),
        *(
            (RollbackRequest(to=to), "is no revision")
            for to in ("latest", "²", "①", "7²", f"{B}:²", f"{B}:٣", "9" * 5_000)
        ),
    ],
)
def test_wrong_use_is_reported(requested: RollbackRequest, expected: str) -> None:
    with pytest.raises(WrongUse, match=expected):
        plan(requested)


@pytest.mark.parametrize(("to", "expected"), [("99", f"{B}:99 doesn't exist"), ("8", f"runs {B}:8 already")])
def test_a_revision_that_can_not_be_gone_back_to(to: str, expected: str) -> None:
    with pytest.raises(Refused, match=expected):
        plan(RollbackRequest(services=["backend"], to=to))


def test_what_terraform_makes_of_it_is_said() -> None:
    applied = example.definition("backend", 8, "b", by="terraform")
    made = plan(definitions=Definitions({"backend": NEW, "frontend": FRONTEND}, {"backend": applied}))
    assert any("an apply does not undo this rollback" in note for note in made.notes)
    assert any(f"Terraform's newest revision {B}:8 is newer than {B}:7" in note for note in made.notes)


@pytest.mark.parametrize(
    ("looked_up", "expected"), [(frozenset({"ohmycoins-backend:7"}), "gone from ECS"), (frozenset(), "not looked up")]
)
def test_of_a_revision_that_was_not_asked_for_it_is_not_said_that_it_is_gone(
    looked_up: frozenset[str], expected: str
) -> None:
    found = Candidates({}, frozenset(), looked_up=looked_up)
    assert _untold("ohmycoins-backend:7", found) == expected


@pytest.mark.parametrize(
    ("proof", "is_rollback", "expected"),
    [
        ({}, False, "verified"),
        ({"watched": True}, False, "verified"),
        ({"watched": True, "doubt": ""}, False, "verified"),
        ({"watched": False}, False, "unwatched"),
        ({"watched": False, "doubt": "unwatched"}, False, "unwatched"),
        ({"watched": True, "doubt": "not compared"}, False, "not compared"),
        ({"watched": False, "doubt": "not healthy", "unhealthy": "x"}, False, "not healthy"),
        ({"watched": True, "doubt": "watched for 15 s only"}, False, "watched for 15 s only"),
        ({}, True, "gone back to, unwatched"),
        ({"backend": 12.5}, True, "gone back to, unwatched"),
        ({"watched": True}, True, "gone back to, verified"),
    ],
)
def test_a_release_is_called_verified_only_if_it_was(proof: dict[str, Any], is_rollback: bool, expected: str) -> None:
    release = example.release(1, 1, 7, 3, proof=proof, is_rollback=is_rollback)
    assert release.status == expected
    assert release.is_verified is (expected == "verified")
