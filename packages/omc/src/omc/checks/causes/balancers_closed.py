"""A load balancer that lets nobody in: its security group, or the network ACL of its subnets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.network_acls import cause_of, denial, way_back
from omc.checks.causes.paths import CLOSINGS, changed_by, covers_port
from omc.checks.causes.places import place_of_finding
from omc.checks.finding import Evidence, Level
from omc.checks.runbook import USERS_CANT_REACH
from omc.facts.followup.group_rules import GroupRules, groups_of_balancer
from omc.facts.followup.network_acls import NetworkAcls, SubnetAcl
from omc.facts.listeners import Listeners
from omc.facts.load_balancers import LoadBalancers
from omc.facts.probes import Probes

PLACE = "load-balancer"


def closed_to_users(situation: Situation) -> Iterator[Cause]:
    """Users don't get in, and a security group or a network ACL of the load balancer lets nobody in. Rules for some
    addresses only may be meant."""
    balancers, listeners = situation.fact(LoadBalancers), situation.fact(Listeners)
    missed = any(
        place_of_finding(one).startswith("users") and one.level is not Level.OK and not one.ended
        for one in situation.findings
    )
    for balancer in balancers.load_balancers if balancers and listeners and missed else ():
        ports = [one.port for one in (listeners.listeners if listeners else ()) if one.balancer == balancer.arn]
        wanted = [port for port in ports if port == _asked(situation)] or ports
        groups = groups_of_balancer(balancers, balancer)
        rules, acls = situation.fact(GroupRules), situation.fact(NetworkAcls)
        shut = [port for port in wanted if rules and _lets_nobody_in(rules, groups, port)]
        if wanted and shut == wanted:
            yield _closed(situation, balancer.name, groups, shut[0])
            continue
        outside = [SubnetAcl("", "0.0.0.0/0", "")]
        denied = [denial(acls, outside, acls.of(acls.balancers), port) for port in wanted] if acls else []
        if denied and denied[0] and all(each and each.is_whole for each in denied):
            begin = f"Users can't reach the load balancer {balancer.name}"
            yield replace(
                cause_of(situation, denied[0], begin),
                name="balancer-denied",
                subject=balancer.name,
                procedure=replace(USERS_CANT_REACH, command=way_back(situation, denied[0])),
            )


def _asked(situation: Situation) -> int:
    """The port that users come by."""
    probes = situation.fact(Probes)
    parts = urlsplit(probes.base if probes else "")
    return parts.port or (443 if parts.scheme == "https" else 80)


def _lets_nobody_in(rules: GroupRules, groups: Sequence[str], port: int) -> bool:
    """Whether no rule of the groups is about the port, whoever it lets in; not known where one wasn't read."""
    if not groups or not set(groups) <= set(rules.groups):
        return False
    return not any(not rule.is_egress and rule.group in groups and covers_port(rule, port) for rule in rules.rules)


def _closed(situation: Situation, name: str, groups: Sequence[str], port: int) -> Cause:
    write = situation.changed(CLOSINGS, *groups)
    rule = Evidence(
        f"no rule of {' or '.join(groups)} lets anybody in on port {port}", reading_of(situation.fact(GroupRules))
    )
    return Cause(
        name="balancer-closed",
        place=PLACE,
        subject=name,
        sentence=f"Users can't reach the load balancer {name}: its security group {groups[0]} lets nobody in on port "
        f"{port}.{changed_by(situation, write)}",
        evidence=(rule, *situation.by_whom(write)),
        procedure=USERS_CANT_REACH,
        since=write.at if write else None,
    )
