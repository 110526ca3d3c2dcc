"""Why users don't get what they ask for: a listener or a rule that leads nowhere, or targets that somebody
removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from omc.checks.causes.model import Cause, Situation
from omc.checks.causes.places import place_of_finding, service_at
from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import RESTART
from omc.facts.collector import NO_READING
from omc.facts.followup.last_writes import Write
from omc.facts.listeners import Listeners
from omc.facts.services import Services

CHECK = "listeners"
PLACE = "load-balancer"
CHANGES = ("CreateRule", "ModifyRule", "DeleteRule", "SetRulePriorities", "ModifyListener", "CreateListener")


def not_led(situation: Situation) -> Iterator[Cause]:
    """The first failure of the listeners, unless what should be there says it better: with who changed it, and when."""
    failed = [
        one
        for one in situation.findings
        if place_of_finding(one) == PLACE and one.level is Level.FAIL and not one.ended
    ]
    if any(one.check.startswith("expected") for one in failed):
        return
    names = {service.name for service in situation.environment.services}
    broken = [one for one in failed if one.check == CHECK]
    for finding in broken[:1]:
        hurt = {one.subject for one in broken}
        write = situation.changed(CHANGES, *_arns(situation)) if situation.fact(Listeners) else None
        yield Cause(
            name=CHECK,
            place=PLACE,
            subject=finding.subject,
            sentence=finding.sentence + _by(situation, write),
            evidence=(*finding.evidence, *situation.by_whom(write), *_way_back(situation, write)),
            procedure=finding.procedure,
            services=frozenset(hurt) if hurt <= names else None,
        )


def taken_away(situation: Situation) -> Iterator[Cause]:
    """A service whose tasks run, none of them a target: somebody deregistered them; a restart registers new ones."""
    services = situation.fact(Services)
    running = {service.name: service.running for service in services.services} if services else {}
    for finding in situation.findings:
        name = service_at(place_of_finding(finding), situation.environment)
        if not _has_no_target(finding) or not running.get(name):
            continue
        write = situation.changed(("DeregisterTargets",), *_group_arns(situation, finding.subject))
        tasks = "1 task runs" if running[name] == 1 else f"{running[name]} tasks run"
        yield Cause(
            name="targets-taken-away",
            place=place_of_finding(finding),
            subject=finding.subject,
            sentence=f"{finding.sentence} {tasks} and get no request.{_by(situation, write)}",
            evidence=(*finding.evidence, *situation.by_whom(write)),
            procedure=replace(RESTART, command=f"omc restart --env {situation.environment.name} {name}"),
            since=write.at if write else finding.since,
            services=frozenset({name}),
        )


def _has_no_target(finding: Finding) -> bool:
    return finding.check == "targets" and finding.level is Level.FAIL and "No target is registered" in finding.sentence


def _by(situation: Situation, write: Write | None) -> str:
    return f" {write.operation} by {write.who}, {situation.ago(write.at)}." if write else ""


def _arns(situation: Situation) -> tuple[str, ...]:
    """Of the listeners that are there and their rules."""
    found = situation.fact(Listeners)
    records = found.records if found else ()
    rules = [str(rule.get("RuleArn", "")) for one in records for rule in one.get("Rules") or ()]
    return (*(str(one.get("ListenerArn", "")) for one in records), *rules, "-")  # never nothing, which would mean any


def _group_arns(situation: Situation, group: str) -> tuple[str, ...]:
    found = situation.fact(Services)
    arns = {arn for service in (found.services if found else ()) for arn in service.target_groups}
    return (*(arn for arn in sorted(arns) if f"targetgroup/{group}/" in arn), group)


def _way_back(situation: Situation, write: Write | None) -> Iterator[Evidence]:
    """Of a rule that somebody added and that is still there."""
    rules = [name for name in write.names if ":listener-rule/" in name] if write else []
    if write and write.operation == "CreateRule" and len(rules) == 1:
        there = next((arn for arn in _arns(situation) if arn.lower() == rules[0]), "")
        if there:
            yield Evidence(f"to remove the rule: aws elbv2 delete-rule --rule-arn {there}", NO_READING)
