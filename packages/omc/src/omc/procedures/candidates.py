"""Which revisions of a service are known good, and which of them is the one to go back to. Pure.

Known good: verified by omc in this environment (the ledger), else deployed successfully as ECS tells. A revision that
was left for an older one was rolled back from, so it isn't, whatever ECS says of its deployment. What was watched
against the load balancer's figures goes before what only ran.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from omc.facts.candidates import is_revision_number
from omc.facts.deployments import KEPT_DAYS, ROLLED_BACK, History
from omc.facts.releases import Ledger
from omc.facts.services import EcsService
from omc.model.releases import Release
from omc.times import format_time


@dataclass(frozen=True, slots=True)
class DeploymentPeriod:
    """A time in which a service ran a revision."""

    task_definition: str
    since: datetime
    until: datetime | None
    release: Release | None
    """The ledger's, where omc verified it."""

    @property
    def is_rollback(self) -> bool:
        return self.release is not None and self.release.is_rollback


@dataclass(frozen=True, slots=True)
class Candidate:
    """A revision that could be gone back to."""

    task_definition: str
    verified: datetime
    """When omc last saw it to be good; without a release, when ECS had completed its deployment."""
    served: timedelta
    release: Release | None
    rolled_back_from: bool
    watched: bool = False
    """A release of it was compared with what was there before, by figures of the load balancer."""


@dataclass(frozen=True, slots=True)
class Setback:
    """A revision that was deployed and taken back."""

    task_definition: str
    at: datetime
    why: str
    """ECS's reason; empty where a person or omc went back."""


def stays(service: str, history: History, ledger: Ledger) -> list[DeploymentPeriod]:
    """What the service ran, oldest first: ECS's deployments, with the ledger's releases where they agree.

    The ledger reaches further back than ECS's ninety days; a release that changed another service only is no new stay.
    """
    moments: list[tuple[datetime, str, Release | None]] = [
        (deployment.finished or deployment.created, deployment.left, None)
        for deployment in history.of.get(service, ())
        if deployment.left
    ]
    moments += [
        (release.verified, release.services[service].task_definition, release)
        for release in ledger.releases
        if service in release.services
    ]
    found: list[DeploymentPeriod] = []
    for at, revision, release in sorted(moments, key=lambda moment: moment[0]):
        if found and found[-1].task_definition == revision:
            last = found[-1]
            found[-1] = DeploymentPeriod(revision, last.since, None, last.release or release)
            continue
        if found:
            found[-1] = DeploymentPeriod(found[-1].task_definition, found[-1].since, at, found[-1].release)
        found.append(DeploymentPeriod(revision, at, None, release))
    return found


def candidates(service: str, running: str, history: History, ledger: Ledger, now: datetime) -> list[Candidate]:
    """Newest first, each revision once, the running one left out."""
    sequence = stays(service, history, ledger)
    left_for_older = rolled_back_from(sequence)
    watched = {
        release.services[service].task_definition
        for release in ledger.releases
        if service in release.services and release.watched
    }
    found: dict[str, Candidate] = {}
    for stay in reversed(sequence):
        name = stay.task_definition
        if name == running:
            continue
        before = found.get(name)
        length = (stay.until or now) - stay.since
        found[name] = Candidate(
            task_definition=name,
            verified=before.verified if before else stay.release.verified if stay.release else stay.since,
            served=length + (before.served if before else timedelta(0)),
            release=(before.release if before else None) or stay.release,
            rolled_back_from=name in left_for_older,
            watched=name in watched,
        )
    return list(found.values())


def rolled_back_from(sequence: Sequence[DeploymentPeriod]) -> set[str]:
    """Of stays in the order in which they followed each other: the revisions that were left for an older one.

    One that was deployed again afterwards is no longer among them.
    """
    left: set[str] = set()
    for number, current in enumerate(sequence[:-1]):
        left.discard(sequence[number + 1].task_definition)
        if _goes_back(sequence, number):
            left.add(current.task_definition)
    return left


def last_rollback(sequence: Sequence[DeploymentPeriod]) -> tuple[str, datetime] | None:
    """If the service was rolled back last: from which revision, and when."""
    if len(sequence) > 1 and _goes_back(sequence, len(sequence) - 2):
        return sequence[-2].task_definition, sequence[-1].since
    return None


def _goes_back(sequence: Sequence[DeploymentPeriod], number: int) -> bool:
    """Whether a stay was left for what is older: for what ran before it, or for a smaller number of its own family.

    Numbers of two families have nothing to do with each other.
    """
    current, following = sequence[number], sequence[number + 1]
    if following.is_rollback:
        return True
    family, mine = _parts(current.task_definition)
    other_family, other = _parts(following.task_definition)
    if family == other_family:
        return other < mine
    return any(stay.task_definition == following.task_definition for stay in sequence[:number])


def _parts(revision: str) -> tuple[str, int]:
    family, _, number = revision.rpartition(":")
    return family, int(number) if is_revision_number(number) else 0


def setbacks(service: str, history: History, ledger: Ledger) -> list[tuple[str, datetime, Setback | None]]:
    """(revision, when, what became of it), oldest first: what was deployed, and whether it was taken back: by ECS
    during its deployment, or by whoever went back afterwards."""
    sequence = stays(service, history, ledger)
    found: list[tuple[str, datetime, Setback | None]] = []
    for number, stay in enumerate(sequence):
        left = number + 1 < len(sequence) and _goes_back(sequence, number)
        back = Setback(stay.task_definition, sequence[number + 1].since, "") if left else None
        found.append((stay.task_definition, stay.since, back))
    for deployment in history.of.get(service, ()):
        if deployment.status in ROLLED_BACK and deployment.task_definition:
            at = deployment.finished or deployment.created
            why = f"alarm {', '.join(deployment.alarms)}" if deployment.alarms else deployment.rollback_reason
            back = Setback(deployment.task_definition, at, (why or deployment.reason).rstrip("."))
            found.append((deployment.task_definition, at, back))
    return sorted(found, key=lambda each: each[1])


def last_good(found: Sequence[Candidate]) -> Candidate | None:
    """What omc watched goes before what only ran: what omc could not watch, and what only ECS says."""
    good = [candidate for candidate in found if not candidate.rolled_back_from]
    return next((candidate for candidate in good if candidate.watched), good[0] if good else None)


def last_release(running: Mapping[str, str], ledger: Ledger) -> Release | None:
    """The newest release, of the services together, that isn't what runs and was not rolled back from; one that was
    watched before one that was not."""
    bad: set[int] = set()
    for older, newer in pairwise(reversed(ledger.releases)):
        if newer.is_rollback:
            bad |= {release.number for release in ledger.releases if revisions_of(release) == revisions_of(older)}
        bad -= {release.number for release in ledger.releases if revisions_of(release) == revisions_of(newer)}
    good = [
        release
        for release in ledger.releases
        if release.number not in bad
        and any(running.get(name) != revision for name, revision in revisions_of(release).items())
    ]
    return next((release for release in good if release.watched), good[0] if good else None)


def revisions_of(release: Release) -> Mapping[str, str]:
    """By service."""
    return {name: service.task_definition for name, service in release.services.items()}


def reach(service: EcsService, history: History, zone: str) -> str:
    """How far ECS's own history of a service was read, in a sentence: no other may claim more than this."""
    name, found = service.name, history.of.get(service.name, ())
    if name in history.read_back_to:
        back_to = format_time(history.read_back_to[name], zone)
        return f"Of {name}, the {len(found)} newest deployments that ECS knows were read, back to {back_to}."
    if found:
        counted, were = ("the one deployment", "was") if len(found) == 1 else (f"all {len(found)} deployments", "were")
        return f"Of {name}, {counted} that ECS knows {were} read; it keeps {KEPT_DAYS} days."
    if any(deployment.rollout == "COMPLETED" or deployment.running for deployment in service.deployments):
        return (
            f"What was deployed to {name} before is not known to ECS any more: it keeps {KEPT_DAYS} days, and what "
            f"runs is older."
        )
    return f"ECS knows of no deployment to {name}; it keeps {KEPT_DAYS} days."
