"""Check of what the log groups take in and keep."""

from __future__ import annotations

from collections.abc import Iterator

from omc.checks.finding import Finding, Level
from omc.checks.runbook import LOG_ANALYSIS, WEEKLY_COSTS
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.costs.log_volume import GroupVolume, LogVolumes
from omc.facts.costs.requests import RequestWeeks
from omc.facts.scope import Scope
from omc.review.costs.money import DAYS_A_MONTH, GB, finding, in_words, monthly, percent, source
from omc.review.costs.rises import SLACK

NAME = "log-volume"
LEAST_BYTES = 0.1 * GB
"""A week's rise of less costs nothing to speak of, whatever the region's price."""
SHOWN = 5


@check(
    NAME,
    title="Logs: what the groups take in and keep",
    question="Does any log group take in a fifth more than the week before, or keep its lines for ever?",
    severity=Level.WARN,
    runbook=WEEKLY_COSTS,
)
def log_volume(
    volumes: LogVolumes, requests: RequestWeeks | None, environment: Environment, scope: Scope
) -> Iterator[Finding]:
    region, limits = environment.region, environment.review.costs
    days = max(1.0, scope.since.total_seconds() / 86400)
    a_month = DAYS_A_MONTH / days / GB
    known = [group for group in volumes.groups if group.taken_in is not None]
    if volumes.groups and not known:
        sentence = "CloudWatch has no figures of what the log groups take in (AWS/Logs IncomingBytes)."
        yield finding(NAME, Level.UNKNOWN, "logs", sentence, volumes.reading)
    reported = False
    for group in volumes.groups:
        if group.retention_days is None:
            reported = True
            cost = monthly(region, ("logs.stored", group.stored_bytes / GB))
            sentence = (
                f"{group.name} keeps its lines for ever: {group.stored_bytes / GB:.2f} GB so far, "
                f"{in_words(cost, region)}, and more each month. Set its retention where it is made, or: aws logs "
                f"put-retention-policy --log-group-name {group.name} --retention-in-days 30"
            )
            place = f"logs/{_short(group.name)}/retention"
            yield finding(NAME, Level.WARN, place, sentence, volumes.reading, source(region, "logs.stored"))
        if (more := _rise(group, requests, limits.rise_percent / 100, days)) is not None:
            reported = True
            cost = monthly(region, ("logs.taken_in", more * a_month))
            now, before = group.taken_in or 0.0, group.before or 0.0
            rise = (
                f"{percent(now / before - 1)} more than in the {days:.0f} days before"
                if before
                else "and nothing before"
            )
            sentence = (
                f"{group.name} took in {now / GB:.2f} GB, {rise}: {in_words(cost, region)} more. Look at "
                "what fills it before its retention."
            )
            evidence = (source(region, "logs.taken_in"), _requests(requests))
            yield finding(
                NAME,
                Level.WARN,
                f"logs/{_short(group.name)}",
                sentence,
                volumes.reading,
                *evidence,
                procedure=LOG_ANALYSIS,
            )
    if known and not reported:
        size = sum(group.taken_in or 0.0 for group in known) * a_month
        stored = sum(group.stored_bytes for group in volumes.groups) / GB
        cost = monthly(region, ("logs.taken_in", size), ("logs.stored", stored))
        largest = sorted(known, key=lambda group: -(group.taken_in or 0.0))[:SHOWN]
        listed = [
            f"{one.name}: {(one.taken_in or 0.0) * a_month:.2f} GB a month, kept {one.retention_days} days"
            for one in largest
        ]
        sentence = f"The log groups take in {size:.1f} GB a month and hold {stored:.1f} GB, {in_words(cost, region)}."
        yield finding(
            NAME, Level.OK, "logs", sentence, volumes.reading, *listed, source(region, "logs.taken_in", "logs.stored")
        )


def _rise(group: GroupVolume, requests: RequestWeeks | None, share: float, days: float) -> float | None:
    """Bytes more than before; None: not worth a word, or no more than requests rose."""
    if group.taken_in is None or group.before is None:
        return None
    more = group.taken_in - group.before
    if more < LEAST_BYTES * days / 7 or more <= share * group.before:
        return None
    rise = requests.rise if requests is not None else None
    is_theirs = rise is not None and group.before > 0 and more / group.before <= rise + SLACK
    return None if is_theirs else more


def _requests(requests: RequestWeeks | None) -> str:
    if requests is None or requests.rise is None:
        return "whether requests rose too isn't known"
    return f"requests: {requests.rise * 100:+.0f} % against the days before"


def _short(name: str) -> str:
    return name.lstrip("/")
