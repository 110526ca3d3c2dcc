"""How the security review says what it found: findings of calls, and of what could not be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from omc.checks.finding import Evidence, Finding, Level, Procedure
from omc.checks.runbook import WEEKLY_SECURITY
from omc.config import Environment
from omc.facts.security.trail_event import TrailEvent
from omc.facts.security.trail_period import Gap, TrailPeriod
from omc.review import findings
from omc.times import format_time

SHOWN = 8
"""Calls that are evidence of one finding; how many more there are is said."""
finding = partial(findings.finding, procedure=WEEKLY_SECURITY)


def drift(environment: Environment) -> Procedure:
    """What shows who changed what, and what Terraform would have instead."""
    return replace(WEEKLY_SECURITY, command=f"omc infra drift --env {environment.name}")


def of_calls(
    check: str,
    level: Level,
    place: str,
    sentence: str,
    events: Sequence[TrailEvent],
    period: TrailPeriod,
    environment: Environment,
    *,
    procedure: Procedure = WEEKLY_SECURITY,
) -> Finding:
    """With the newest calls as evidence, since the first of them."""
    return finding(
        check,
        level,
        place,
        sentence,
        period.reading,
        *call_lines(events, environment),
        procedure=procedure,
        since=min((event.at for event in events), default=None),
    )


def call_lines(events: Sequence[TrailEvent], environment: Environment) -> Iterator[str]:
    """Newest first: when, who, what, from where with what."""
    for event in events[:SHOWN]:
        where = f" from {event.address}" if event.address else ""
        tool = f" with {tool_of(event.agent)}" if event.agent else ""
        refused = f", refused: {event.error}" if event.error else ""
        at = format_time(event.at, environment.time_zone)
        yield f"{at}: {event.service} {event.operation}{about(event)} by {event.who}{where}{tool}{refused}"
    if len(events) > SHOWN:
        yield f"and {len(events) - SHOWN} more"


NAMES = (
    *("userName", "roleName", "policyName", "policyArn", "groupId", "dBSnapshotIdentifier", "snapshotId", "imageId"),
    *("dBInstanceIdentifier", "bucketName", "keyId", "secretId", "name", "trailName", "functionName", "repositoryName"),
    *("logGroupName", "routeTableId", "networkAclId", "topicArn", "queueUrl", "vpcId"),
)
"""Parameters that say what a call is about, the tellings first."""


def about(event: TrailEvent) -> str:
    """`` of ohmycoins-staging``; empty where no parameter says."""
    name = event.text(*NAMES)
    return f" of {name.rpartition('/')[2] if name.startswith('arn:') else name}" if name else ""


def tool_of(agent: str) -> str:
    """The first word of a user agent, which names the tool: ``aws-cli``, ``Boto3``, ``Terraform``, a browser."""
    if "terraform" in agent.lower():
        return "Terraform"
    first = agent.strip("[]").split(" ")[0].partition("/")[0]
    return {"Mozilla": "a browser", "console.amazonaws.com": "the console"}.get(first, first)


def unseen(check: str, period: TrailPeriod, environment: Environment, *kinds: str) -> Iterator[Finding]:
    """What the check needs and could not look at. ``kinds``: words of the parts of the trail that it needs."""
    for gap in period.gaps:
        if not any(kind in gap.what for kind in kinds):
            continue
        yield Finding(
            check,
            Level.UNKNOWN,
            gap.region,
            _why(gap, environment),
            (Evidence(f"{gap.what} of {gap.region}", period.reading),),
            WEEKLY_SECURITY,
            unread=True,
            action=gap.action,
            place=f"trail/{gap.region}",
        )


def _why(gap: Gap, environment: Environment) -> str:
    if gap.problem:
        return f"CloudTrail of {gap.region} could not be asked for {gap.what}: {gap.problem}"
    reach = f"only since {format_time(gap.before, environment.time_zone)}" if gap.before else "not at all"
    return (
        f"CloudTrail has more {gap.what} in {gap.region} than could be looked up in time: they were looked at {reach}. "
        "Ask for a shorter period: --since 24h."
    )


def upper(text: str) -> str:
    """With a capital, as a sentence begins."""
    return text[:1].upper() + text[1:]


def listed(words: Iterable[str], most: int = 4) -> str:
    """``a, b and 3 more``."""
    every = list(dict.fromkeys(words))
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + rest
