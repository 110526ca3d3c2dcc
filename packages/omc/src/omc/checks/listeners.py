"""Checks of the load balancer's listeners and rules: where each leads, and whether each service is led to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import MORNING_CHECKS, USERS_CANT_REACH
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.listeners import Action, Listener, Listeners, Rule
from omc.facts.load_balancers import GroupHealth, LoadBalancer, LoadBalancers, TargetHealth
from omc.facts.probes import Probes, working
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services
from omc.output.text import counted

EVERYTHING = frozenset({"*", "/*"})
"""Patterns of a path that leave nothing to the rules after."""


@dataclass(frozen=True, slots=True)
class _Problem:
    level: Level
    subject: str
    sentence: str


@dataclass(frozen=True, slots=True)
class _Known:
    """What the rules are judged against."""

    listeners: Listeners
    environment: Environment
    groups: Mapping[str, GroupHealth]
    """By ARN."""
    by_name: Mapping[str, EcsService]
    is_part: bool

    def owners(self, arn: str) -> list[EcsService]:
        """ECS services that register with the group, as ECS tells."""
        return [one for one in self.by_name.values() if arn in (*one.target_groups, *one.alternates.values())]

    def meant_for(self, arn: str) -> str:
        """The service whose group it is by omc.toml, or that registers with it; else empty."""
        name = self.group(arn)
        intended = next((one.name for one in self.environment.services if name in one.target_groups), "")
        return intended or next((one.name for one in self.owners(arn)), "")

    def group(self, arn: str) -> str:
        found = self.groups.get(arn)
        return found.group.name if found else arn.partition(":targetgroup/")[2].partition("/")[0] or arn

    def place(self, arn: str) -> str:
        """For people: the service, or the group of nobody."""
        return self.meant_for(arn) or f"the target group {self.group(arn)}"


@check(
    "listeners",
    title="Listeners and rules: where each leads",
    question="Does every listener and rule lead to an existing target group, and does one lead to every service?",
    severity=Level.FAIL,
    runbook=USERS_CANT_REACH,
)
def listeners(
    listeners: Listeners,
    load_balancers: LoadBalancers,
    health: TargetHealth,
    services: Services,
    probes: Probes | None,
    environment: Environment,
    scope: Scope,
) -> Iterator[Finding]:
    if not environment.has_load_balancer:
        return
    known = _Known(
        listeners,
        environment,
        {group.group.arn: group for group in health.groups},
        {service.name: service for service in services.services},
        scope.is_part,
    )
    evidence = tuple(
        Evidence(_told(listener, rule, known), listeners.reading)
        for listener in listeners.listeners
        for rule in listener.rules
    )
    problems: list[_Problem] = []
    for balancer in load_balancers.load_balancers:
        if balancer.kind == "application":
            problems += _of_balancer(balancer, known, probes)
    if listeners.listeners:  # without any, that is all there is to say
        problems += [problem for service in services.services for problem in _of_service(service, known)]
    for problem in problems:
        yield Finding(
            check="listeners",
            level=problem.level,
            subject=problem.subject,
            sentence=problem.sentence,
            evidence=evidence or (Evidence("ELB returned no listener", listeners.reading),),
            procedure=USERS_CANT_REACH,
            place="load-balancer",
        )
    if listeners.denied:
        yield Finding(
            check="listeners",
            level=Level.UNKNOWN,
            subject="rules",
            sentence=listeners.denied.message,
            evidence=evidence,
            procedure=MORNING_CHECKS,
            unread=True,
            action=listeners.denied.action,
            place="load-balancer",
        )
    elif not problems:
        yield Finding(
            check="listeners",
            level=Level.OK,
            subject="listeners",
            sentence=_summary(known) or "No application load balancer has listeners to look at.",
            evidence=evidence or (Evidence("no application load balancer", listeners.reading),),
            place="load-balancer",
        )


def _of_balancer(balancer: LoadBalancer, known: _Known, probes: Probes | None) -> Iterator[_Problem]:
    own = [listener for listener in known.listeners.listeners if listener.balancer == balancer.arn]
    if not own:
        yield _Problem(Level.FAIL, balancer.name, "The load balancer has no listener: nobody can connect to it.")
        return
    yield from _way_in(balancer, own, probes)
    for listener in own:
        for rule in listener.rules:
            for level, sentence in _of_rule(listener, rule, own, known):
                yield _Problem(level, f"{listener.name} {rule.name}", sentence)


def _way_in(balancer: LoadBalancer, own: list[Listener], probes: Probes | None) -> Iterator[_Problem]:
    """A listener where users come in, unless something before the load balancer takes them in there."""
    if probes is None or not probes.base:
        return
    try:
        parts = urlsplit(probes.base)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return
    if any(listener.port == port and listener.protocol.lower() == parts.scheme for listener in own):
        return
    if any(working(request.answers) for request in probes.requests):
        return  # a CDN, or a local cloud's other ports: users do get answers
    there = ", ".join(listener.name for listener in own)
    yield _Problem(
        Level.FAIL,
        balancer.name,
        f"Users come in at {probes.base}, but no listener takes {parts.scheme.upper()} on port {port}; there "
        f"is {there}.",
    )


def _of_rule(listener: Listener, rule: Rule, own: list[Listener], known: _Known) -> Iterator[tuple[Level, str]]:
    action, which = rule.action, f"{listener.name}, {'default action' if rule.is_default else rule.name},"
    takes_all = rule.is_default or (
        len(rule.conditions) == 1
        and rule.conditions[0].field == "path-pattern"
        and bool(EVERYTHING & set(rule.conditions[0].values))
    )
    if action.kind == "forward":
        yield from _of_forward(action, which, known)
    elif action.kind == "fixed-response" and action.status.startswith("5"):
        whom = (
            "everyone"
            if takes_all and not rule.is_default
            else "everything that no rule matches"
            if rule.is_default
            else "those"
        )
        level = Level.FAIL if takes_all else Level.WARN
        yield level, f"{which} answers {whom} with a fixed {action.status} on its own: no service is asked."
    elif action.kind == "fixed-response" and takes_all and not rule.is_default:
        yield Level.FAIL, f"{which} answers everyone with a fixed {action.status} on its own: no service is asked."
    elif action.kind == "redirect":
        yield from _of_redirect(action, which, listener, own, takes_all=takes_all)
    elif action.kind not in ("forward", "redirect", "fixed-response"):
        yield Level.UNKNOWN, f"{which} has an action that omc doesn't know ({action.kind or 'ELB does not say which'})."


def _of_forward(action: Action, which: str, known: _Known) -> Iterator[tuple[Level, str]]:
    if not action.receivers:
        yield Level.FAIL, f"{which} sends to no target group: every weight is 0."
    total = sum(weight for _, weight in action.groups) or 1
    for arn in action.receivers:
        found = known.groups.get(arn)
        if found is None:
            if not known.is_part:
                yield Level.FAIL, f"{which} leads to the target group {known.group(arn)}, which is not there."
            continue
        if any(target.state != "draining" for target in found.targets):
            continue
        intended, owners = known.meant_for(arn), known.owners(arn)
        if owners or (intended and intended not in known.by_name):
            continue  # the service is scaled to zero, fails to start or is gone, which is told as that
        if intended and known.by_name[intended].desired == 0:
            continue
        weight = dict(action.groups)[arn]
        share = f" {100 * weight / total:.0f} % of" if len(action.receivers) > 1 else ""
        whom = f"with which {intended} doesn't register" if intended else "with which no service registers"
        yield (
            Level.FAIL,
            f"{which} leads to the target group {known.group(arn)}, {whom} and which has no target:{share} its "
            "requests get 503.",
        )


def _of_redirect(
    action: Action, which: str, listener: Listener, own: list[Listener], *, takes_all: bool
) -> Iterator[tuple[Level, str]]:
    scheme, _, rest = action.to.partition("://")
    host, _, tail = rest.partition(":")
    port = tail.partition("/")[0].replace("#{port}", str(listener.port))
    protocol = scheme.replace("#{protocol}", listener.protocol)
    if host != "#{host}":
        if takes_all:
            yield Level.WARN, f"{which} redirects everyone to {host}: what users get there was not checked."
        return
    if port.isdigit() and not any(one.port == int(port) and one.protocol == protocol for one in own):
        yield Level.FAIL, f"{which} redirects to {protocol} on port {port}, where there is no listener."


def _of_service(service: EcsService, known: _Known) -> Iterator[_Problem]:
    """A service that registers with target groups of which none gets a request."""
    groups = [*service.target_groups, *service.alternates.values()]
    intended = {one.name: one.target_groups for one in known.environment.services}
    by_name = [arn for arn, found in known.groups.items() if found.group.name in intended.get(service.name, ())]
    groups = groups or by_name
    led = known.listeners.leads_to
    if not groups or any(arn in led for arn in groups):
        return
    is_used = any(arn in known.groups and known.groups[arn].group.is_used for arn in groups)
    if is_used:  # by rules that could not be read, or by another load balancer
        return
    default = next(
        (rule.action for listener in known.listeners.listeners for rule in listener.rules if rule.is_default), None
    )
    instead = f" Requests for it get the default action: {_does(default, known)}." if default else ""
    names = ", ".join(known.group(arn) for arn in groups)
    yield _Problem(
        Level.FAIL,
        service.name,
        f"No listener and no rule leads to {service.name} (target group {names}): it gets no request.{instead}",
    )


# In words


def _does(action: Action, known: _Known) -> str:
    if action.kind == "forward":
        return "to " + " and ".join(known.place(arn) for arn in action.receivers)
    if action.kind == "fixed-response":
        return f"answered {action.status} by the load balancer"
    if action.kind == "redirect":
        return f"redirected to {action.to}"
    return action.kind or "to an unknown place"


def _told(listener: Listener, rule: Rule, known: _Known) -> str:
    login = "after a login, " if rule.action.logs_in else ""
    return f"{listener.name} rule {rule.priority} ({rule.name}): {login}{_does(rule.action, known)}"


def _summary(known: _Known) -> str:
    """``HTTP:80 leads /api/* to backend, default to frontend.``"""
    parts = []
    for listener in known.listeners.listeners:
        led = ", ".join(f"{rule.name} {_does(rule.action, known)}" for rule in listener.rules[:4])
        more = f" and {counted(len(listener.rules) - 4, 'more rule')}" if len(listener.rules) > 4 else ""
        parts.append(f"{listener.name} leads {led}{more}")
    return "; ".join(parts) + "." if parts else ""
