"""What figures, records and plans mean to a maintenance. Pure: facts in, sentences out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from omc.config.maintenance_tables import MaintenanceTable
from omc.maintenance.figures import Figures
from omc.model.arguments.ecs import RollService
from omc.model.backups import Verification
from omc.model.maintenance import MaintenanceStep
from omc.model.plan import Plan, Risk, fingerprint
from omc.output.text import counted

RISKS = tuple(risk.value for risk in (Risk.LOW, Risk.HIGH, Risk.DESTRUCTIVE))
"""From the least to the greatest."""
NOT_ASKED = frozenset({"override", "watch_seconds", "force_new", "allow_tag"})
"""Fields of a request that don't say what is changed: with others the change is the same."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something holds, with the evidence or the reason."""

    holds: bool
    sentence: str


def worse(before: Figures | None, now: Figures, limits: MaintenanceTable, floor: float) -> tuple[str, ...]:
    """How the figures are worse than before, a sentence each. ``floor``: requests a minute without which error rate and
    response time say nothing. Without a baseline only the limits count that need none."""
    found = []
    was = before or Figures(now.begin, now.begin)
    if now.requests and now.say_something(floor):
        more = now.error_percent - was.error_percent
        if more > limits.error_points:
            found.append(
                f"{now.error_percent:.1f} % of answers are 5xx, and {was.error_percent:.1f} % before: more than "
                f"{limits.error_points:g} points worse."
            )
        if now.p95_seconds is not None and was.p95_seconds is not None:
            limit = max(was.p95_seconds * limits.slower, limits.slow_ms / 1000)
            if now.p95_seconds > limit:
                found.append(
                    f"The slowest 5 % of answers take {now.p95_seconds:.2f} s or more, and {was.p95_seconds:.2f} s "
                    f"before: above {limit:.2f} s."
                )
    for service, wanted in sorted(now.desired.items()):
        if now.running.get(service, 0) < wanted:
            found.append(f"{service} runs {now.running.get(service, 0)} of {wanted} tasks.")
    if fresh := sorted(set(now.firing) - set(was.firing)):
        found.append(f"{', '.join(fresh)} fire{'s' if len(fresh) == 1 else ''} since the baseline was taken.")
    return tuple(found)


def unknown(before: Figures | None, now: Figures, floor: float) -> str:
    """Why it isn't known whether users are served as before; empty where it is. That there is no baseline, a person has
    signed."""
    minutes = (now.end - now.begin).total_seconds() / 60
    if not now.say_something(floor):
        return (
            f"{now.requests:.0f} answers in {minutes:.0f} min are fewer than thresholds.requests_floor ({floor:g} a "
            "minute): whether users are served as before is unknown."
        )
    if before is not None and not before.say_something(floor):
        return (
            f"The baseline has {before.requests:.0f} answers, fewer than thresholds.requests_floor ({floor:g} a "
            "minute): there is nothing to compare with, so whether users are served as before is unknown."
        )
    return ""


LEADS = frozenset({"deploy", "rollback"})
"""Procedures of which the images that they lead to are what is changed; others take those that are there."""


def images_of(steps: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """The digests that a plan's steps, each an action and its arguments, put on services: by ``backend/app``."""
    return {
        f"{arguments['service']}/{container}": digest
        for action, arguments in steps
        if action == RollService.ACTION
        for container, digest in arguments.get("digests", {}).items()
    }


def images_in(plan: Plan) -> dict[str, str]:
    """As ``images_of``, of a plan."""
    return images_of((step.action, step.arguments) for step in plan.steps)


LEAVES_OPEN = frozenset({"rollback"})
"""Procedures that find out for themselves what they lead to: the last release that was verified, say."""


def outline_of(plan: Plan) -> tuple[str, ...]:
    """What a plan does, without what other facts would make of its values; of one whose request leaves open where it
    leads, with that."""
    is_open = plan.procedure in LEAVES_OPEN
    return tuple(
        f"{step.action} {step.name}{f' to {step.after}' if is_open and step.after else ''}" for step in plan.steps
    )


def stale(wanted: MaintenanceStep, plan: Plan) -> str:
    """Why a plan made from fresh facts isn't what was approved; empty where it is."""
    if RISKS.index(plan.risk.value) > RISKS.index(wanted.risk):
        return f"its risk is {plan.risk.value} now, and {wanted.risk} was approved"
    if outline_of(plan) != tuple(wanted.outline):
        return f"it would now do something else ({', '.join(outline_of(plan)) or 'nothing'}) than what was approved"
    images = images_in(plan)
    if wanted.images and (other := sorted(each for each in wanted.images if images.get(each) != wanted.images[each])):
        [place, *_] = other
        now, then = images.get(place, "an image without a digest"), wanted.images[place]
        return f"it would now put {now[:19]} on {place}, and {then[:19]} was approved"
    return ""


def change_of(procedure: str, request: Mapping[str, Any], images: Mapping[str, str] | None = None) -> str:
    """A digest of what a procedure is to change, equal in each environment. ``images``: what it leads to; a tag, or a
    registry of each environment's own, doesn't say which image that is."""
    leads = dict(images or {}) if procedure in LEADS else {}
    change = {
        name: value
        for name, value in request.items()
        if name not in NOT_ASKED and value not in (None, "", (), []) and not (leads and name in ("images", "to"))
    }
    whole: dict[str, Any] = {"procedure": procedure, "request": change}
    return fingerprint(whole | {"images": leads} if leads else whole)


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run of the environment before, as far as it matters here."""

    id: str
    procedure: str
    request: Mapping[str, Any]
    verdict: str
    ended_at: datetime
    images: Mapping[str, str] = field(default_factory=dict)
    """What it put on services, as ``images_of`` has it."""


def done_before(
    steps: Sequence[MaintenanceStep], runs: Iterable[PastRun], earlier: str, now: datetime, most: timedelta
) -> Verdict:
    """Whether each step that omc performs was performed in the environment before, and succeeded."""
    good = {
        change_of(run.procedure, run.request, run.images): run
        for run in sorted(runs, key=lambda each: each.ended_at)
        if run.verdict == "succeeded" and now - run.ended_at <= most
    }
    missing, found = [], []
    for number, step in enumerate(steps, 1):
        if not step.procedure:
            continue
        run = good.get(change_of(step.procedure, step.request, step.images))
        if run is None:
            missing.append(f"{number} ({step.title})")
        else:
            found.append(f"step {number} by run {run.id}")
    if missing:
        days = most.days
        return Verdict(
            False,
            f"{earlier} has no run of the last {counted(days, 'day')} that did the same and succeeded for step "
            f"{', '.join(missing)}.",
        )
    if not found:
        return Verdict(True, f"omc performs no step of it, so the record of {earlier} has nothing to show.")
    return Verdict(True, f"The same succeeded in {earlier}: {', '.join(found)}.")


def way_back(steps: Sequence[MaintenanceStep], trouble: Mapping[int, str]) -> Verdict:
    """Whether each step that changes something can be taken back. ``trouble``: by a step's number what its dry run was
    refused for."""
    bad = [f"step {number}: {why}" for number, why in sorted(trouble.items())]
    for number, step in enumerate(steps, 1):
        if number in trouble or step.undo:
            continue
        if step.procedure and step.risk == Risk.LOW:
            continue  # undone in a minute, or nothing to undo: a restart
        bad.append(f"step {number} ({step.title}): nothing takes it back, and its file gives no undo")
    if bad:
        return Verdict(False, f"The way back isn't there for {'; '.join(bad)}.")
    ways = [f"step {number}: {step.undo or 'nothing to go back to'}" for number, step in enumerate(steps, 1)]
    return Verdict(True, f"{'; '.join(ways)}.")


def verified_backup(
    known: Iterable[Verification], now: datetime, most: timedelta, since: datetime | None = None
) -> Verdict:
    """Whether a backup that is itself of lately, or of ``since`` and later, was found sound lately: an old one that is
    sound doesn't have what came after it."""
    oldest = min(now - most, since) if since is not None else now - most
    good = [
        each
        for each in known
        if each.found.sound and each.found.compared and now - each.at <= most
        if each.found.taken_at is not None and each.found.taken_at >= oldest
    ]
    newest = max(good, key=lambda each: each.at, default=None)
    if newest is None:
        hours = f"{most.total_seconds() / 3600:g} hours"
        return Verdict(False, f"No backup of the last {hours} was found sound within them.")
    minutes = (now - newest.at).total_seconds() / 60
    return Verdict(
        True, f"The {newest.found.backup} was found sound {minutes:.0f} min ago by the run {newest.found.run}."
    )
