"""A server that ends idle connections before the load balancer does: the next request on one of them gets a 502."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.finding import Evidence, Level
from omc.checks.runbook import HIGH_ERROR_RATE
from omc.config import Service
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.followup.last_words import LastWords
from omc.facts.services import Services
from omc.facts.tasks import StoppedTasks
from omc.times import format_time

LATELY = timedelta(minutes=15)
BEFORE = timedelta(minutes=2)
"""A task that stopped so long before the first minute with a 502 may have brought it."""
_VARIABLE = re.compile(
    r"\w*KEEP_?ALIVE(?:_?TIMEOUT)?(?:_?(?P<unit>MS|MILLIS|MILLISECONDS|S|SEC|SECONDS))?", re.IGNORECASE
)
_OPTION = re.compile(r"--(?:timeout-)?keep-alive(?:-timeout)?[= ](?P<value>\d{1,6})\b")
_SERVERS: tuple[tuple[re.Pattern[str], str, float], ...] = (
    (re.compile(r"\bgunicorn\b"), "gunicorn", 2.0),
    (re.compile(r"\buvicorn\b"), "uvicorn", 5.0),
    (re.compile(r"(?:^|[/ ])node\b"), "Node", 5.0),
)
"""What servers do without a setting, in seconds. Sources: gunicorn, Settings, keepalive; uvicorn, Settings,
--timeout-keep-alive; Node.js, HTTP, server.keepAliveTimeout."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """How long a server keeps an idle connection, and what says so."""

    seconds: float
    source: str
    is_set: bool = True
    """Somebody gave it; else it is what the server does by itself."""


def ended_too_soon(situation: Situation) -> Iterator[Cause]:
    """Where the load balancer answered 502 by itself lately, and a server is known to end connections first.

    What is ill behind a server brings other answers: it may be a coincidence only where tasks stopped too, or nobody
    set it."""
    settings, services = situation.fact(BalancerSettings), situation.fact(Services)
    if settings is None or services is None or not settings.idle:
        return
    failed = [(at, value) for at, value in settings.bad_gateways if value and situation.scope.now - at <= LATELY]
    if not failed:
        return
    idle = max(settings.idle.values())
    revisions = {service.name: service.task_definition for service in services.services}
    for service in situation.environment.services:
        known = _keep_alive(situation, service, revisions.get(service.name, ""), settings)
        if known is None or known.seconds > idle:
            continue
        seconds = known.seconds
        number, refused = sum(value for _, value in failed), sum(value for _, value in settings.unreached)
        zone = situation.environment.time_zone
        yield Cause(
            name="keep-alive-too-short",
            place=f"services/{service.name}",
            subject=service.name,
            sentence=f"{service.name} ends an idle connection after {seconds:g} s, the load balancer keeps it for "
            f"{idle:g} s: what it sends on one that just ended gets a 502, {number:.0f} of them in the last minutes.",
            evidence=(
                Evidence(known.source, reading_of(situation.fact(LastWords))),
                Evidence(f"idle_timeout.timeout_seconds is {idle:g}", settings.reading),
                Evidence(
                    f"HTTPCode_ELB_502_Count {number:.0f}, the first at {format_time(failed[0][0], zone)}; "
                    f"TargetConnectionErrorCount {refused:.0f}",
                    settings.reading,
                ),
            ),
            level=Level.WARN,
            procedure=HIGH_ERROR_RATE,
            since=failed[0][0],
            services=frozenset({service.name}),
            is_direct=False,
            based_on=f"services/{service.name}",  # no store that is ill brings it about
            checks=frozenset({"error-rate", "users-served", "alarms"}),
            yields=not known.is_set or _has_lost_tasks(situation, service, failed[0][0]),
        )


def _has_lost_tasks(situation: Situation, service: Service, since: datetime) -> bool:
    """Whether tasks of it stopped about when the 502 began, or since: those end connections too."""
    stopped = situation.fact(StoppedTasks)
    return stopped is None or any(
        task.service == service.name and task.stopped >= since - BEFORE for task in stopped.tasks
    )


def _keep_alive(situation: Situation, service: Service, revision: str, settings: BalancerSettings) -> KeepAlive | None:
    """By a variable, an option, the image's label, else what its server does by itself."""
    words = situation.fact(LastWords)
    details = words.revisions.get(revision) if words else None
    for name, value in (details.variables.get(service.container, {}) if details else {}).items():
        if option := _OPTION.search(value):
            return KeepAlive(float(option["value"]), f"{name} of {revision} says {option[0]}")
        found = None if name.upper().startswith("TCP") else _VARIABLE.fullmatch(name)
        if found and re.fullmatch(r"\d{1,7}", value) and int(value) > 1:
            is_milliseconds = (found["unit"] or "").upper().startswith("M") or int(value) >= 1000
            return KeepAlive(int(value) / (1000 if is_milliseconds else 1), f"{name} of {revision} is {value}")
    command = details.commands.get(service.container, "") if details else ""
    if option := _OPTION.search(command):
        return KeepAlive(float(option["value"]), f"the command of {revision} says {option[0]}")
    if service.name in settings.keep_alives:
        seconds = settings.keep_alives[service.name]
        return KeepAlive(seconds, f"its image's label keep-alive-seconds is {seconds:g}")
    for pattern, server, seconds in _SERVERS:
        if pattern.search(command):
            source = f"{revision} runs {server} with no setting of it, which ends them after {seconds:g} s"
            return KeepAlive(seconds, source, is_set=False)
    return None
