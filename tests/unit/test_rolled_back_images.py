"""A deployment of an image that was taken back here before wants a reason, whatever revision it was in."""

from __future__ import annotations

import pytest

from omc.facts.deployed_images import DeployedImages
from omc.facts.deployments import History, ServiceDeployment
from omc.facts.releases import Release
from omc.procedures.asking import Deploy
from omc.procedures.deploy import plan_deploy
from support import release_world as world

BAD, GOOD = "ohmycoins-backend:6", "ohmycoins-backend:7"


def back(at: float) -> ServiceDeployment:
    return world.deployed(BAD, at, "ROLLBACK_SUCCESSFUL", back_to=GOOD, rollback_reason="tasks failed to start.")


def went_back(number: int, hours_ago: float, revision: int) -> Release:
    return world.release(number, hours_ago, revision, 3, is_rollback=True)


@pytest.mark.parametrize(
    ("history", "releases", "refused"),
    [
        ((world.deployed(GOOD, 5),), (), False),
        ((world.deployed(BAD, 9), world.deployed(GOOD, 5)), (), False),
        ((world.deployed("ohmycoins-backend:5", 9), world.deployed(BAD, 7), world.deployed("ohmycoins-backend:5", 5)),
         (), True),
        ((world.deployed(GOOD, 9), world.deployed(BAD, 7), world.deployed(GOOD, 5)), (), False),
        ((world.deployed(GOOD, 9), back(7)), (), True),
        ((world.deployed(GOOD, 9), back(7), world.deployed(BAD, 5)), (), False),
        ((world.deployed(GOOD, 9), world.deployed(BAD, 7), back(5)), (), True),
        ((), (world.release(1, 9, 5, 3), world.release(2, 7, 6, 3), went_back(3, 5, 5)), True),
        ((), (world.release(1, 9, 5, 3), world.release(2, 7, 6, 3), went_back(3, 5, 5), world.release(4, 3, 6, 3)),
         False),
        ((), (world.release(1, 9, 5, 3), world.release(2, 7, 6, 3), world.release(3, 5, 7, 3)), False),
        ((), (world.release(1, 9, 6, 3), went_back(2, 5, 9)), True),
        ((world.deployed(GOOD, 5, "STOPPED"),), (), False),
    ],
)  # fmt: skip
def test_an_image_that_was_rolled_back_from_wants_a_reason(
    history: tuple[ServiceDeployment, ...], releases: tuple[Release, ...], refused: bool
) -> None:
    """BAD holds the image that is to be deployed, under another revision's number; the digest tells."""
    facts = {
        "history": History({"backend": tuple(sorted(history, key=lambda each: each.created, reverse=True))}),
        "ledger": world.ledger(*releases),
        "deployed": DeployedImages(
            {
                BAD: {"backend": f"other.registry/ohmycoins/backend@{world.digest('b')}"},
                GOOD: {"backend": world.pinned("backend", "a")},
            }
        ),
    }
    made = plan_deploy(Deploy({"backend": "image"}), **world.facts(**facts))
    said = [refusal for refusal in made.refusals if "was rolled back from" in refusal]
    assert bool(said) is refused
    assert not said or said[0].endswith('--override "why"')
    done_anyway = plan_deploy(
        Deploy({"backend": "image"}, override="the cause was the database"), **world.facts(**facts)
    )
    assert done_anyway.refusals == ()
    assert any(note.startswith("Overridden (the cause was the database)") for note in done_anyway.notes) is refused
