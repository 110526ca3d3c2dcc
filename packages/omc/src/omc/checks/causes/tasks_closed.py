"""What closes off the tasks themselves: a security group that lets nobody in, so that the load balancer's requests get
no answer; one that lets nothing out, so that no store can be reached; and a network ACL in front of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from omc.checks.causes.heard import heard, is_about
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.network_acls import Denial, cause_of, denial, way_back
from omc.checks.causes.paths import CLOSINGS, changed_by, closed_side, opens
from omc.checks.causes.places import place_of_finding, service_at
from omc.checks.finding import Evidence, Level
from omc.checks.runbook import DATABASE_TIMEOUT, SERVICE_UNHEALTHY
from omc.facts.collector import NO_READING
from omc.facts.followup.group_rules import GroupRules
from omc.facts.followup.network_acls import AclRule, NetworkAcls
from omc.facts.services import EcsService, Services

ON_THE_WAY = ("users/", "targets/", "services/")
STORES = ("database", "cache")


def closed_tasks(situation: Situation) -> Iterator[Cause]:
    """Only for services that users or the load balancer can't reach, or that can't reach a store."""
    yield from _denied(situation)
    rules, services = situation.fact(GroupRules), situation.fact(Services)
    ports = {service.name: service.port for service in situation.environment.services}
    for service in services.services if rules and services else ():
        groups = service.security_groups
        if rules is None or not groups or not set(groups) <= set(rules.groups):
            continue
        inbound = [rule for rule in rules.rules if not rule.is_egress and rule.group in groups]
        port = ports.get(service.name)
        if port and _is_missed(situation, service) and not any(opens(rule, port) for rule in inbound):
            yield _kept_out(situation, service, groups, port)
        if shut_in(situation, rules, service):
            yield _shut_in(situation, service, groups)


def _denied(situation: Situation) -> Iterator[Cause]:
    """A network ACL that keeps the load balancer from the tasks."""
    acls, services = situation.fact(NetworkAcls), situation.fact(Services)
    ports = {service.name: service.port for service in situation.environment.services}
    denied: dict[tuple[str, AclRule | None], list[tuple[str, Denial]]] = {}
    for service in services.services if acls and services else ():
        port = ports.get(service.name)
        if acls is None or port is None or not _is_missed(situation, service):
            continue
        what = denial(acls, acls.of(acls.balancers), acls.of(service.subnets), port)
        if what and what.is_whole:
            denied.setdefault((what.acl, what.rule), []).append((service.name, what))
    for alike in denied.values():
        (name, what), names = alike[0], [each for each, _ in alike]
        yield replace(
            cause_of(situation, what, f"The load balancer can't reach {' and '.join(names)}"),
            name="tasks-denied",
            place=f"services/{name}",
            subject=name,
            procedure=replace(SERVICE_UNHEALTHY, command=way_back(situation, what)),
            services=frozenset(names),
            also=frozenset(f"services/{each}" for each in names[1:]),
        )


def shut_in(situation: Situation, rules: GroupRules, service: EcsService) -> bool:
    """Whether the tasks' own groups let them out to neither store, though both would let them in. It takes a trouble
    with one of them, or that they speak of one."""
    groups = service.security_groups
    stores = [getattr(situation.stores, kind) for kind in STORES]
    closed = [closed_side(rules, groups, store.groups, store.port) for store in stores if store.groups]
    ill = any(
        each.level in (Level.WARN, Level.FAIL) and place_of_finding(each) in (*STORES, f"users/{service.name}")
        for each in situation.findings
    )
    speaks = any(
        is_about(getattr(situation.stores, kind), kind, each.message)
        for each in heard(situation)
        for kind in STORES
        if each.service == service.name
    )
    return len(closed) == len(STORES) and all(each in groups for each in closed) and (ill or speaks)


def _is_missed(situation: Situation, service: EcsService) -> bool:
    return any(
        each.level in (Level.WARN, Level.FAIL)
        and each.ended is None
        and place_of_finding(each).startswith(ON_THE_WAY)
        and service_at(place_of_finding(each), situation.environment) == service.name
        for each in situation.findings
    )


def _kept_out(situation: Situation, service: EcsService, groups: tuple[str, ...], port: int) -> Cause:
    write = situation.changed(CLOSINGS, *groups)
    rule = Evidence(f"no rule of {groups[0]} lets anybody in on port {port}", reading_of(situation.fact(GroupRules)))
    return Cause(
        name="tasks-closed",
        place=f"services/{service.name}",
        subject=service.name,
        sentence=f"The load balancer can't reach {service.name}: its security group {groups[0]} lets nobody in on port "
        f"{port}.{changed_by(situation, write)}",
        evidence=(rule, *situation.by_whom(write)),
        procedure=SERVICE_UNHEALTHY,
        since=write.at if write else None,
        services=frozenset({service.name}),
    )


def _shut_in(situation: Situation, service: EcsService, groups: tuple[str, ...]) -> Cause:
    write = situation.changed(CLOSINGS, *groups)
    logged_errors = [each for each in heard(situation) if each.service == service.name]
    return Cause(
        name="tasks-shut-in",
        place=f"services/{service.name}",
        subject=service.name,
        sentence=f"{service.name} reaches neither the database nor the cache: its security group {groups[0]} lets "
        f"nothing out to them.{changed_by(situation, write)}",
        evidence=(
            Evidence(f"no outbound rule of {groups[0]} leads to either", reading_of(situation.fact(GroupRules))),
            *situation.by_whom(write),
            *(Evidence(f'{service.name} says: "{each.message.line}"', NO_READING) for each in logged_errors[:2]),
        ),
        procedure=DATABASE_TIMEOUT,
        since=write.at if write else min((each.first for each in logged_errors), default=None),
        services=frozenset({service.name}),
        also=frozenset(STORES),
    )
