"""What somebody changed just before it began: a release that answers with errors, a change in the account; and AWS
that answers with too many requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from omc.checks.causes.heard import heard
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.places import OF_SERVICES, place_of_finding
from omc.checks.causes.questions import is_trouble
from omc.checks.causes.releases import back, has_older
from omc.checks.causes.words import Kind
from omc.checks.finding import Evidence, Level
from omc.checks.runbook import DEPLOYMENTS, INFRASTRUCTURE, LOG_ANALYSIS
from omc.errors import Throttled
from omc.facts.collector import Unavailable
from omc.facts.followup.last_writes import LastWrites, Write
from omc.facts.logs import RecentErrors
from omc.facts.services import Deployment, EcsService, Services
from omc.facts.traffic import Minute, Traffic
from omc.times import format_time

SOON = timedelta(minutes=10)
"""Errors that a release brings begin within this time after its start: its tasks start one after another."""
BEFORE = timedelta(minutes=30)
"""Minutes before a deployment that show what was usual."""
JUST_BEFORE = timedelta(minutes=15)
"""A change so long before the first bad reading may have brought it."""
MINUTE = timedelta(minutes=1)
SHOWN = 3
THROTTLES = "operations are being throttled"
"""Of ECS's service event. Source: Amazon ECS Developer Guide, Service event messages."""
CHANGES = re.compile(
    r"(?:Create|Delete|Update|Put|Modify|Revoke|Authorize|Replace|Set|Attach|Detach|Reboot|Stop|Enable|Disable|Associate|"
    r"Disassociate|Remove|Add|Register|Deregister|Change|Restore|Failover|Reset)[A-Z]\w*"
)
HARMLESS = frozenset(
    {
        *("CreateLogStream", "CreateLogGroup", "PutMetricData", "PutLogEvents", "RegisterTaskDefinition", "AddTags"),
        *(
            "DeregisterTaskDefinition",
            "CreateTags",
            "PutImage",
            "PutObject",
            "AddTagsToResource",
            "CreateNetworkInterface",
        ),
        *("DeleteNetworkInterface", "UpdateInstanceInformation", "PutDashboard", "CreateDBSnapshot", "CreateSnapshot"),
        *("SetAlarmState", "StopQuery", "DeleteMessage", "PutMetricAlarm", "PutRetentionPolicy"),
    }
)
"""Calls that change nothing of what serves."""
HURT = frozenset({*OF_SERVICES, "targets", "users-served", "error-rate", "alarms", "recent-errors", "data-fresh"})


def failing_since_release(situation: Situation) -> Iterator[Cause]:
    """5xx that began with a deployment, where there were none before. A coincidence is possible."""
    services, traffic = situation.fact(Services), situation.fact(Traffic)
    found = [
        (began, service, new)
        for service in (services.services if services and traffic else ())
        for new in service.deployments
        if new.status == "PRIMARY" and (began := _began(situation, traffic.minutes if traffic else (), new)) is not None
    ]
    if not found:
        return
    began, service, new = min(found, key=lambda each: abs(each[0].at - each[2].created))
    bad = [each for each in (traffic.minutes if traffic else ()) if each.at >= began.at and each.errors]
    errors, total = sum(each.errors for each in bad), sum(each.total for each in bad)
    write = situation.service_changed(service.name)
    zone = situation.environment.time_zone
    older = has_older(service, new)
    yield Cause(
        name="release-errors",
        place=f"services/{service.name}",
        subject=service.name,
        sentence=f"5xx answers began with the deployment of {new.task_definition}, {situation.ago(new.created)}: "
        f"{errors:.0f} of {total:.0f} since, none in the half hour before.",
        evidence=(
            Evidence(
                f"first minute with 5xx {format_time(began.at, zone)}, deployed {format_time(new.created, zone)}",
                reading_of(traffic),
            ),
            *_new_lines(situation, service, new),
            *situation.by_whom(write),
        ),
        level=Level.WARN,
        procedure=back(situation, service) if older else DEPLOYMENTS,
        since=new.created,
        services=frozenset({service.name}),
        is_direct=False,
        checks=HURT,
        yields=True,
    )


def _began(situation: Situation, minutes: Sequence[Minute], new: Deployment) -> Minute | None:
    """The first bad minute, where it lies just after the deployment's start and the time before was well."""
    limit = situation.environment.thresholds.error_percent
    bad = [each for each in minutes if each.percent > limit and each.at >= new.created - BEFORE]
    before = [each for each in minutes if new.created - BEFORE <= each.at and each.at + MINUTE <= new.created]
    if not bad or not before or any(each.errors for each in before):
        return None
    first = min(bad, key=lambda each: each.at)
    return first if new.created - MINUTE <= first.at <= new.created + SOON else None


def _new_lines(situation: Situation, service: EcsService, new: Deployment) -> Iterator[Evidence]:
    """Errors that the service has only said since."""
    errors = situation.fact(RecentErrors)
    group = next((each.log_group for each in situation.environment.services if each.name == service.name), "")
    for each in errors.groups if errors else ():
        if each.log_group == group and each.first >= new.created:
            yield Evidence(
                f'said for the first time since: "{each.sample[:160]}", {each.count} times',
                errors.reading if errors else reading_of(None),
            )
            return


def changed_before(situation: Situation) -> Iterator[Cause]:
    """A change of something of ours just before the first reading that was bad. Nothing but the time connects them."""
    writes = situation.fact(LastWrites)
    began = _first_bad(situation)
    if writes is None or began is None:
        return
    ours = [
        write
        for write in writes.writes
        if began - JUST_BEFORE <= write.at <= began + MINUTE and _is_ours(write, situation.environment.prefix)
    ]
    if not ours:
        return
    newest = ours[0]
    mine = [write for write in ours if write.who == newest.who]
    calls = ", ".join(dict.fromkeys(write.operation for write in mine[:SHOWN]))
    by = f"Terraform, run by {newest.who}," if any(write.is_terraform for write in mine) else newest.who
    number = "a call" if len(mine) == 1 else f"{len(mine)} calls"
    thing = next(iter(sorted(name for name in newest.names if situation.environment.prefix in name)), "")
    yield Cause(
        name="changed-just-before",
        place=f"infrastructure/{thing.rpartition('/')[2] or newest.operation}",
        subject=newest.operation,
        sentence=f"{by} changed something just before it began, {situation.ago(newest.at)}: {number} ({calls}).",
        evidence=tuple(each for write in mine[:SHOWN] for each in situation.by_whom(write)),
        level=Level.WARN,
        procedure=INFRASTRUCTURE,
        since=min(write.at for write in mine),
        is_direct=False,
        checks=HURT,
        yields=True,
        doubts=("Nothing but the time connects the change with what suffers.",),
    )


def _is_ours(write: Write, prefix: str) -> bool:
    is_change = CHANGES.fullmatch(write.operation) and write.operation not in HARMLESS
    return bool(is_change) and any(prefix in name for name in write.names)


def _first_bad(situation: Situation) -> datetime | None:
    """When it began, by the findings that say so and the load balancer's minutes."""
    times = [each.since for each in situation.findings if is_trouble(each) and each.since and each.check in HURT]
    traffic = situation.fact(Traffic)
    rates = [each for each in situation.findings if each.check == "error-rate" and is_trouble(each)]
    if traffic and rates and place_of_finding(rates[0]) == "load-balancer":
        limit = situation.environment.thresholds.error_percent
        times += [each.at for each in traffic.minutes if each.percent > limit][:1]
    return min(times, default=None)


def throttled(situation: Situation) -> Iterator[Cause]:
    """AWS refuses calls of tasks, or of ECS's own for a service, since there are too many of them."""
    lines = [each for each in heard(situation) if each.message.kind is Kind.THROTTLED]
    services = situation.fact(Services)
    events = [
        (service.name, event)
        for service in (services.services if services else ())
        for event in service.events
        if THROTTLES in event.message and situation.scope.now - event.at <= BEFORE
    ]
    if not lines and not events:
        return
    names = list(dict.fromkeys([*(each.service for each in lines if each.service), *(name for name, _ in events)]))
    own = [
        value
        for value in situation.readings.values()
        if isinstance(value, Unavailable) and isinstance(value.error, Throttled)
    ]
    what = lines[0].message.what if lines and lines[0].message.what else "too many requests"
    who = f"calls of {' and '.join(names)}" if lines else f"ECS's own calls for {' and '.join(names)}"
    read = reading_of(situation.fact(RecentErrors))
    yield Cause(
        name="aws-throttles",
        place="aws",
        subject="AWS",
        sentence=f"AWS throttles {who}: {what if lines else 'ECS says that operations are being throttled'}.",
        evidence=(
            *(Evidence(f'{each.service} says: "{each.message.line}", {each.count} times', read) for each in lines[:2]),
            *(
                Evidence(f"event at {situation.when(each.at)}: {each.message}", reading_of(services))
                for _, each in events[:1]
            ),
            *(
                (Evidence(f"omc's own calls were throttled too: {own[0].error.message}", own[0].reading),)
                if own
                else ()
            ),
        ),
        level=Level.WARN,
        procedure=LOG_ANALYSIS,
        since=min([*(each.first for each in lines), *(each.at for _, each in events)]),
        services=frozenset(names) or None,
        is_direct=False,
        checks=HURT,
        yields=True,
    )
