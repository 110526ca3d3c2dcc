"""What a release brought: a store that only its tasks miss, a figure that rose with it, answers that are slow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from statistics import median

from omc.checks.causes.heard import LoggedError, cause_at
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.finding import Evidence, Level, Procedure
from omc.checks.runbook import DEPLOYMENTS
from omc.checks.users import SLOW
from omc.facts.dependencies import Dependencies
from omc.facts.followup.data_stores import Store
from omc.facts.followup.gauges import Points
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.followup.latencies import STATISTICS, Latencies
from omc.facts.probes import Answer, Probes
from omc.facts.services import Deployment, EcsService, Services

LATELY = timedelta(minutes=15)
USUAL = timedelta(minutes=10)
"""How long before a deployment shows what was usual."""
SOON = timedelta(minutes=3)
"""The effects of a deployment show within this time after its start."""
MINUTE, HALF_HOUR = timedelta(minutes=1), timedelta(minutes=30)
JUDGED = "p95"
"""The percentile by which answers are slower; the others are shown."""
TIMES, LEAST_SECONDS = 2.0, 0.2
"""Slower: so many times what it was, and so much more, seconds."""
LEAST_MINUTES = 3
"""With a figure, before and since."""
SHOWN = 3
"""Changed variables that are named."""


def missed_by_release(
    situation: Situation, kind: str, store: Store, logged_errors: Sequence[LoggedError]
) -> Cause | None:
    """Some of a status page's answers report trouble with it, some don't, while a release runs beside what it
    replaces."""
    pages, services = situation.fact(Dependencies), situation.fact(Services)
    known = {service.name: service for service in services.services} if services else {}
    for page in pages.found if pages else ():
        service = known.get(page.service)
        if service is None or page.place != kind or not 0 < page.bad < page.answers:
            continue
        new = next((each for each in service.deployments if each.status == "PRIMARY"), None)
        old = next((each for each in service.deployments if each is not new and each.running), None)
        if new is None or old is None or new.task_definition == old.task_definition:
            continue
        if not new.running or situation.scope.now - new.created > LATELY:
            continue
        changed = _changed(situation, old.task_definition, new.task_definition)
        why = f" ({changed})" if changed else ""
        text = f"{new.task_definition}, deployed {situation.ago(new.created)}, doesn't reach the {kind}{why}; "
        evidence = Evidence(
            f"{page.bad} of {page.answers} answers of {page.url} report trouble with the {kind}", reading_of(pages)
        )
        return cause_at(
            kind,
            situation,
            "missed-by-release",
            store,
            f"{text}{old.task_definition} does.",
            logged_errors,
            (evidence,),
            procedure=back(situation, service),
            since=new.created,
            services=frozenset({service.name}),
        )
    return None


@dataclass(frozen=True, slots=True)
class Slowdown:
    """Percentiles of a service's answers, seconds: the median minute before a deployment and since."""

    before: Mapping[str, float]
    since: Mapping[str, float]

    @property
    def is_there(self) -> bool:
        before, since = self.before[JUDGED], self.since[JUDGED]
        return since >= TIMES * before and since - before >= LEAST_SECONDS

    @property
    def shown(self) -> str:
        each = (f"{name} {self.before[name]:.2f} s before, {self.since[name]:.2f} s since" for name in self.since)
        return f"TargetResponseTime: {'; '.join(each)}: medians of the minutes"


def slowed_by_release(situation: Situation) -> Iterator[Cause]:
    """A service that answers slowly while a deployment of it is new: its own pages, or the slowest twentieth of its
    users' answers against the half hour before. A coincidence is possible, so it isn't read but concluded: a store
    that is ill explains it better. One that was as slow before the deployment isn't slow by it."""
    probes, services = situation.fact(Probes), situation.fact(Services)
    for service in services.services if services else ():
        new = next((each for each in service.deployments if each.status == "PRIMARY"), None)
        if new is None or not new.running or situation.scope.now - new.created > LATELY:
            continue
        pages = [each for each in probes.requests if each.service == service.name] if probes else []
        answers = [(one.seconds, page.url) for page in pages for one in page.answers if _is_given(one)]
        slow = [each for each in answers if each[0] >= SLOW.total_seconds()]
        slowdown = _slowdown(situation, service, new)
        if (slowdown is None and not slow) or (slowdown is not None and not slowdown.is_there):
            continue
        evidence = []
        what = ""
        if slow:
            seconds, url = max(slow)
            what = f"answers slowly: {len(slow)} of {len(answers)} answers take {SLOW.total_seconds():g} s or more"
            evidence.append(Evidence(f"GET {url}: {seconds:.1f} s", reading_of(probes)))
        if slowdown is not None:
            times = slowdown.since[JUDGED] / max(slowdown.before[JUDGED], 0.001)
            what = what or f"answers {times:.1f} times as slowly as before its deployment"
            evidence.append(Evidence(slowdown.shown, reading_of(situation.fact(Latencies))))
        yield Cause(
            name="release-slow",
            place=f"services/{service.name}",
            subject=service.name,
            sentence=f"{service.name} {what}. {new.task_definition} was deployed {situation.ago(new.created)}.",
            evidence=tuple(evidence),
            level=Level.WARN,
            procedure=back(situation, service) if has_older(service, new) else DEPLOYMENTS,
            since=new.created,
            services=frozenset({service.name}),
            is_direct=False,
            checks=frozenset({"users-served", "alarms", "rollouts"}),
        )


def _slowdown(situation: Situation, service: EcsService, new: Deployment) -> Slowdown | None:
    """None where too few minutes have a figure, before or since, to say anything."""
    latencies = situation.fact(Latencies)
    before: dict[str, float] = {}
    since: dict[str, float] = {}
    for group in (*service.target_groups, *service.alternates.values()):
        for name in STATISTICS:
            points = latencies.of.get((group, name), ()) if latencies else ()
            earlier = [value for at, value in points if new.created - HALF_HOUR <= at and at + MINUTE <= new.created]
            later = [value for at, value in points if at >= new.created]
            if min(len(earlier), len(later)) >= LEAST_MINUTES:
                before[name] = max(before.get(name, 0.0), median(earlier))
                since[name] = max(since.get(name, 0.0), median(later))
    return Slowdown(before, since) if JUDGED in since else None


def _is_given(answer: Answer) -> bool:
    """A slow error is no slow answer."""
    return answer.trouble is None and answer.status < 500


def has_older(service: EcsService, new: Deployment) -> bool:
    """Whether tasks of another revision still run beside the new ones: there is a way back."""
    return any(each.running and each.task_definition != new.task_definition for each in service.deployments)


def risen_with_release(
    situation: Situation, points: Points, value: float, least: float
) -> tuple[EcsService, Deployment, float] | None:
    """The deployment with which a figure rose by ``least`` or more, and what it was before: the rise began within
    minutes of it. A coincidence is possible, so only the times are stated, not a cause."""
    services = situation.fact(Services)
    found: list[tuple[float, EcsService, Deployment, float]] = []
    for service in services.services if services else ():
        new = next((each for each in service.deployments if each.status == "PRIMARY"), None)
        if new is None or situation.scope.now - new.created > LATELY:
            continue
        earlier = [each for at, each in points if new.created - USUAL <= at and at + MINUTE <= new.created]
        soon = [each for at, each in points if new.created <= at <= new.created + SOON]
        if situation.scope.now - new.created <= SOON:
            soon.append(value)
        before = max(earlier, default=value)
        if value - before >= least and max(soon, default=0.0) - before >= (value - before) / 2:
            found.append((value - before, service, new, before))
    return max(found, key=lambda each: each[0])[1:] if found else None


def _changed(situation: Situation, old: str, new: str) -> str:
    """Plain variables that differ, where both revisions were read; not their values, of which one may be a secret."""
    words = situation.fact(LastWords)
    revisions = words.revisions if words else {}
    before, after = (
        {
            name: value
            for some in revisions.get(each, RevisionDetails()).variables.values()
            for name, value in some.items()
        }
        for each in (old, new)
    )
    if not before or not after:
        return ""
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    return f"{' and '.join(names[:SHOWN])} changed" if names else ""


def back(situation: Situation, service: EcsService) -> Procedure:
    return replace(DEPLOYMENTS, command=f"omc rollback --env {situation.environment.name} {service.name}")
