"""Checks of what gets old: certificates, secrets, keys of users, and images with known holes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from omc.checks.finding import Finding, Level
from omc.checks.runbook import DEPLOYMENT, WEEKLY_SECURITY
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.entrance import Entrance
from omc.facts.scope import Scope
from omc.facts.security.image_scans import ImageScans, Scan
from omc.facts.security.logins import AccessKey, Logins, User
from omc.facts.security.secret_ages import SecretAges
from omc.review.security.findings import finding, listed, times
from omc.times import format_duration, format_time

CERTIFICATE_SOON, CERTIFICATE_LATE = timedelta(days=45), timedelta(days=14)
"""ACM begins to renew its own 60 days before the end; one that is as near as this wasn't renewed
(docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html)."""
KEY_OLD = timedelta(days=90)
"""The CIS AWS Foundations Benchmark wants keys rotated within 90 days …"""
KEY_UNUSED = timedelta(days=45)
"""… and what was not used for 45 days disabled."""
SECRET_OLD = timedelta(days=365)


@check(
    "certificate-age",
    title="Certificates: when they end",
    question="Is every certificate good for more than six weeks?",
    severity=Level.FAIL,
    runbook=WEEKLY_SECURITY,
)
def certificate_age(entrance: Entrance, environment: Environment, scope: Scope) -> Iterator[Finding]:
    soon = 0
    for one in entrance.certificates:
        if one.expires is None or one.expires - scope.now > CERTIFICATE_SOON:
            continue
        soon += 1
        left = one.expires - scope.now
        when = format_time(one.expires, environment.time_zone)
        name = listed(one.names) or one.arn
        ending = f"ended {format_duration(-left)} ago" if left < timedelta(0) else f"ends in {format_duration(left)}"
        how = (
            "ACM should have renewed it by itself: look at its validation record in the DNS"
            if one.renews
            else "it doesn't renew by itself: import a new one"
        )
        level = Level.FAIL if left < CERTIFICATE_LATE else Level.WARN
        sentence = f"The certificate of {name} {ending} ({when}): {how}."
        yield finding("certificate-age", level, f"certificates/{one.arn}", sentence, entrance.reading, one.arn)
    if not soon:
        ends = [one.expires for one in entrance.certificates if one.expires]
        sentence = (
            f"{times(len(ends), 'certificate')}, the first ends {format_time(min(ends), environment.time_zone)}."
            if ends
            else "The load balancer has no certificate."
        )
        evidence = tuple(one.arn for one in entrance.certificates) or ("none",)
        yield finding("certificate-age", Level.OK, "certificates", sentence, entrance.reading, *evidence)


@check(
    "secret-age",
    title="Secrets: how old they are",
    question="Was every secret changed within a year?",
    severity=Level.WARN,
    runbook=WEEKLY_SECURITY,
)
def secret_age(ages: SecretAges, environment: Environment, scope: Scope) -> Iterator[Finding]:
    old = [one for one in ages.secrets if one.changed and scope.now - one.changed > SECRET_OLD]
    for one in old:
        changed = one.changed or scope.now
        rotates = "Its rotation is on, and doesn't happen." if one.rotates else "It isn't rotated by itself."
        sentence = (
            f"The secret {one.name} is {format_duration(scope.now - changed)} old. {rotates} Change it, then restart "
            "the services that hold it."
        )
        restart = replace(WEEKLY_SECURITY, command=f"omc restart --env {environment.name}")
        read = format_time(one.used, environment.time_zone) if one.used else "not known"
        evidence = (f"changed {format_time(changed, environment.time_zone)}, last read {read}",)
        yield finding(
            "secret-age",
            Level.WARN,
            f"secrets/{one.name}",
            sentence,
            ages.reading,
            *evidence,
            procedure=restart,
            since=changed + SECRET_OLD,
        )
    if not old:
        sentence = f"All {times(len(ages.secrets), 'secret')} are younger than a year."
        yield finding(
            "secret-age", Level.OK, "secrets", sentence, ages.reading, *([one.name for one in ages.secrets] or ["none"])
        )


@check(
    "iam-users",
    title="Users of IAM, their keys, and root's",
    question="Does nobody hold keys that last, and has everybody with a password a second factor?",
    severity=Level.FAIL,
    runbook=WEEKLY_SECURITY,
)
def iam_users(logins: Logins, environment: Environment, scope: Scope) -> Iterator[Finding]:
    findings = [*_root(logins), *(one for user in logins.users for one in _user(user, logins, environment, scope))]
    yield from findings
    if logins.more_users:
        yield Finding("iam-users", Level.UNKNOWN, "users", f"{logins.more_users} more users were not asked about.", (),
                      WEEKLY_SECURITY, True, place="users/more")  # fmt: skip
    elif not findings:
        sentence = f"{times(len(logins.users), 'user')} of IAM, none with a key or with a password alone."
        evidence = [user.name for user in logins.users] or ["none"]
        yield finding("iam-users", Level.OK, "users", sentence, logins.reading, *evidence)


def _root(logins: Logins) -> Iterator[Finding]:
    if logins.root_has_keys:
        sentence = "Root has access keys: whoever has them may do everything, and nothing can forbid it. Delete them."
        yield finding("iam-users", Level.FAIL, "users/root/keys", sentence, logins.reading, "IAM's account summary")
    if not logins.root_has_mfa:
        sentence = "Root has no second factor."
        yield finding("iam-users", Level.FAIL, "users/root/mfa", sentence, logins.reading, "IAM's account summary")


def _user(user: User, logins: Logins, environment: Environment, scope: Scope) -> Iterator[Finding]:
    if user.has_password and not user.has_mfa:
        sentence = f"The user {user.name} may log in to the console with a password alone."
        yield finding("iam-users", Level.FAIL, f"users/{user.name}/mfa", sentence, logins.reading, "no second factor")
    for key in user.keys:
        if not key.is_active or key.created is None:
            continue
        level, why = _of_key(key, key.created, scope)
        used = format_time(key.used, environment.time_zone) if key.used else "never"
        evidence = (
            f"made {format_time(key.created, environment.time_zone)}, last used {used} {key.used_for}".rstrip(),
        )
        sentence = f"The user {user.name} has a long-lived key (…{key.id[-4:]}), {why}"
        place = f"users/{user.name}/key-of-{key.created:%Y-%m-%d}"
        yield finding("iam-users", level, place, sentence, logins.reading, *evidence, since=key.created)


def _of_key(key: AccessKey, created: datetime, scope: Scope) -> tuple[Level, str]:
    age = format_duration(scope.now - created)
    if scope.now - (key.used or created) > KEY_UNUSED:
        return Level.WARN, f"not used for {format_duration(scope.now - (key.used or created))}: disable it."
    if scope.now - created > KEY_OLD:
        return Level.FAIL, f"{age} old and in use: give its holder a role instead, or make a new key."
    return Level.WARN, f"{age} old: a role, by Identity Center or GitHub's OIDC, needs none."


@check(
    "image-holes",
    title="Known holes in the images that run",
    question="Did the scan of every image that runs find nothing serious?",
    severity=Level.FAIL,
    runbook=DEPLOYMENT,
)
def image_holes(scans: ImageScans, environment: Environment) -> Iterator[Finding]:
    bad = 0
    for one in scans.scans:
        judged = _of_scan(one, environment)
        if judged is None:
            continue
        bad += 1
        level, sentence = judged
        counts = ", ".join(f"{count} {severity.lower()}" for severity, count in one.counts.items()) or one.status
        evidence = [f"{one.image}: {counts}", *one.worst]
        deploy = replace(DEPLOYMENT, command=f"omc deploy --env {environment.name}")
        place = f"images/{one.image.partition('@')[0].partition(':')[0]}"
        yield finding("image-holes", level, place, sentence, scans.reading, *evidence, procedure=deploy)
    if not bad:
        clean = listed(one.image for one in scans.scans)
        sentence = f"Nothing serious in {clean}." if scans.scans else "No service runs an image of ECR's."
        if environment.is_local:
            sentence = "A local cloud scans no images."
        yield finding(
            "image-holes",
            Level.OK,
            "images",
            sentence,
            scans.reading,
            *([one.image for one in scans.scans] or ["none"]),
        )


def _of_scan(one: Scan, environment: Environment) -> tuple[Level, str] | None:
    where = f"The image of {listed(one.services)}"
    critical, high = one.counts.get("CRITICAL", 0), one.counts.get("HIGH", 0)
    if one.status == "unread":
        return Level.UNKNOWN, f"{where}: its scan could not be read: {one.problem}"
    if one.status == "missing":
        if environment.is_local:  # a local cloud scans nothing
            return None
        return (
            Level.WARN,
            f"{where} was never scanned: switch on scan_on_push for its repository.",
        )
    if critical:
        return (
            Level.FAIL,
            f"{where} has {times(critical, 'critical hole')} and {high} serious ones.",
        )
    if high:
        return Level.WARN, f"{where} has {times(high, 'serious hole')}: build it anew."
    return None
