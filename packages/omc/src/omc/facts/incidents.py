"""Incidents that are open in this environment. Their table is in ``omc.store``."""

from __future__ import annotations

from dataclasses import dataclass

from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.incidents.model import Incident
from omc.store.opened import Store


@dataclass(frozen=True, slots=True)
class OpenIncidents:
    """The environment's incidents that nobody has resolved, the worst first."""

    incidents: tuple[Incident, ...]
    reading: Reading = NO_READING


@reads
def read_open_incidents(store: Store, environment: Environment) -> OpenIncidents:
    """From omc's own database: nothing is asked of AWS."""
    from omc.store.incidents import incidents_of

    found = [incident for incident in incidents_of(store, environment.name) if incident.is_open]
    return OpenIncidents(tuple(sorted(found, key=lambda incident: (incident.severity, incident.number))))
