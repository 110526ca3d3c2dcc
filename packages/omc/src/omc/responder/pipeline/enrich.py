"""What is it? The severity, the service and all that the message leaves open, by tags, catalogue and omc.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from omc.model.matchers import all_match
from omc.responder.alerts import Facts, labels_of
from omc.responder.catalogue import KnownAlert, find
from omc.responder.model import MAX_LABEL_NAME, MAX_LABEL_VALUE, MAX_LABELS, Notification
from omc.responder.pipeline.passing import Passing
from omc.responder.pipeline.situation import Situation
from omc.responder.rules import Rules

STAGE = "enrich"
SEVERITIES = {f"{before}{number}": number for number in (1, 2, 3) for before in ("sev-", "sev", "")}
"""What the tag ``Severity`` says, in small letters."""
TAG = "tag."
"""What the label of a tag begins with."""


def with_tags(notification: Notification, tags: Mapping[str, str]) -> Notification:
    """The notification with its alarm's tags, as if its message had brought them: so it is kept with all that was known
    of it."""
    found = {f"{TAG}{name}"[:MAX_LABEL_NAME]: value[:MAX_LABEL_VALUE] for name, value in tags.items()}
    room = max(0, MAX_LABELS - len(notification.labels))
    return replace(notification, labels={**dict(list(found.items())[:room]), **notification.labels})


def enrich(passing: Passing, situation: Situation) -> Passing:
    facts, why = assess(passing.notification, situation.rules)
    if situation.changes:
        why = f"{why} Shortly before: {'; '.join(situation.changes)}."
    facts = replace(facts, changes=situation.changes)
    return replace(passing.step(STAGE, "passed", why), facts=facts)


def assess(notification: Notification, rules: Rules) -> tuple[Facts, str]:
    """The facts, and a sentence that says where they are from."""
    name = rules.short(notification.name)
    known, named = find(name, notification.source)
    tags = {
        label.removeprefix(TAG).lower(): value for label, value in notification.labels.items() if label.startswith(TAG)
    }
    severity, by = _severity(notification, tags, known, rules)
    service, service_by = _service(notification, tags, named, rules)
    facts = Facts(
        name=name,
        kind=known.kind if known else name,
        severity=severity,
        service=service,
        group=(known.group if known else None) or service or name,
        runbook=(known.runbook if known else "") or tags.get("runbook", "").replace(":", "#", 1),
    )
    routed, route_by = _routed(facts, notification, rules)
    by = route_by if routed.severity != severity else by
    kind = f"a kind that omc knows ({routed.kind})" if known else "no kind that omc knows"
    of = f"of {service} by {service_by}" if service else "of no single service"
    return routed, f"SEV-{routed.severity} by {by}, {of}, {kind}; its group is {routed.group}."


def _severity(
    notification: Notification, tags: Mapping[str, str], known: KnownAlert | None, rules: Rules
) -> tuple[int, str]:
    if notification.severity is not None:
        return notification.severity, "its message"
    if tagged := SEVERITIES.get(tags.get("severity", "").lower()):
        return tagged, "its tag"
    if known is not None:
        return known.severity, "omc's catalogue"
    return rules.unknown_severity, "omc.toml, since neither its message nor a tag says it"


def _service(
    notification: Notification, tags: Mapping[str, str], named: str | None, rules: Rules
) -> tuple[str | None, str]:
    if notification.service:
        return notification.service, "its message"
    tagged = tags.get("service", "")
    if tagged and (tagged in rules.services or not rules.services):
        return tagged, "its tag"
    if named and (named in rules.services or not rules.services):
        return named, "its name"
    return None, ""


def _routed(facts: Facts, notification: Notification, rules: Rules) -> tuple[Facts, str]:
    """As the first route that matches has it."""
    labels = labels_of(facts, notification)
    for number, route in enumerate(rules.routes, start=1):
        if all_match(route.match, labels):
            changed = replace(facts, severity=route.severity or facts.severity, group=route.group or facts.group)
            return changed, f"route {number} of omc.toml"
    return facts, ""
