"""The images of what was deployed: of the ledger's releases, and of the newest revisions in ECS's own history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omc.aws.gateway import Gateway
from omc.facts.collector import UNREAD, Reading, reads
from omc.facts.definitions import describe_definitions
from omc.facts.deployments import History
from omc.facts.releases import Ledger
from omc.stack import Environment

MOST = 10
"""Revisions of a service that are asked for beside those that the ledger knows."""


@dataclass(frozen=True, slots=True)
class DeployedImages:
    """By ``family:revision``."""

    of: Mapping[str, Mapping[str, str]]
    """Each container's image as the revision names it."""
    reading: Reading = UNREAD

    def digests(self, revision: str) -> frozenset[str]:
        """Of its images that are pinned."""
        images = self.of.get(revision, {}).values()
        return frozenset(digest for _, _, digest in (image.rpartition("@") for image in images) if ":" in digest)


@reads
def read_deployed_images(aws: Gateway, environment: Environment, history: History, ledger: Ledger) -> DeployedImages:
    """A call a revision that the ledger doesn't know."""
    of: dict[str, Mapping[str, str]] = {
        service.task_definition: service.images for release in ledger.releases for service in release.services.values()
    }
    names: list[str] = []
    for service in environment.services:
        deployed = dict.fromkeys(each.task_definition for each in history.of.get(service.name, ()))
        names += [name for name in deployed if name and name not in of][:MOST]
    found = describe_definitions(aws, names)
    return DeployedImages({**of, **{name: definition.images for name, definition in found.items()}})
