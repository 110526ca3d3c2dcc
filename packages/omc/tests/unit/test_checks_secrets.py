"""The check of secrets' rotation: a table of states, and what is read of Secrets Manager and the tasks."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omc.checks.finding import Finding, Level
from omc.checks.secrets import secret_rotation
from omc.facts.scope import Scope
from omc.facts.secrets import Secret, SecretsInUse, SecretUse, UnreadableSecret, secret_of
from support import release_facts as example

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
SCOPE = Scope(NOW)
OK, WARN, FAIL, UNKNOWN = Level.OK, Level.WARN, Level.FAIL, Level.UNKNOWN
ARN = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-1-AbCdEf"
QUIET = Secret("ohmycoins-staging/secret-key")
ROTATING = Secret("rds!db-1", rotates=True, owner="rds", next_rotation=NOW + timedelta(days=5))


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def use(
    started: datetime | None, created: datetime | None = None, task: str = "t1", service: str = "backend"
) -> SecretUse:
    begun = created or (started - timedelta(seconds=30) if started else ago(seconds=20))
    return SecretUse(service, task, f"ohmycoins-{service}:7", "POSTGRES_PASSWORD", begun, started)


def judged(secret: Secret, *uses: SecretUse) -> Finding:
    [finding] = secret_rotation(SecretsInUse({ARN: secret}, {ARN: uses} if uses else {}), example.environment(), SCOPE)
    assert finding.evidence
    assert finding.level is OK or finding.procedure
    return finding


@pytest.mark.parametrize(
    ("secret", "uses", "level", "says"),
    [
        (QUIET, (use(ago(days=9)),), OK, "no secret that rotates automatically"),
        (ROTATING, (use(ago(days=1)),), OK, "next rotation is due by .*, within 5 d"),
        (ROTATING, (), OK, r"No running task relies on it\. Its next rotation is due by .*, within 5 d"),
        (replace(ROTATING, next_rotation=NOW + timedelta(hours=23)), (), OK, "within 23 h"),
        (replace(ROTATING, last_rotated=ago(hours=1)), (), OK, "No running task relies on it"),
        (replace(ROTATING, last_rotated=ago(hours=1)), (use(ago(minutes=30)),), OK, "next rotation is due"),
        (
            replace(ROTATING, next_rotation=NOW + timedelta(hours=24)),
            (use(ago(days=1)),),
            WARN,
            "restart backend right after",
        ),
        (replace(ROTATING, next_rotation=NOW + timedelta(hours=24, minutes=1)), (use(ago(days=1)),), OK, "within 24 h"),
        (
            replace(ROTATING, next_rotation=ago(hours=2)),
            (use(ago(days=1)),),
            WARN,
            "was due by .*, 2 h ago, and hasn't",
        ),
        (replace(ROTATING, next_rotation=ago(hours=2)), (), OK, "was due by .*, and hasn't happened"),
        (replace(ROTATING, next_rotation=None), (use(ago(days=1)),), WARN, "AWS doesn't say when next"),
        (replace(ROTATING, last_rotated=ago(hours=1)), (use(ago(hours=2)),), FAIL, "1 task of backend started before"),
        (
            replace(ROTATING, last_rotated=ago(hours=1)),
            (use(ago(hours=2)), use(ago(hours=3), task="t2"), use(ago(minutes=5), task="t3")),
            FAIL,
            "2 tasks of backend started before: what they hold is no longer valid",
        ),
        (
            replace(ROTATING, last_rotated=ago(hours=1)),
            (use(ago(hours=2)), use(ago(hours=2), task="t2", service="frontend")),
            FAIL,
            "1 task of backend and 1 task of frontend started before",
        ),
        (
            replace(ROTATING, last_rotated=ago(seconds=65)),
            (use(ago(seconds=60), created=ago(seconds=90)),),
            WARN,
            "while 1 task of backend was starting, which may hold the old value",
        ),
        (replace(ROTATING, last_rotated=ago(seconds=10)), (use(None),), WARN, "was starting, which may hold"),
        (
            replace(ROTATING, last_rotated=ago(seconds=10)),
            (use(None), use(None, task="t2")),
            WARN,
            "2 .* were starting",
        ),
        (ROTATING, (use(ago(days=1)), use(ago(days=1), service="web")), OK, "backend and web need a restart"),
        (replace(QUIET, last_rotated=ago(hours=1)), (use(ago(hours=2)),), FAIL, "started before"),
        (replace(QUIET, last_rotated=ago(hours=3)), (use(ago(hours=2)),), OK, "no secret that rotates automatically"),
        (
            replace(QUIET, deleted=ago(hours=1)),
            (use(ago(hours=2)),),
            FAIL,
            "scheduled for deletion: no new task of backend",
        ),
        (replace(QUIET, missing=True), (use(ago(hours=2)),), FAIL, "does not exist: no new task of backend can start"),
        (replace(ROTATING, missing=True), (), WARN, "does not exist: the next migration can't start"),
        (replace(ROTATING, rotates=False), (), OK, "doesn't rotate automatically, and no running task relies on it"),
    ],
)
def test_what_a_rotation_is_to_the_tasks(secret: Secret, uses: tuple[SecretUse, ...], level: Level, says: str) -> None:
    finding = judged(secret, *uses)
    assert finding.level is level
    assert re.search(says, finding.sentence), finding.sentence


def test_a_replaced_value_names_the_restart_and_its_evidence() -> None:
    finding = judged(replace(ROTATING, last_rotated=ago(hours=1)), use(ago(hours=2)))
    assert finding.procedure is not None
    assert finding.procedure.command == "omc restart --env staging backend"
    first, second = (each.text for each in finding.evidence)
    assert first.startswith("rotation on, managed by rds, last rotated Tue 24 Nov 07:15:00 AEDT (Mon 20:15 UTC)")
    assert second.startswith("task t1 (ohmycoins-backend:7) of backend got it as POSTGRES_PASSWORD, started")


def test_one_secret_that_can_not_be_read_is_unknown_and_the_others_are_judged() -> None:
    denied = UnreadableSecret("You may not do secretsmanager:DescribeSecret.", "secretsmanager:DescribeSecret")
    facts = SecretsInUse({"b": QUIET}, {ARN: (use(ago(hours=1)),), "b": (use(ago(hours=1)),)}, {ARN: denied})
    unknown, ok = secret_rotation(facts, example.environment(), SCOPE)
    assert (unknown.level, unknown.subject, unknown.unread) == (UNKNOWN, "rds!db-1-AbCdEf", True)
    assert unknown.action == "secretsmanager:DescribeSecret"
    assert (ok.level, ok.subject) == (OK, "ohmycoins-staging/secret-key")


def test_secrets_without_rotation_are_one_line_and_no_secret_is_reported() -> None:
    several = {name: Secret(name) for name in ("a", "b", "c")}
    [finding] = secret_rotation(
        SecretsInUse(several, {name: (use(ago(hours=1)),) for name in several}), example.environment(), SCOPE
    )
    assert (finding.level, finding.subject) == (OK, "3 secrets")
    assert [each.text for each in finding.evidence] == ["without rotation: a, b, c"]
    [nothing] = secret_rotation(SecretsInUse({}, {}), example.environment(), SCOPE)
    assert (nothing.level, nothing.subject) == (OK, "all services")


PLAIN = "arn:aws:secretsmanager:ap-southeast-2:1:secret:a/b-AbCdEf"


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        (PLAIN, PLAIN),
        (f"{PLAIN}:password::", PLAIN),
        (f"{PLAIN}::AWSPREVIOUS:", PLAIN),
        (f"{PLAIN}:::0123", PLAIN),
        (PLAIN.replace("arn:aws:", "arn:aws-us-gov:"), PLAIN.replace("arn:aws:", "arn:aws-us-gov:")),
        (
            "arn:aws:secretsmanager:a:1:secret:rds!db-1-AbCdEf:password::",
            "arn:aws:secretsmanager:a:1:secret:rds!db-1-AbCdEf",
        ),
        ("arn:aws:ssm:a:1:parameter/aws/reference/secretsmanager/a/b", "a/b"),
        ("/aws/reference/secretsmanager/a/b", "a/b"),
        ("arn:aws:ssm:a:1:parameter/own/name", None),
        ("/own/name", None),
        ("name", None),
        *(
            (odd, None)
            for odd in ("", "arn:", "arn:aws", "arn:aws:", "arn:aws:secretsmanager", "arn:aws:secretsmanager:a:1")
        ),
    ],
)
def test_which_secret_a_task_definition_names(reference: str, found: Any) -> None:
    assert secret_of(reference) == found
