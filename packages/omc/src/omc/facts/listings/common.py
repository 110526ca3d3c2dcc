"""What every listing takes: what is expected of its types, and what other facts have read already."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from omc.aws.gateway import Gateway
from omc.facts.alarms import Alarms
from omc.facts.expected import Thing
from omc.facts.listeners import Listeners
from omc.facts.load_balancers import LoadBalancers, TargetGroups
from omc.facts.pending import Pending
from omc.facts.services import Services


@dataclass(frozen=True, slots=True)
class Facts:
    """What has been read already; None where it could not be."""

    alarms: Alarms | None
    balancers: LoadBalancers | None
    groups: TargetGroups | None
    listeners: Listeners | None
    services: Services | None
    pending: Pending | None


Wanted = Sequence[Thing]
Listing = Callable[[Gateway, Wanted, Facts], Iterable[Thing]]


class NotRead(Exception):
    """A fact that a listing rests on could not be read; the check of that fact says so."""


def fact(value: Any) -> Any:
    """The fact; raises ``NotRead`` where there is none."""
    if value is None:
        raise NotRead
    return value


def named(wanted: Wanted, name: str) -> list[str]:
    """The values of one attribute, sorted, each once."""
    return sorted({str(thing.values[name]) for thing in wanted if thing.values.get(name)})


def common_prefix(names: Iterable[str]) -> str:
    """What all of them begin with."""
    columns = zip(*names, strict=False)
    return "".join(column[0] for column in itertools.takewhile(lambda letters: len(set(letters)) == 1, columns))
