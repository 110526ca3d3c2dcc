"""Which incident is it? One for each service or shared dependency; what explains others takes over their incidents."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from omc.responder.alerts import Alert
from omc.responder.catalogue import catalogue
from omc.responder.pipeline.passing import Passing, minutes
from omc.responder.pipeline.situation import IncidentView, Join, Merge, Open, Raise, Reopen, Situation

STAGE = "group"
SUMMARY = 200
"""Characters of a new incident's summary."""


def group(passing: Passing, situation: Situation) -> Passing:
    facts = passing.the_facts()
    if passing.incident is not None:
        return _join(passing, situation, situation.incidents[passing.incident], "It is in the incident of its cause")
    before = situation.where(passing.key, passing.before.incident) if passing.before else None
    if before is not None and before.is_open:
        return _join(passing, situation, before, "It was in it before")
    if (found := _of_cause_before(passing, situation)) is not None:
        return _join(passing, situation, found, "What explained it is over, and its incident is open")
    if (found := _of_group(passing, situation)) is not None:
        return _join(passing, situation, found, f"It is the open one of its group, {facts.group}")
    if taken_over := _explained(passing, situation):
        first, *others = taken_over
        why = "It explains all that fires there"
        return _join(passing, situation, first, why, tuple(each.number for each in others), is_cause=True)
    if before is not None and before.resolved_at is not None:
        since = passing.now - before.resolved_at
        if since <= situation.rules.reopen_within:
            return _reopen(passing, before, minutes(since.total_seconds()))
    return _open(passing, situation)


def _of_cause_before(passing: Passing, situation: Situation) -> IncidentView | None:
    """Where an alert was held because another explained it: that one's incident, where it is open still."""
    hold = passing.before.hold if passing.before else None
    if hold is None or hold.by != "inhibition" or (cause := situation.alerts.get(hold.of)) is None:
        return None
    view = situation.where(cause.key, cause.incident)
    return view if view is not None and _is_near(view, passing.now, situation) else None


def _of_group(passing: Passing, situation: Situation) -> IncidentView | None:
    """The open incident of an alert of the same group that nothing else explains."""
    facts, found = passing.the_facts(), []
    for other in situation.alerts.values():
        if other.key == passing.key or other.facts is None or other.facts.group != facts.group or other.hold:
            continue
        view = situation.where(other.key, other.incident)
        if view is None or not _is_near(view, passing.now, situation):
            continue
        if passing.key in view.left or not _is_root(other, situation):
            continue  # people took it out of there, or the other is in the incident of what explains it
        found.append(view)
    return min(found, key=lambda view: view.number, default=None)


def _is_root(alert: Alert, situation: Situation) -> bool:
    if alert.facts is None or alert.notification is None:
        return True
    return next(situation.causes_of(alert.key, alert.facts, alert.notification), None) is None


def _explained(passing: Passing, situation: Situation) -> list[IncidentView]:
    """Open incidents in which nothing fires that this one doesn't explain, those that are open longest first."""
    if passing.is_late:
        return []
    facts, notification = passing.the_facts(), passing.notification
    found = []
    for view in situation.incidents.values():
        if not _is_near(view, passing.now, situation) or not view.firing or passing.key in view.left:
            continue
        firing = [situation.alerts.get(key) for key in view.firing]
        explained = [
            each is not None
            and each.facts is not None
            and each.notification is not None
            and situation.facts_explain(facts, notification, each.facts, each.notification)
            for each in firing
        ]
        rest = [each for each, is_explained in zip(firing, explained, strict=True) if not is_explained]
        if any(explained) and not any(each is None or _is_root(each, situation) for each in rest):
            found.append(view)
    return sorted(found, key=lambda view: view.number)


def _is_near(view: IncidentView, now: datetime, situation: Situation) -> bool:
    """Whether it is open, and not one in which nothing has happened for long."""
    if not view.is_open:
        return False
    return bool(view.firing) or now - (view.changed_at or view.opened_at) <= situation.rules.group_window


def _join(
    passing: Passing,
    situation: Situation,
    view: IncidentView,
    why: str,
    absorbed: tuple[int, ...] = (),
    *,
    is_cause: bool = False,
) -> Passing:
    """``is_cause``: it explains what the incident was opened for."""
    facts = passing.the_facts()
    also = ""
    if absorbed:
        numbers = " and ".join(map(str, absorbed))
        also = f", and in incident {numbers}, which {'go' if len(absorbed) > 1 else 'goes'} on there"
    joined = passing.step(STAGE, "joined", f"{why}: incident {view.number}{also}.")
    joined = replace(joined, incident=view.number)
    for number in absorbed:
        gone = situation.incidents[number]
        joined = joined.then(Merge(number, view.number, tuple(sorted(gone.firing))))
    worst = min([facts.severity, *(situation.incidents[number].severity for number in absorbed)])
    if worst < view.severity:
        joined = joined.then(Raise(view.number, worst))
    is_told_by_it = is_cause or (facts.severity < view.severity and passing.incident is None)
    return joined.then(_joins(passing, view.number, _summary(passing) if is_told_by_it else None))


def _reopen(passing: Passing, view: IncidentView, ago: str) -> Passing:
    why = f"It fires again, {ago} after incident {view.number} was resolved: that is open again."
    reopened = replace(passing.step(STAGE, "reopened", why), incident=view.number)
    reopened = reopened.then(Reopen(view.number, f"{passing.the_facts().name} fires again."))
    is_worse = passing.the_facts().severity < view.severity
    if is_worse:
        reopened = reopened.then(Raise(view.number, passing.the_facts().severity))
    return reopened.then(_joins(passing, view.number, _summary(passing) if is_worse else None))


def _open(passing: Passing, situation: Situation) -> Passing:
    facts, number = passing.the_facts(), situation.next_incident
    why = f"No incident of its group, {facts.group}, is open: incident {number} is opened."
    summary = _summary(passing)
    opened = replace(passing.step(STAGE, "opened", why), incident=number)
    return opened.then(Open(number, facts.severity, summary), _joins(passing, number))


def _summary(passing: Passing) -> str:
    """What is wrong, as the catalogue says it of a kind that it knows; else in the source's own words."""
    facts = passing.the_facts()
    if (known := catalogue().get(facts.kind)) is not None:
        return f"{facts.service}: {known.symptom.rstrip('.')}" if facts.service else known.symptom.rstrip(".")
    return " ".join(passing.notification.title.split())[:SUMMARY] or facts.name


def _joins(passing: Passing, number: int, summary: str | None = None) -> Join:
    facts = passing.the_facts()
    return Join(number, passing.key, facts.name, facts.severity, facts.service, summary)
