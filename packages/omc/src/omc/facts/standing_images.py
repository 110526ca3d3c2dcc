"""The images that the services' revisions name, and whether the registry still has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.definitions import Definition, Definitions
from omc.facts.images import Reference, account_of, parse

A_CALL = 100
"""BatchGetImage takes so many ids."""


@dataclass(frozen=True, slots=True)
class StandingImages:
    """What is missing, by the image as the revision names it."""

    problems: Mapping[str, str]
    """To a sentence; only of those with a problem."""
    reading: Reading = NO_READING


@reads
def read_standing_images(aws: Gateway, environment: Environment, definitions: Definitions) -> StandingImages:
    """A call a repository. Nothing is asked, or said, of an image outside of the region's ECR."""
    return StandingImages(
        missing_images(aws, environment, [*definitions.running.values(), *definitions.applied.values(),
                                          *definitions.migrating.values()])
    )  # fmt: skip


def missing_images(aws: Gateway, environment: Environment, definitions: Iterable[Definition]) -> dict[str, str]:
    """By image, what is wrong with it."""
    wanted: dict[tuple[str, str], dict[str, Reference]] = {}
    for image in sorted({image for definition in definitions for image in definition.images.values()}):
        reference = parse(image)
        if reference and (account := account_of(reference.registry, environment.region)):
            wanted.setdefault((account, reference.repository), {})[image] = reference
    found = parallel_map(lambda item: _missing(aws, *item), list(wanted.items()))
    return {image: problem for problems in found for image, problem in problems.items()}


def _missing(aws: Gateway, where: tuple[str, str], wanted: Mapping[str, Reference]) -> dict[str, str]:
    account, repository = where
    there: set[str] = set()
    identities = {image: _identity(reference) for image, reference in wanted.items()}
    unique = [dict(pair) for pair in sorted({tuple(identity.items()) for identity in identities.values()})]
    try:
        for begin in range(0, len(unique), A_CALL):
            some: Any = unique[begin : begin + A_CALL]
            answer = aws.client("ecr").batch_get_image(registryId=account, repositoryName=repository, imageIds=some)
            for one in answer["images"]:
                there |= {one["imageId"].get("imageDigest", ""), one["imageId"].get("imageTag", "")}
    except NotFound:
        return dict.fromkeys(wanted, f"The repository {repository} does not exist.")
    return {
        image: f"The image {_shown(wanted[image])} is no longer in the registry."
        for image, identity in identities.items()
        if not there & set(identity.values())
    }


def _identity(reference: Reference) -> dict[str, str]:
    if reference.digest:
        return {"imageDigest": reference.digest}
    return {"imageTag": reference.tag or "latest"}


def _shown(reference: Reference) -> str:
    if reference.digest:
        return f"{reference.repository}@{reference.digest[:19]}"
    return f"{reference.repository}:{reference.tag or 'latest'}"
