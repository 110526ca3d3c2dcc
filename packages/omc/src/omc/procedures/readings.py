"""What becomes of a plan when one of its readings can't be had: one rule, for every command alike. Pure.

What the plan's steps are made of, or its way back, is needed: without it there is no plan. What only warns of something
that the change may run into is done without, and the plan says which risk that leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.backups import Backups
from omc.facts.cache_group import CacheGroup, CacheSettings, CacheTypes, CacheVersions
from omc.facts.candidates import Candidates
from omc.facts.connections import Connections
from omc.facts.database_options import (
    AskedParameters,
    BlueGreen,
    MasterSecret,
    OfferedClass,
    RunningVersion,
    StorageChange,
)
from omc.facts.definitions import Definitions
from omc.facts.deployed_images import DeployedImages
from omc.facts.deployments import History
from omc.facts.images import WantedImages
from omc.facts.incidents import OpenIncidents
from omc.facts.infrastructure import DeletionProtection, SavedPlan
from omc.facts.pending import Pending
from omc.facts.quotas import Quotas
from omc.facts.registered import Registered
from omc.facts.releases import Ledger
from omc.facts.requirements import CandidateNeeds, Requirements
from omc.facts.scaling import Scaling
from omc.facts.services import Services
from omc.facts.standing_images import StandingImages
from omc.facts.subnets import Subnets
from omc.facts.temporary import Temporary
from omc.facts.verifications import Verifications
from omc.facts.workers import Workers

NEEDED: Mapping[type, str] = {
    Services: "the services are what is changed",
    Definitions: "a new revision is made from the running one, and the way back leads to it",
    WantedImages: "the image is what is deployed",
    History: "it tells what is under way, and what can be gone back to",
    Ledger: "it tells what was verified",
    Candidates: "they are what is gone back to",
    Registered: "they are what is deregistered, and what is still in use",
    Scaling: "its limits are what is set, and what is given back",
    OpenIncidents: "they stop deployments; they are in omc's own record, without which nothing can be done",
    SavedPlan: "it is what is applied",
    DeletionProtection: "it decides what can be destroyed",
    ActiveRun: "two changes at a time can't be; it is in omc's own record, without which nothing can be done",
    Backups: "they are what is restored, and what it is restored to is made like the database of now",
    Verifications: "the last backup that was found sound is never deleted",
    CacheGroup: "it is what is changed",
    CacheTypes: "they tell what it can become",
    CacheVersions: "they tell what it can become",
    CacheSettings: "they are what is set for the new engine",
    RunningVersion: "it tells what the database can become",
    OfferedClass: "it tells whether RDS has the class",
    AskedParameters: "they are what is set, and what is set back",
    MasterSecret: "it is what is rotated",
    BlueGreen: "it tells how far an upgrade is",
    Temporary: "an apply must not end it silently; it is in omc's own record, without which nothing can be done",
    Workers: "they are in omc's own record, without which nothing can be done",
}
"""Without one of these there is no plan, and why."""


@dataclass(frozen=True, slots=True)
class Spared:
    """A reading that a plan does without."""

    instead: Callable[[], Any]
    """What the planner gets: a reading that warns of nothing."""
    risk: str
    """What may then go wrong, as a sentence's end."""


SPARED: Mapping[type, Spared] = {
    Alarms: Spared(
        lambda: Alarms(()),
        "whether an alarm fires already is not known: it would hide what the change does, and ECS would heed none",
    ),
    Requirements: Spared(
        lambda: Requirements({}),
        "whether the secrets, log groups and roles of the new tasks exist is not known: without one they don't start",
    ),
    StandingImages: Spared(
        lambda: StandingImages({}),
        "whether the registry has the images of the new tasks is not known: without one they don't start",
    ),
    CandidateNeeds: Spared(
        lambda: CandidateNeeds({}),
        "whether the secrets, log groups and roles of the old revision exist is not known: without one its tasks don't "
        "start",
    ),
    Subnets: Spared(
        lambda: Subnets({}),
        "whether there are enough addresses is not known: a task without one doesn't start",
    ),
    Connections: Spared(
        lambda: Connections(None, {}),
        "whether the database has enough connections is not known: more tasks may be refused theirs",
    ),
    Quotas: Spared(
        lambda: Quotas(None, {}, 0.0),
        "whether Fargate's quota is large enough is not known: tasks above it don't start",
    ),
    Pending: Spared(
        lambda: Pending(()),
        "whether something already waits for the maintenance window is not known: what is applied immediately "
        "would bring that too",
    ),
    StorageChange: Spared(
        StorageChange,
        "whether the storage was changed within six hours is not known: RDS would refuse another change",
    ),
    DeployedImages: Spared(
        lambda: DeployedImages({}),
        "whether the image was rolled back from before is not known: it may be one that failed here",
    ),
}
"""Without one of these the plan is made, with its risk as a note."""


def without(fact: type, why: str) -> tuple[Any, str] | None:
    """What a planner gets instead of a fact that could not be read, and the plan's note; None where it is needed."""
    spared = SPARED.get(fact)
    if spared is None:
        return None
    return spared.instead(), note(fact, why)


def note(fact: type, why: str) -> str:
    """What a plan says of a reading that it does without: the risk, and why it isn't known."""
    return f"Not checked, {SPARED[fact].risk}. {why[:1].upper()}{why[1:].rstrip('.')}."
