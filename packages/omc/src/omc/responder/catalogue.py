"""What is known of each alert beforehand: what it means, what to do first, what it depends on, what it explains.

The data is ``catalogue.toml``; nothing here judges. An alert that isn't in it is an alert all the same.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from omc.incidents.incident import Incident

SERVICE, SUBJECT = "{service}", "{subject}"
SAME = "/same"


@dataclass(frozen=True, slots=True)
class KnownAlert:
    """One kind of alert."""

    kind: str
    name: str
    """As the source has it, without the environment's prefix; ``{service}`` stands for any service, ``{subject}`` for
    whatever the source calls the thing."""
    severity: int
    """Where neither the message nor a tag says it."""
    symptom: str
    action: str
    """The one thing to do first."""
    escalation: str
    """What to do if that doesn't end it."""
    runbook: str
    """The section that answers it: ``docs/runbook/alerts.md#…``."""
    source: str | None = None
    """From whom alone it comes; None: whoever says it."""
    group: str | None = None
    """The shared dependency with whose alerts it becomes one incident; None: its service."""
    explains: frozenset[str] = frozenset()
    """Kinds that it explains, whatever service they are of."""
    explains_of_its_service: frozenset[str] = frozenset()


@cache
def catalogue() -> Mapping[str, KnownAlert]:
    """All of them, by kind, in the file's order."""
    read = tomllib.loads(files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8"))
    found = {}
    for entry in read["alert"]:
        explains = entry.pop("explains", ())
        known = KnownAlert(
            **entry,
            explains=frozenset(each for each in explains if not each.endswith(SAME)),
            explains_of_its_service=frozenset(each.removesuffix(SAME) for each in explains if each.endswith(SAME)),
        )
        found[known.kind] = known
    return found


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], KnownAlert], ...]:
    """Names without a service first: ``rds-no-data`` is no ``no-data`` of a service called ``rds``."""
    known = sorted(catalogue().values(), key=lambda each: SERVICE in each.name or SUBJECT in each.name)
    return tuple((re.compile(_pattern(each.name)), each) for each in known)


def groups_of(incident: Incident) -> frozenset[str]:
    """The shared dependencies of its alerts."""
    known = (find(alert.name, None)[0] for alert in incident.alerts.values())
    return frozenset(each.group for each in known if each is not None and each.group is not None)


def _pattern(name: str) -> str:
    service, subject = r"(?P<service>[a-z0-9][a-zA-Z0-9_-]*)", r"[^\s]+"
    return re.escape(name).replace(re.escape(SERVICE), service).replace(re.escape(SUBJECT), subject)


def find(name: str, source: str | None) -> tuple[KnownAlert | None, str | None]:
    """What is known of an alert of this name, which has no prefix, and the service that the name says. ``source``: from
    whom it is; None where that isn't known any more."""
    for pattern, known in _patterns():
        if (source is None or known.source in (None, source)) and (found := pattern.fullmatch(name)):
            return known, found.groupdict().get("service")
    return None, None
