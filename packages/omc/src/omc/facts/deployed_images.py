"""The images of what was deployed: of the ledger's releases, of the newest revisions in ECS's own history, and of what
omc itself has undone, by its record, which doesn't forget after ninety days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.definitions import describe_definitions
from omc.facts.deployments import History
from omc.facts.releases import Ledger
from omc.store.opened import Store

MAX_IMAGES = 10
"""Revisions of a service that are asked for beside those that the ledger knows."""


@dataclass(frozen=True, slots=True)
class UndoneImage:
    """An image that a run of omc's has deployed and taken back."""

    run: str
    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class DeployedImages:
    """By ``family:revision``."""

    of: Mapping[str, Mapping[str, str]]
    """Each container's image as the revision names it."""
    reading: Reading = NO_READING
    undone: Mapping[tuple[str, str], UndoneImage] = field(default_factory=dict)
    """By service and digest; those that were deployed again since, and stayed, are left out."""

    def digests(self, revision: str) -> frozenset[str]:
        """Of its images that are pinned."""
        images = self.of.get(revision, {}).values()
        return frozenset(digest for _, _, digest in (image.rpartition("@") for image in images) if ":" in digest)


@reads
def read_deployed_images(
    aws: Gateway, environment: Environment, history: History, ledger: Ledger, store: Store
) -> DeployedImages:
    """One call for each revision that the ledger doesn't know."""
    from omc.store.runs import ended_deploys

    of: dict[str, Mapping[str, str]] = {
        service.task_definition: service.images for release in ledger.releases for service in release.services.values()
    }
    names: list[str] = []
    for service in environment.services:
        deployed = dict.fromkeys(each.task_definition for each in history.of.get(service.name, ()))
        names += [name for name in deployed if name and name not in of][:MAX_IMAGES]
    found = describe_definitions(aws, names)
    with store.reading() as session:
        undone = undone_by(ended_deploys(session, environment.name))
    return DeployedImages({**of, **{name: definition.images for name, definition in found.items()}}, undone=undone)


def undone_by(runs: Iterable[Any]) -> dict[tuple[str, str], UndoneImage]:
    """From runs of ``omc deploy``, oldest first: each image whose last deployment was undone, and by which run."""
    found: dict[tuple[str, str], UndoneImage] = {}
    for run in runs:
        for image in _registered(run.plan):
            if run.verdict == "rolled back" and run.ended_at is not None:
                found[image] = UndoneImage(run.id, run.ended_at, run.sentence or "")
            elif run.verdict in ("succeeded", "unknown"):
                found.pop(image, None)
    return found


def _registered(plan: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Service and digest of each image for which the plan registers a revision that is rolled."""
    rolled = {step["arguments"].get("service") for step in plan["steps"] if step["action"] == "ecs.roll_service"}
    return {
        (str(step["arguments"]["service"]), container["image"].partition("@")[2])
        for step in plan["steps"]
        if step["action"] == "ecs.register_revision" and step["arguments"]["service"] in rolled
        for container in step["arguments"]["definition"].get("containerDefinitions", [])
        if "@sha256:" in container.get("image", "")
    }
