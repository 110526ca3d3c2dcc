"""Which revisions of a service are known good, and which of them is the one to go back to. Pure.

Known good: verified by omc in this environment (the ledger), else deployed successfully as ECS tells. A revision that
was left for an older one was rolled back from, so it isn't, whatever ECS says of its deployment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from omc.facts.deployments import History
from omc.facts.releases import Ledger, Release


@dataclass(frozen=True, slots=True)
class Stay:
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


def stays(service: str, history: History, ledger: Ledger) -> list[Stay]:
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
    found: list[Stay] = []
    for at, revision, release in sorted(moments, key=lambda moment: moment[0]):
        if found and found[-1].task_definition == revision:
            last = found[-1]
            found[-1] = Stay(revision, last.since, None, last.release or release)
            continue
        if found:
            found[-1] = Stay(found[-1].task_definition, found[-1].since, at, found[-1].release)
        found.append(Stay(revision, at, None, release))
    return found


def candidates(service: str, running: str, history: History, ledger: Ledger, now: datetime) -> list[Candidate]:
    """Newest first, each revision once, the running one left out."""
    sequence = stays(service, history, ledger)
    left_for_older = rolled_back_from(sequence)
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
        )
    return list(found.values())


def rolled_back_from(sequence: Sequence[Stay]) -> set[str]:
    """Of stays in the order in which they followed each other: the revisions that were left for an older one.

    One that was deployed again afterwards is no longer among them.
    """
    left: set[str] = set()
    for current, following in pairwise(sequence):
        left.discard(following.task_definition)
        if following.is_rollback or _number(following.task_definition) < _number(current.task_definition):
            left.add(current.task_definition)
    return left


def last_rollback(sequence: Sequence[Stay]) -> tuple[str, datetime] | None:
    """If the service was rolled back last: from which revision, and when."""
    if len(sequence) > 1 and sequence[-2].task_definition in rolled_back_from(sequence[-2:]):
        return sequence[-2].task_definition, sequence[-1].since
    return None


def _number(revision: str) -> int:
    return int(revision.rpartition(":")[2] or 0)


def last_good(found: Sequence[Candidate]) -> Candidate | None:
    """What omc verified goes before what only ECS says."""
    good = [candidate for candidate in found if not candidate.rolled_back_from]
    return next((candidate for candidate in good if candidate.release), good[0] if good else None)


def last_release(running: Mapping[str, str], ledger: Ledger) -> Release | None:
    """The newest release, of the services together, that isn't what runs and was not rolled back from."""
    bad: set[int] = set()
    for older, newer in pairwise(reversed(ledger.releases)):
        if newer.is_rollback:
            bad |= {release.number for release in ledger.releases if revisions_of(release) == revisions_of(older)}
        bad -= {release.number for release in ledger.releases if revisions_of(release) == revisions_of(newer)}
    for release in ledger.releases:
        there = revisions_of(release)
        if release.number not in bad and any(running.get(name) != revision for name, revision in there.items()):
            return release
    return None


def revisions_of(release: Release) -> Mapping[str, str]:
    """By service."""
    return {name: service.task_definition for name, service in release.services.items()}
