"""By which rules alerts are judged in one environment: ``[alerts]`` of omc.toml, ready to be asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from omc.config import Environment, Stack
from omc.config.alert_tables import ALERTS, AlertsTable
from omc.model.matchers import Matcher, all_match, parse_all
from omc.responder.alerts import Facts
from omc.responder.catalogue import catalogue

REOPEN_WITHIN, QUIET = timedelta(minutes=60), timedelta(minutes=15)
"""Where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class InhibitRule:
    """One of ``[[alerts.inhibit]]``."""

    cause: tuple[Matcher, ...]
    explains: tuple[Matcher, ...]
    same: tuple[str, ...]

    def holds(self, cause: Mapping[str, str], explained: Mapping[str, str]) -> bool:
        return (
            all_match(self.cause, cause)
            and all_match(self.explains, explained)
            and all(cause.get(each) and cause.get(each) == explained.get(each) for each in self.same)
        )


@dataclass(frozen=True, slots=True)
class Route:
    """One of ``[[alerts.routes]]``."""

    match: tuple[Matcher, ...]
    severity: int | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one environment."""

    environment: str
    prefix: str = ""
    """What its alarms' names begin with."""
    services: frozenset[str] = frozenset()
    channel: str = ""
    """Where people are told what needs no answer: ``#alerts``."""
    group_window: timedelta = timedelta(minutes=ALERTS.group_window_minutes)
    reopen_within: timedelta = REOPEN_WITHIN
    """So soon after its incident's end an alert that fires again reopens it: ``on_call.reopen_minutes``."""
    quiet: timedelta = QUIET
    """So long after its last alert's end an incident is over, if all is well: ``on_call.quiet_minutes``."""
    without_end: timedelta = timedelta(minutes=ALERTS.without_end_minutes)
    old_news: timedelta = timedelta(minutes=ALERTS.old_news_minutes)
    """So long after it fired nobody is called for what has ended since."""
    unknown_severity: int = ALERTS.unknown_severity
    flapping_fires: int = ALERTS.flapping.fires
    flapping_within: timedelta = timedelta(minutes=ALERTS.flapping.within_minutes)
    settle: timedelta = timedelta(minutes=ALERTS.flapping.settle_minutes)
    flapping_severities: frozenset[int] = frozenset(ALERTS.flapping.severities)
    inhibit: tuple[InhibitRule, ...] = ()
    routes: tuple[Route, ...] = ()

    def short(self, name: str) -> str:
        """An alarm's name without what all of the environment's begin with."""
        return name.removeprefix(self.prefix) or name


def rules_of(stack: Stack, environment: Environment) -> Rules:
    """Those of omc.toml. ``WrongUse`` where a condition is none."""
    services = frozenset(each.name for each in environment.services)
    return from_table(
        stack.alerts,
        environment.name,
        environment.alarm_prefix,
        services,
        stack.channels.alerts or "",
        reopen_within=timedelta(minutes=stack.on_call.reopen_minutes),
        quiet=timedelta(minutes=stack.on_call.quiet_minutes),
    )


def from_table(
    table: AlertsTable,
    environment: str,
    prefix: str = "",
    services: frozenset[str] = frozenset(),
    channel: str = "",
    *,
    reopen_within: timedelta = REOPEN_WITHIN,
    quiet: timedelta = QUIET,
) -> Rules:
    return Rules(
        environment=environment,
        prefix=prefix,
        services=services,
        channel=channel,
        reopen_within=reopen_within,
        quiet=quiet,
        group_window=timedelta(minutes=table.group_window_minutes),
        without_end=timedelta(minutes=table.without_end_minutes),
        old_news=timedelta(minutes=table.old_news_minutes),
        unknown_severity=table.unknown_severity,
        flapping_fires=table.flapping.fires,
        flapping_within=timedelta(minutes=table.flapping.within_minutes),
        settle=timedelta(minutes=table.flapping.settle_minutes),
        flapping_severities=frozenset(table.flapping.severities),
        inhibit=tuple(
            InhibitRule(parse_all(each.cause), parse_all(each.explains), each.same) for each in table.inhibit
        ),
        routes=tuple(Route(parse_all(each.match), each.severity, each.group) for each in table.routes),
    )


def kind_explains(cause: Facts, explained: Facts) -> bool:
    """Whether omc's catalogue says that an alert of the one kind explains one of the other."""
    known = catalogue().get(cause.kind)
    if known is None:
        return False
    if explained.kind in known.explains:
        return True
    return explained.kind in known.explains_of_its_service and cause.service == explained.service is not None


def kinds_beside(kind: str) -> frozenset[str]:
    """The kinds that a kind explains by omc's catalogue, and those that explain it."""
    known = catalogue().get(kind)
    explained = (known.explains | known.explains_of_its_service) if known else frozenset[str]()
    causes = (
        each.kind for each in catalogue().values() if kind in each.explains or kind in each.explains_of_its_service
    )
    return explained.union(causes)
