"""What is there of what should be. A listing without an answer leaves only its own kinds unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omc.aws.calls import parallel_map, record
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import AccessDenied, BadAnswer, OmcError
from omc.facts.alarms import Alarms
from omc.facts.collector import NO_READING, Reading, reads, reads_in
from omc.facts.expected import Expected, Thing
from omc.facts.expected_without_state import without_state
from omc.facts.home import require_own_record
from omc.facts.listeners import Listeners
from omc.facts.listings import LISTINGS, OF_FACTS, Facts, Listing, NotRead
from omc.facts.load_balancers import LoadBalancers, TargetGroups
from omc.facts.pending import Pending
from omc.facts.services import Services
from omc.model.releases import Release
from omc.store.location import StoreLocation


@dataclass(frozen=True, slots=True)
class NotListed:
    """A listing that had no answer."""

    types: tuple[str, ...]
    why: str
    action: str = ""
    """The IAM action that is missing; else empty."""
    is_reported: bool = False
    """Another check says that it is unknown."""


@dataclass(frozen=True, slots=True)
class Found:
    """What should be there, beside what is there of the same kinds."""

    wanted: tuple[Thing, ...]
    things: tuple[Thing, ...]
    not_listed: tuple[NotListed, ...] = ()
    release: int = 0
    """The number of the verified release that some of the expected things come from; 0: none."""
    reading: Reading = NO_READING


Types = tuple[str, ...]
Answer = tuple[Sequence[Thing], NotListed | None]
NO_FACTS = Facts(None, None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Listed:
    """The listings that rest on no other fact, by their types. They are asked while others are still being read."""

    answers: Mapping[Types, Answer]
    reading: Reading = NO_READING


@reads_in(2)
def read_listed(aws: Gateway, expected: Expected) -> Listed:
    """For what Terraform's state expects; without a state, only other facts say what is expected."""
    rows = [row for row in LISTINGS if row[1] not in OF_FACTS]
    return Listed(_answers(aws, NO_FACTS, expected.things if expected.is_states else (), rows))


@reads
def read_found(
    aws: Gateway,
    environment: Environment,
    place: StoreLocation,
    expected: Expected,
    listed: Listed,
    alarms: Alarms | None,
    balancers: LoadBalancers | None,
    groups: TargetGroups | None,
    listeners: Listeners | None,
    services: Services | None,
    pending: Pending | None,
) -> Found:
    """The listings of the expected kinds, but for what other facts have listed already."""
    wanted, number = expected.things, 0
    if not expected.is_states:
        release = _last_release(aws, place)
        number = release.number if release else 0
        wanted = without_state(environment, services, alarms, release)
    facts = Facts(alarms, balancers, groups, listeners, services, pending)
    for call in listed.reading.calls:
        record(call)
    rest = [row for row in LISTINGS if row[0] not in listed.answers]
    answers = {**listed.answers, **_answers(aws, facts, wanted, rest)}
    ordered = [answers[types] for types, _ in LISTINGS if types in answers]
    return Found(
        wanted,
        tuple(thing for things, _ in ordered for thing in things),
        tuple(problem for _, problem in ordered if problem),
        number,
    )


def _answers(
    aws: Gateway, facts: Facts, wanted: Sequence[Thing], rows: Sequence[tuple[Types, Listing]]
) -> dict[Types, Answer]:
    """Those of ``rows`` that are of expected kinds, side by side."""
    by_type: dict[str, list[Thing]] = {}
    for thing in wanted:
        by_type.setdefault(thing.type, []).append(thing)
    requested = [row for row in rows if any(kind in by_type for kind in row[0])]
    answers = parallel_map(lambda row: _asked(aws, facts, by_type, *row), requested)
    return {types: answer for (types, _), answer in zip(requested, answers, strict=True)}


def _asked(aws: Gateway, facts: Facts, by_type: Mapping[str, list[Thing]], types: Types, listing: Listing) -> Answer:
    try:
        return list(listing(aws, [thing for kind in types for thing in by_type.get(kind, ())], facts)), None
    except NotRead:
        return [], NotListed(types, "no answer to another reading that would show it", is_reported=True)
    except AccessDenied as error:
        return [], NotListed(types, error.message, error.action)
    except OmcError as error:
        return [], NotListed(types, error.message)
    except KeyError as error:
        return [], NotListed(types, BadAnswer(f"AWS's answer lacks {error}.").message)


def _last_release(aws: Gateway, place: StoreLocation) -> Release | None:
    """Where nothing was ever kept, no store is opened for it; where it can't be read, or is another account's, nothing
    follows from it."""
    if not place.exists:
        return None
    from omc.store.database import open_store
    from omc.store.releases import releases_of

    try:
        with open_store(place) as store:
            require_own_record(store, aws)
            releases = releases_of(store, aws.environment.name)
    except OmcError:
        return None
    return next((release for release in releases if release.ended is None), None)
