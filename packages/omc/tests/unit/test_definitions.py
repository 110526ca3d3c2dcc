"""Who made a revision, told by its tags."""

from __future__ import annotations

from dataclasses import replace

import pytest

from omc.facts.definitions import Definition
from support import release_facts as example

TERRAFORMS = example.definition("backend", 8, "a", by="terraform")
IMAGE = TERRAFORMS.images["backend"]


def tagged(**tags: str) -> Definition:
    return replace(TERRAFORMS, tags=tags)


@pytest.mark.parametrize(
    ("tags", "is_terraforms"),
    [
        ({"ManagedBy": "terraform", "Image": IMAGE}, True),
        ({"ManagedBy": "terraform"}, True),  # of a stack whose Terraform doesn't say for which image
        ({"ManagedBy": "terraform", "Image": example.pinned("backend", "b")}, False),
        ({"ManagedBy": "terraform", "Image": IMAGE, "omc:run": "0vqk3m7x"}, False),
        ({"ManagedBy": "somebody", "Image": IMAGE}, False),
        ({}, False),
    ],
)
def test_a_revision_whose_tags_were_copied_with_another_image_is_not_terraforms(
    tags: dict[str, str], is_terraforms: bool
) -> None:
    assert tagged(**tags).made_by_terraform is is_terraforms


def test_what_says_who_made_a_revision_is_not_copied_to_another() -> None:
    tags = {
        "ManagedBy": "terraform",
        "Image": IMAGE,
        "omc:run": "r",
        "omc:step": "s",
        "aws:x": "y",
        "Service": "backend",
    }
    assert tagged(**tags).tags_to_copy == {"Service": "backend"}
