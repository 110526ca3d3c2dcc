"""Checks of what the world could use: databases, snapshots and buckets, and tasks with public addresses."""

from __future__ import annotations

from collections.abc import Iterator

from omc.checks.finding import Finding, Level
from omc.checks.runbook import WEEKLY_SECURITY
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.security.exposure import Exposure, Shared
from omc.review.security.findings import drift, finding, listed

EVERYBODY = "all"
MEANT = ("ELB ", "Interface for NAT Gateway")
"""How EC2 describes the interfaces that have a public address by design."""


@check(
    "public-exposure",
    title="Databases, snapshots, buckets and addresses that are public",
    question="Is a database, a snapshot, a bucket or a task open to everybody or to another account?",
    severity=Level.FAIL,
    runbook=WEEKLY_SECURITY,
)
def public_exposure(exposure: Exposure, environment: Environment) -> Iterator[Finding]:
    for one in exposure.shared:
        level = Level.FAIL if EVERYBODY in one.whom else Level.WARN
        yield finding(
            "public-exposure",
            level,
            f"public/{one.what}/{one.name}",
            _sentence(one),
            exposure.reading,
            f"{one.what} {one.name}: {listed(one.whom)}",
            procedure=drift(environment),
        )
    beside = [one for one in exposure.interfaces if one.public and not one.description.startswith(MEANT)]
    if beside:
        words = listed(f"{one.description or one.id} ({one.public})" for one in beside)
        sentence = f"Public addresses on what needs none: {words}. Tasks reach the internet through the NAT gateway."
        yield finding(
            "public-exposure",
            Level.WARN,
            "public/addresses",
            sentence,
            exposure.reading,
            *([f"{one.id} {one.description} {one.public}" for one in beside]),
            procedure=drift(environment),
        )
    for number, problem in enumerate(exposure.problems):
        yield finding("public-exposure", Level.UNKNOWN, f"public/unread-{number}", problem, exposure.reading)
    if not exposure.shared and not beside and not exposure.problems:
        sentence = f"Nothing is public: {listed(exposure.looked_at)}."
        yield finding("public-exposure", Level.OK, "public", sentence, exposure.reading, *exposure.looked_at)


def _sentence(one: Shared) -> str:
    if one.what == "database":
        return f"The database {one.name} has a public address. Only the tasks need it: set publicly_accessible = false."
    if one.what == "bucket":
        return f"S3 judges the policy of the bucket {one.name} to be public."
    if EVERYBODY in one.whom:
        return f"Everybody may restore the snapshot {one.name}: whoever does has all of its data."
    return f"The snapshot {one.name} is shared with {listed(one.whom)}."
