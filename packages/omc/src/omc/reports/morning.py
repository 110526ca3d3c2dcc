"""The morning check of one environment, or of several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway, access_to
from omc.checks.finding import Evidence, Finding, Level
from omc.checks.morning import MORNING
from omc.checks.run import Report, run_checks
from omc.config import Environment
from omc.errors import OmcError
from omc.facts.collector import NO_READING
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.store.location import StoreLocation

DAY = timedelta(hours=24)


def morning(
    gateway: Gateway, since: timedelta = DAY, *, is_part: bool = False, place: StoreLocation | None = None
) -> Report:
    """The morning check of the gateway's environment, whole: everything that asks how the stack is calls this.

    ``is_part``: only some of the environment's services are asked for. ``place`` is where omc's record of it is; it is
    opened only where something there may explain a finding. Raises ``WrongUse`` for another account's
    credentials; everything else that can't be read is a finding.
    """
    scope = Scope(datetime.now(UTC), since, is_part)
    return run_checks(MORNING, Facts(gateway, scope, {StoreLocation: place or StoreLocation()}))


def of_environments(
    environments: Sequence[Environment],
    since: timedelta = DAY,
    *,
    is_part: bool = False,
    places: Mapping[str, StoreLocation] | None = None,
) -> list[Report]:
    """The morning check of each, side by side, in their order; ``places`` by their names. One that can't be read at
    all is a report that says so, and costs the others nothing."""
    gateways: list[Gateway | Report] = []
    for environment in environments:
        try:
            gateway = Gateway(environment, access_to(environment))
            gateway.log_in()  # it may ask a person: one after another
            gateways.append(gateway)
        except OmcError as error:
            gateways.append(_unread(environment, error))

    def ask(way: Gateway | Report) -> Report:
        if isinstance(way, Report):
            return way
        try:
            return morning(way, since, is_part=is_part, place=(places or {}).get(way.environment.name))
        except OmcError as error:  # another account's credentials
            return _unread(way.environment, error)

    return parallel_map(ask, gateways)


def _unread(environment: Environment, error: OmcError) -> Report:
    evidence = (Evidence("could not be read: the environment", NO_READING),)
    finding = Finding(
        "environment", Level.UNKNOWN, environment.name, error.message, evidence, MORNING.runbook, True, place="omc"
    )
    return Report(MORNING.title, environment, None, datetime.now(UTC), 0.0, (finding,), ())
