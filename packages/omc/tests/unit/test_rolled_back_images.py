"""A deployment of an image that was taken back here before needs a reason, whatever revision it was in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from omc.facts.deployed_images import DeployedImages, undone_by
from omc.facts.deployments import History, ServiceDeployment
from omc.facts.images import WantedImages
from omc.model.plan import to_json
from omc.model.releases import Release
from omc.model.requests import DeployRequest
from omc.procedures.deploy import plan_deploy
from omc.store.models import Run
from support import release_facts as example

BAD, GOOD = "ohmycoins-backend:6", "ohmycoins-backend:7"


def back(at: float) -> ServiceDeployment:
    return example.deployed(BAD, at, "ROLLBACK_SUCCESSFUL", back_to=GOOD, rollback_reason="tasks failed to start.")


def went_back(number: int, hours_ago: float, revision: int) -> Release:
    return example.release(number, hours_ago, revision, 3, is_rollback=True)


@pytest.mark.parametrize(
    ("history", "releases", "refused"),
    [
        ((example.deployed(GOOD, 5),), (), False),
        ((example.deployed(BAD, 9), example.deployed(GOOD, 5)), (), False),
        ((example.deployed("ohmycoins-backend:5", 9), example.deployed(BAD, 7),
          example.deployed("ohmycoins-backend:5", 5)), (), True),
        ((example.deployed(GOOD, 9), example.deployed(BAD, 7), example.deployed(GOOD, 5)), (), False),
        ((example.deployed(GOOD, 9), back(7)), (), True),
        ((example.deployed(GOOD, 9), back(7), example.deployed(BAD, 5)), (), False),
        ((example.deployed(GOOD, 9), example.deployed(BAD, 7), back(5)), (), True),
        ((), (example.release(1, 9, 5, 3), example.release(2, 7, 6, 3), went_back(3, 5, 5)), True),
        ((), (example.release(1, 9, 5, 3), example.release(2, 7, 6, 3), went_back(3, 5, 5),
              example.release(4, 3, 6, 3)), False),
        ((), (example.release(1, 9, 5, 3), example.release(2, 7, 6, 3), example.release(3, 5, 7, 3)), False),
        ((), (example.release(1, 9, 6, 3), went_back(2, 5, 9)), True),
        ((example.deployed(GOOD, 5, "STOPPED"),), (), False),
    ],
)  # fmt: skip
def test_an_image_that_was_rolled_back_from_wants_a_reason(
    history: tuple[ServiceDeployment, ...], releases: tuple[Release, ...], refused: bool
) -> None:
    """BAD holds the image that is to be deployed, under another revision's number; the digest tells."""
    facts = {
        "history": History({"backend": tuple(sorted(history, key=lambda each: each.created, reverse=True))}),
        "ledger": example.ledger(*releases),
        "deployed": DeployedImages(
            {
                BAD: {"backend": f"other.registry/ohmycoins/backend@{example.digest('b')}"},
                GOOD: {"backend": example.pinned("backend", "a")},
            }
        ),
    }
    made = plan_deploy(DeployRequest({"backend": "image"}), **example.facts(**facts))
    messages = [refusal for refusal in made.refusals if "was rolled back from" in refusal]
    assert bool(messages) is refused
    assert not messages or messages[0].endswith('--override "why"')
    done_anyway = plan_deploy(
        DeployRequest({"backend": "image"}, override="the cause was the database"), **example.facts(**facts)
    )
    assert done_anyway.refusals == ()
    assert any(note.startswith("Overridden (the cause was the database)") for note in done_anyway.notes) is refused


def run(verdict: str, letter: str = "b", at: float = 1.0, *, service: str = "backend") -> Any:
    plan = example.planned("deploy", DeployRequest({service: "x"}), images=wanted_of(service, letter))
    ended = example.NOW - timedelta(hours=at)
    return Run(id=f"r{at:g}", plan=to_json(plan), verdict=verdict, ended_at=ended, sentence=f"{verdict} because.")


def wanted_of(service: str, letter: str) -> WantedImages:
    return WantedImages({service: example.wanted(letter, name=service)})


@pytest.mark.parametrize(
    ("runs", "undone"),
    [
        ([], None),
        ([("succeeded", "b")], None),
        ([("rolled back", "b")], "r1"),
        ([("rolled back", "c")], None),
        ([("rolled back", "b"), ("rolled back", "b")], "r1"),
        ([("rolled back", "b"), ("succeeded", "b")], None),
        ([("rolled back", "b"), ("succeeded", "c")], "r2"),
        ([("succeeded", "b"), ("rolled back", "b")], "r1"),
        ([("rolled back", "b"), ("failed", "b")], "r2"),
        ([("rolled back", "b"), ("cancelled", "b")], "r2"),
        ([("rolled back", "b"), ("superseded", "b")], "r2"),
        ([("failed", "b")], None),
    ],
)
def test_what_omc_has_undone_it_remembers_by_itself(runs: list[tuple[str, str]], undone: str | None) -> None:
    """ECS forgets after ninety days, or when the revision is deleted; omc's own record doesn't."""
    made = [run(verdict, letter, float(len(runs) - number)) for number, (verdict, letter) in enumerate(runs)]
    found = undone_by(made)
    assert getattr(found.get(("backend", example.digest("b"))), "run", None) == undone
    plan = example.planned("deploy", DeployRequest({"backend": "image"}), deployed=DeployedImages({}, undone=found))
    messages = [each for each in plan.refusals if "was undone by omc" in each]
    assert bool(messages) is (undone is not None)
    assert not messages or (f"(run {undone}): rolled back because." in messages[0] and "--override" in messages[0])
    again = DeployRequest({"backend": "image"}, override="the cause was the database")
    anyway = example.planned("deploy", again, deployed=DeployedImages({}, undone=found))
    assert anyway.refusals == ()
    [watch] = [step for step in anyway.steps if step.name == "watch"]
    longer, usual = example.environment().incident_watch_seconds, example.environment().release_watch_seconds
    assert watch.arguments["seconds"] == (longer if undone else usual), "it is watched longer than a new one"
