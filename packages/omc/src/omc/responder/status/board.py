"""The status of an environment as customers see it: components, and what they were told. Pure.

How a component is comes from what people said of it. Where nobody has said anything and it isn't known that all is
well, it is *unknown*: an incident is open of which customers weren't told yet, or nobody reads the alarms.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from omc.config import Stack
from omc.config.status_tables import StatusTable
from omc.incidents.events import Reopened, UpdateSent
from omc.incidents.incident import COMPONENT_STATES, SEVERITIES, Incident
from omc.maintenance.model import Maintenance, StepStatus

OPERATIONAL = COMPONENT_STATES[0]
UNKNOWN = "unknown"
MAINTENANCE = "under_maintenance"
"""As Statuspage calls a component that is worked on as was announced."""
RANK: Mapping[str, int] = {
    state: rank for rank, state in enumerate((OPERATIONAL, MAINTENANCE, UNKNOWN, *COMPONENT_STATES[1:]))
}
"""From the best to the worst; what isn't known is worse than what is well."""
SCHEDULED, IN_PROGRESS = "scheduled", "in_progress"
RESOLVED = "resolved"
NAMESPACE = uuid.UUID("6f1d9c52-6ad3-4f0e-9d0e-0c8f5f1f2b17")
"""Of the ids by which customers know an incident: its number says how many there are."""


@dataclass(frozen=True, slots=True)
class PublicUpdate:
    """What customers were told once."""

    id: str
    """A UUID."""
    key: str
    """``3.17``: the incident, and the place of the event in its stream. Not for customers."""
    at: datetime
    phase: str
    text: str
    states: Mapping[str, str]
    """What it says of components."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that customers are told of."""

    kind: str
    """``incident`` or ``maintenance``."""
    id: str
    """A UUID."""
    title: str
    phase: str
    began_at: datetime
    """Of a maintenance: when its window begins, or began."""
    ended_at: datetime | None
    """None while it lasts, or is still to come."""
    states: Mapping[str, str]
    """How the components are by it; those that it never named are missing."""
    updates: tuple[PublicUpdate, ...]
    """The newest first; never empty."""
    until: datetime | None = None
    """Of a maintenance: when its window ends."""

    @property
    def is_open(self) -> bool:
        return self.ended_at is None

    @property
    def updated_at(self) -> datetime:
        return max(self.updates[0].at, self.ended_at or self.updates[0].at)


@dataclass(frozen=True, slots=True)
class Component:
    id: str
    name: str
    state: str
    """One of ``COMPONENT_STATES``, ``under_maintenance`` or ``unknown``."""


@dataclass(frozen=True, slots=True)
class Board:
    """All of it, at a moment."""

    title: str
    environment: str
    at: datetime
    components: tuple[Component, ...]
    entries: tuple[Entry, ...]
    """Those that last, then those of the past, each the newest first."""

    @property
    def state(self) -> str:
        """The worst of all components."""
        return max((each.state for each in self.components), key=RANK.__getitem__, default=UNKNOWN)


def components_of(stack: Stack, environment: str) -> Mapping[str, str]:
    """Their names for customers, by service."""
    if stack.status.components:
        return {name: each.name for name, each in stack.status.components.items()}
    return {each.name: each.name for each in stack.environments[environment].services}


def title_of(stack: Stack) -> str:
    return stack.status.title or stack.name


def board_of(
    stack: Stack,
    environment: str,
    incidents: Iterable[Incident],
    now: datetime,
    *,
    is_watched: bool,
    maintenances: Iterable[Maintenance] = (),
) -> Board:
    """``is_watched``: somebody reads the alarms just now, so that silence means that all is well."""
    every = list(incidents)
    names = components_of(stack, environment)
    entries = entries_of(stack.name, environment, every, names)
    entries += [_maintenance(stack.name, each, names, now) for each in maintenances if each.scheduled.public]
    horizon = now - timedelta(days=stack.status.history_days)
    shown = [each for each in entries if each.is_open or each.updated_at >= horizon]
    shown.sort(key=lambda each: (each.is_open, each.began_at), reverse=True)
    untold = [each for each in every if is_untold(each)]
    states = {name: _state(name, names, shown, untold, is_watched=is_watched) for name in names}
    return Board(
        title=title_of(stack),
        environment=environment,
        at=now,
        components=tuple(Component(name, names[name], states[name]) for name in names),
        entries=tuple(shown),
    )


def entries_of(stack: str, environment: str, incidents: Iterable[Incident], names: Mapping[str, str]) -> list[Entry]:
    """What customers were told of each incident; one that goes on in another one is told with that one."""
    by_number = {each.number: each for each in incidents}
    published: dict[int, list[tuple[Incident, PublicUpdate, str]]] = {}
    for each in by_number.values():
        for sequence, event in enumerate(each.events, start=1):
            if isinstance(event.payload, UpdateSent) and event.payload.phase:
                root = _root(each, by_number)
                update = public_update(stack, environment, each.number, sequence, event.payload, event.at, names)
                published.setdefault(root.number, []).append((each, update, event.payload.title))
    found = []
    for number, updates in published.items():
        updates.sort(key=lambda each: (each[1].at, each[1].key))
        found.append(_entry(stack, by_number[number], updates, names))
    return found


def public_update(
    stack: str,
    environment: str,
    number: int,
    sequence: int,
    payload: UpdateSent,
    at: datetime,
    names: Mapping[str, str],
) -> PublicUpdate:
    key = f"{number}.{sequence}"
    states = {each.component: each.state for each in payload.components if each.component in names}
    return PublicUpdate(_id(stack, environment, key), key, at, payload.phase, payload.text, states)


def _maintenance(stack: str, found: Maintenance, names: Mapping[str, str], now: datetime) -> Entry:
    """With the text that a person wrote for customers; its phase follows from what happened to it."""
    was_missed = found.started_at is None and now >= found.end  # it can't be started any more
    ended_at = found.ended_at or (found.end if was_missed else None)
    is_under_way = found.baseline is not None or any(each.status is not StepStatus.OPEN for each in found.steps)
    phase = "completed" if ended_at is not None else IN_PROGRESS if is_under_way else SCHEDULED
    states = {name: MAINTENANCE for name in found.scheduled.affects if name in names and phase == IN_PROGRESS}
    key = f"maintenance {found.number}"
    updates = [_told(stack, found, f"{key}.1", found.scheduled_at, SCHEDULED)]
    if is_under_way:
        updates.insert(0, _told(stack, found, f"{key}.2", max(found.begin, found.scheduled_at), IN_PROGRESS))
    if ended_at is not None:
        updates.insert(0, _told(stack, found, f"{key}.3", ended_at, "completed"))
    return Entry(
        kind="maintenance",
        id=_id(stack, found.environment, key),
        title=found.title,
        phase=phase,
        began_at=found.begin,
        ended_at=ended_at,
        states=states,
        updates=tuple(updates),
        until=found.end,
    )


def _told(stack: str, found: Maintenance, key: str, at: datetime, phase: str) -> PublicUpdate:
    text = found.scheduled.public
    if phase == "completed":
        text = f"{'It was called off. ' if found.verdict != 'succeeded' else 'It is done. '}{text}"
    return PublicUpdate(_id(stack, found.environment, key), key, at, phase, text, {})


def is_untold(incident: Incident) -> bool:
    """Whether users suffer, as far as is known, and customers weren't told of it since it began, or began again."""
    if not incident.is_open or not SEVERITIES[incident.severity].stops_deployments:
        return False
    for event in reversed(incident.events):
        if isinstance(event.payload, Reopened):
            return True
        if isinstance(event.payload, UpdateSent) and event.payload.phase:
            return False
    return True


def usual_title(components: Iterable[str], names: Mapping[str, str]) -> str:
    """What customers know an incident as, where nobody called it anything."""
    return f"Problem with {spoken(components, names)}"


def spoken(components: Iterable[str], names: Mapping[str, str]) -> str:
    """Names in a sentence: ``Prices and Orders``."""
    known = [names[each] for each in names if each in set(components)]
    if not known:
        return "our service"
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} and {known[-1]}"


def templates_of(status: StatusTable) -> Mapping[str, str]:
    """By phase."""
    texts = status.templates
    return {
        "investigating": texts.investigating,
        "identified": texts.identified,
        "monitoring": texts.monitoring,
        RESOLVED: texts.resolved,
    }


def _entry(
    stack: str, root: Incident, published: Sequence[tuple[Incident, PublicUpdate, str]], names: Mapping[str, str]
) -> Entry:
    states: dict[str, str] = {}
    for _, update, _ in published:
        states.update(update.states)
    last = published[-1][1]
    title = next((title for _, _, title in reversed(published) if title), "") or usual_title(states, names)
    ended = last.at if last.phase == RESOLVED else None
    if ended is None and root.resolved_at is not None:
        ended = max(root.resolved_at, last.at)
    first = min((incident.opened_at for incident, _, _ in published), default=root.opened_at)
    return Entry(
        kind="incident",
        id=_id(stack, root.environment, str(root.number)),
        title=title,
        phase=RESOLVED if ended is not None else last.phase,
        began_at=first,
        ended_at=ended,
        states=states,
        updates=tuple(update for _, update, _ in reversed(published)),
    )


def _state(
    name: str, names: Mapping[str, str], entries: Sequence[Entry], untold: Sequence[Incident], *, is_watched: bool
) -> str:
    published = [each.states for each in entries if each.is_open and (each.kind == "incident" or each.states)]
    states = [each[name] for each in published if name in each]
    if any(not each.services or name in each.services or not set(each.services) & set(names) for each in untold):
        states.append(UNKNOWN)  # what was said of another incident says nothing of this one
    if states:
        return max(states, key=RANK.__getitem__)
    return UNKNOWN if any(not each for each in published) or not is_watched else OPERATIONAL


def _root(incident: Incident, by_number: Mapping[int, Incident]) -> Incident:
    """The incident in which it goes on."""
    seen: set[int] = set()
    while incident.number not in seen:
        seen.add(incident.number)
        incident = by_number.get(incident.merged_into or 0, incident)
    return incident


def _id(stack: str, environment: str, of: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{stack}/{environment}/{of}"))
