"""A server that ends idle connections before the load balancer does: the next request on one of them gets a 502."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.finding import Evidence, Level
from omc.checks.runbook import HIGH_ERROR_RATE
from omc.config import Service
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.followup.last_words import LastWords
from omc.facts.services import Services
from omc.times import format_time

LATELY = timedelta(minutes=15)
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


def ended_too_soon(situation: Situation) -> Iterator[Cause]:
    """Where the load balancer answered 502 by itself lately, and a server is known to end connections first."""
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
        if known is None or known[0] > idle:
            continue
        seconds, source = known
        number, refused = sum(value for _, value in failed), sum(value for _, value in settings.unreached)
        zone = situation.environment.time_zone
        yield Cause(
            name="keep-alive-too-short",
            place=f"services/{service.name}",
            subject=service.name,
            sentence=f"{service.name} ends an idle connection after {seconds:g} s, the load balancer keeps it for "
            f"{idle:g} s: what it sends on one that just ended gets a 502, {number:.0f} of them in the last minutes.",
            evidence=(
                Evidence(source, reading_of(situation.fact(LastWords))),
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
            checks=frozenset({"error-rate", "users-served", "alarms"}),
            yields=True,
        )


def _keep_alive(
    situation: Situation, service: Service, revision: str, settings: BalancerSettings
) -> tuple[float, str] | None:
    """Seconds, and what says so: a variable, an option, the image's label, else what its server does by itself."""
    words = situation.fact(LastWords)
    details = words.revisions.get(revision) if words else None
    for name, value in (details.variables.get(service.container, {}) if details else {}).items():
        if option := _OPTION.search(value):
            return float(option["value"]), f"{name} of {revision} says {option[0]}"
        found = None if name.upper().startswith("TCP") else _VARIABLE.fullmatch(name)
        if found and re.fullmatch(r"\d{1,7}", value) and int(value) > 1:
            is_milliseconds = (found["unit"] or "").upper().startswith("M") or int(value) >= 1000
            return int(value) / (1000 if is_milliseconds else 1), f"{name} of {revision} is {value}"
    command = details.commands.get(service.container, "") if details else ""
    if option := _OPTION.search(command):
        return float(option["value"]), f"the command of {revision} says {option[0]}"
    if service.name in settings.keep_alives:
        seconds = settings.keep_alives[service.name]
        return seconds, f"its image's label keep-alive-seconds is {seconds:g}"
    for pattern, server, seconds in _SERVERS:
        if pattern.search(command):
            return seconds, f"{revision} runs {server} with no setting of it, which ends them after {seconds:g} s"
    return None
