"""Checks of what is kept and no longer used: snapshots and disks, secrets, images."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from omc.checks.finding import Finding, Level
from omc.checks.runbook import WEEKLY_COSTS
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.costs.leftovers import Leftovers, Snapshot
from omc.facts.scope import Scope
from omc.output.text import counted
from omc.review.costs.money import GIB, finding, in_words, monthly, source
from omc.times import format_duration

SNAPSHOTS, SECRETS, IMAGES = "old-snapshots", "unused-secrets", "old-images"
PRICES = {"database": "rds.snapshot", "volume": "ebs.snapshot"}
DELETE = {
    "database": "aws rds delete-db-snapshot --db-snapshot-identifier",
    "cache": "aws elasticache delete-snapshot --snapshot-name",
    "volume": "aws ec2 delete-snapshot --snapshot-id",
}


def _is_old(at: datetime | None, environment: Environment, scope: Scope) -> bool:
    return at is not None and scope.now - at > timedelta(days=environment.review.costs.unused_days)


@check(
    SNAPSHOTS,
    title="Snapshots that are old, and disks that nothing has",
    question="Is any snapshot that somebody made old, or any disk without a machine?",
    severity=Level.WARN,
    runbook=WEEKLY_COSTS,
)
def old_snapshots(leftovers: Leftovers, environment: Environment, scope: Scope) -> Iterator[Finding]:
    old = [one for one in leftovers.snapshots if _is_old(one.made, environment, scope)]
    for one in old:
        yield _snapshot(one, leftovers, environment, scope)
    for volume in leftovers.volumes:
        cost = monthly(environment.region, ("ebs.gp3", volume.gib))
        sentence = (
            f"The disk {volume.id} of {volume.gib:g} GiB belongs to no machine; as gp3 it costs "
            f"{in_words(cost, environment.region)}. After a snapshot of what it holds: aws ec2 delete-volume "
            f"--volume-id {volume.id}"
        )
        yield finding(
            SNAPSHOTS,
            Level.WARN,
            f"volumes/{volume.id}",
            sentence,
            leftovers.reading,
            source(environment.region, "ebs.gp3"),
        )
    if not old and not leftovers.volumes:
        count = len(leftovers.snapshots)
        sentence = (
            f"No snapshot that people made ({count} in all) is older than {environment.review.costs.unused_days} days."
        )
        yield finding(SNAPSHOTS, Level.OK, "snapshots", sentence, leftovers.reading)


def _snapshot(one: Snapshot, leftovers: Leftovers, environment: Environment, scope: Scope) -> Finding:
    age = format_duration(scope.now - one.made) if one.made else "an unknown time"
    key = PRICES.get(one.kind)
    cost = monthly(environment.region, (key, one.gib)) if key else None
    most = f"at most {in_words(cost, environment.region)}" if cost is not None else in_words(cost, environment.region)
    sentence = (
        f"The {one.kind} snapshot {one.name} is {age} old and costs {most}. Where nothing has to be kept so long: "
        f"{DELETE[one.kind]} {one.name}"
    )
    evidence = [f"{one.gib:g} GiB of the source; AWS doesn't tell what the snapshot itself takes"]
    if key:
        evidence.append(source(environment.region, key))
    return finding(
        SNAPSHOTS, Level.WARN, f"snapshots/{one.name}", sentence, leftovers.reading, *evidence, since=one.made
    )


@check(
    SECRETS,
    title="Secrets that nobody reads",
    question="Was every secret read lately?",
    severity=Level.WARN,
    runbook=WEEKLY_COSTS,
)
def unused_secrets(leftovers: Leftovers, environment: Environment, scope: Scope) -> Iterator[Finding]:
    days = environment.review.costs.unused_days
    unused = [one for one in leftovers.secrets if _is_old(one.last_read or one.made, environment, scope)]
    cost = monthly(environment.region, ("secret", 1))
    for one in unused:
        read = f"was last read on {one.last_read:%d %B %Y}" if one.last_read else "was never read"
        sentence = (
            f"The secret {one.name} {read} and costs {in_words(cost, environment.region)}. "
            "Where nothing needs it take it out of the Terraform; Secrets Manager keeps it for its recovery window."
        )
        evidence = (
            f"LastAccessedDate, exact to a day; older than {counted(days, 'day')} counts",
            source(environment.region, "secret"),
        )
        yield finding(SECRETS, Level.WARN, f"secrets/{one.name}", sentence, leftovers.reading, *evidence)
    if not unused:
        sentence = f"Every secret ({len(leftovers.secrets)} in all) was read, or made, within {counted(days, 'day')}."
        yield finding(SECRETS, Level.OK, "secrets", sentence, leftovers.reading)


@check(
    IMAGES,
    title="Images that no tag names and nobody pulls",
    question="Does a repository keep images without a tag that nobody has pulled for long?",
    severity=Level.WARN,
    runbook=WEEKLY_COSTS,
)
def old_images(leftovers: Leftovers, environment: Environment, scope: Scope) -> Iterator[Finding]:
    region, reported = environment.region, False
    for one in leftovers.repositories:
        old = [at for at in one.old if _is_old(at, environment, scope)]
        if not old:
            continue
        reported = True
        share = len(old) / len(one.old)
        cost = monthly(region, ("ecr.stored", share * one.old_bytes / GIB))
        sentence = (
            f"{one.name} keeps {len(old)} of {one.images} images without a tag that nobody pulled for "
            f"{environment.review.costs.unused_days} days, {in_words(cost, region)}. A lifecycle policy in the "
            "Terraform removes them; those that an image index holds stay with it."
        )
        evidence = (
            f"{share * one.old_bytes / GIB:.2f} GiB, layers that they share counted each time",
            source(environment.region, "ecr.stored"),
        )
        yield finding(IMAGES, Level.WARN, f"images/{one.name}", sentence, leftovers.reading, *evidence)
    if not reported:
        sentence = f"No repository ({len(leftovers.repositories)} in all) keeps old images without a tag."
        yield finding(IMAGES, Level.OK, "images", sentence, leftovers.reading)
