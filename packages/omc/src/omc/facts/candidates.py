"""What a rollback could return to: the revisions that history and ledger name, as they are now, and their images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.definitions import Definition, Definitions, describe_definitions
from omc.facts.deployments import History
from omc.facts.images import account_of, existing_digests, parse
from omc.facts.releases import Ledger
from omc.model.requests import RollbackRequest

MAX_DIGITS = 9
MAX_CANDIDATES = 10
"""Revisions of a service that are looked up: this many from the ledger, and as many from ECS's own history."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """By ``family:revision``."""

    definitions: Mapping[str, Definition]
    """Those that ECS still knows, ACTIVE or not."""
    images: frozenset[tuple[str, str]]
    """(repository, digest) of those of their images that are in the registry."""
    reading: Reading = NO_READING
    looked_up: frozenset[str] = frozenset()
    """All that were asked for. Whether others exist isn't known."""
    region: str = ""

    def missing_images(self, images: Mapping[str, str]) -> list[str]:
        """Of a definition's images, those that are pinned and no longer in the registry. Of one outside the region's
        ECR, nothing is known."""
        parsed = [parse(image) for image in images.values()]
        pinned = [image for image in parsed if image and image.digest and account_of(image.registry, self.region)]
        return [f"{i.repository}@{i.digest[:19]}" for i in pinned if (i.repository, i.digest) not in self.images]

    def all_looked_up(self, images: Mapping[str, str]) -> bool:
        """Whether each of a definition's images is pinned, so that it is known to be there or gone."""
        return all((image := parse(each)) and image.repository and image.digest for each in images.values())


@reads
def read_candidates(
    aws: Gateway,
    environment: Environment,
    request: RollbackRequest,
    definitions: Definitions,
    history: History,
    ledger: Ledger,
) -> Candidates:
    """A call a revision, and one a repository."""
    names: list[str] = []
    for service in environment.services:
        recorded = [r.services[service.name].task_definition for r in ledger.releases if service.name in r.services]
        deployed = [deployment.left for deployment in history.of.get(service.name, ()) if deployment.left]
        names += [*list(dict.fromkeys(recorded))[:MAX_CANDIDATES], *list(dict.fromkeys(deployed))[:MAX_CANDIDATES]]
        names += [named_revision(request.to, service.family)] if request.to else []
    known = {definition.name: definition for definition in definitions.running.values()}
    wanted = [name for name in dict.fromkeys(names) if name not in known]
    found = {**known, **describe_definitions(aws, wanted)}
    images = [parse(image) for definition in found.values() for image in definition.images.values()]
    images += [
        parse(image)
        for release in ledger.releases[:MAX_CANDIDATES]
        for service_then in release.services.values()
        for image in service_then.images.values()
    ]
    digests = existing_digests(aws, [image for image in images if image])
    return Candidates(found, digests, looked_up=frozenset(names), region=environment.region)


def named_revision(to: str, family: str) -> str:
    """``7`` of a family as ``family:7``; a whole name as it is."""
    return f"{family}:{to}" if is_revision_number(to) else to.rpartition("/")[2]


def is_revision_number(text: str) -> bool:
    """As ECS numbers them: an int of its API's. ``isdigit`` alone is also true of ``²``."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
