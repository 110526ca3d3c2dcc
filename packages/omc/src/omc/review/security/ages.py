"""Checks of what gets old: certificates, secrets, keys of users, and images with known holes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from omc.checks.finding import Finding, Level
from omc.checks.runbook import DEPLOYMENT, WEEKLY_SECURITY
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.entrance import Certificate, Entrance
from omc.facts.scope import Scope
from omc.facts.security.image_scans import ImageScans, Scan
from omc.facts.security.logins import AccessKey, Logins, User
from omc.facts.security.secret_ages import SecretAges
from omc.output.text import counted
from omc.review.security.findings import finding, listed
from omc.times import format_duration, format_time

SCANNED = frozenset({"COMPLETE", "ACTIVE"})
"""States of a scan in which no finding means that there is none (ECR's API reference, ImageScanStatus)."""


@check(
    "certificate-age",
    title="Certificates: when they end",
    question="Is every certificate good for some weeks more?",
    severity=Level.FAIL,
    runbook=WEEKLY_SECURITY,
)
def certificate_age(entrance: Entrance, environment: Environment, scope: Scope) -> Iterator[Finding]:
    limits = environment.review.security
    soon, late = timedelta(days=limits.certificate_days), timedelta(days=limits.certificate_urgent_days)
    reported = False
    for one in entrance.certificates:
        if one.expires is None:
            reported = True
            yield _endless(one, entrance)
            continue
        if one.expires - scope.now > soon:
            continue
        reported = True
        left = one.expires - scope.now
        when = format_time(one.expires, environment.time_zone)
        name = listed(one.names) or one.arn
        ending = f"ended {format_duration(-left)} ago" if left < timedelta(0) else f"ends in {format_duration(left)}"
        how = (
            "ACM should have renewed it by itself: look at its validation record in the DNS"
            if one.renews
            else "it doesn't renew by itself: import a new one"
        )
        level = Level.FAIL if left < late else Level.WARN
        sentence = f"The certificate of {name} {ending} ({when}): {how}."
        yield finding("certificate-age", level, f"certificates/{one.arn}", sentence, entrance.reading, one.arn)
    if not reported:
        ends = [one.expires for one in entrance.certificates if one.expires]
        sentence = (
            f"{counted(len(ends), 'certificate')}, the first ends {format_time(min(ends), environment.time_zone)}."
            if ends
            else "The load balancer has no certificate."
        )
        evidence = tuple(one.arn for one in entrance.certificates) or ("none",)
        yield finding("certificate-age", Level.OK, "certificates", sentence, entrance.reading, *evidence)


def _endless(one: Certificate, entrance: Entrance) -> Finding:
    """One whose end is in no answer of AWS's."""
    if one.status == "missing":
        why = "ACM has no such certificate here"
    elif one.status:
        why = f"its status is {one.status}"
    else:
        why = "it isn't ACM's, which alone is asked"
    sentence = f"When the certificate of {listed(one.names) or one.arn} ends is not known: {why}."
    return finding("certificate-age", Level.UNKNOWN, f"certificates/{one.arn}", sentence, entrance.reading, one.arn)


@check(
    "secret-age",
    title="Secrets: how old they are",
    question="Was every secret changed within its time, a year if omc.toml says nothing?",
    severity=Level.WARN,
    runbook=WEEKLY_SECURITY,
)
def secret_age(ages: SecretAges, environment: Environment, scope: Scope) -> Iterator[Finding]:
    most = timedelta(days=environment.review.security.secret_days)
    old = [one for one in ages.secrets if one.changed and scope.now - one.changed > most]
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
            since=changed + most,
        )
    if not old:
        sentence = f"All {counted(len(ages.secrets), 'secret')} are younger than {format_duration(most)}."
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
        sentence = f"{counted(len(logins.users), 'user')} of IAM, none with a key or with a password alone."
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
        level, why = _of_key(key, key.created, environment, scope)
        used = format_time(key.used, environment.time_zone) if key.used else "never"
        evidence = (
            f"made {format_time(key.created, environment.time_zone)}, last used {used} {key.used_for}".rstrip(),
        )
        sentence = f"The user {user.name} has a long-lived key (…{key.id[-4:]}), {why}"
        place = f"users/{user.name}/key-of-{key.created:%Y-%m-%d}"
        yield finding("iam-users", level, place, sentence, logins.reading, *evidence, since=key.created)


def _of_key(key: AccessKey, created: datetime, environment: Environment, scope: Scope) -> tuple[Level, str]:
    limits = environment.review.security
    age = format_duration(scope.now - created)
    if scope.now - (key.used or created) > timedelta(days=limits.key_unused_days):
        return Level.WARN, f"not used for {format_duration(scope.now - (key.used or created))}: disable it."
    if scope.now - created > timedelta(days=limits.key_days):
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
            f"{where} has {counted(critical, 'critical hole')} and {high} serious ones.",
        )
    if high:
        return Level.WARN, f"{where} has {counted(high, 'serious hole')}: build it anew."
    if one.status not in SCANNED:
        return Level.UNKNOWN, f"{where}: its scan says {one.status or 'nothing'}, so that its holes aren't known."
    return None
