"""Logins that the database refuses: which password, which limit, and what is proposed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from omc.checks.finding import Finding
from omc.facts.followup.data_stores import StoreEvent
from omc.facts.followup.last_writes import LastWrites, Write
from omc.facts.probes import Probes
from omc.facts.secrets import Secret, SecretsInUse, SecretUse
from support.causes_facts import ALL_ILL, NOW, ago, errors, load_of, rules, run, stores

USER, NAME = "ohmycoins_app_a", "ohmycoins-staging/database-user-a"
REFUSED = f'FATAL: password authentication failed for user "{USER}"'
RESTART = "omc restart --env staging backend"


def secrets(
    started: datetime = NOW - timedelta(hours=2), name: str = NAME, variable: str = "POSTGRES_PASSWORD", **more: Any
) -> SecretsInUse:
    arn = f"arn:aws:secretsmanager:eu-west-1:1:secret:{name}"
    use = SecretUse("backend", "t1", "b:7", variable, started, started)
    return SecretsInUse({arn: Secret(name, current="v2", former="v1", **more)}, {arn: (use,)})


def put(who: str = "jo (role admin)", name: str = NAME, **length: float) -> LastWrites:
    texts = frozenset({name, "awspending"} if who == "rotation" else {name})
    return LastWrites((Write(ago(**(length or {"seconds": 59})), "PutSecretValue", who, texts),))


def cause_of(line: str, *facts: Any) -> Finding:
    found = run(ALL_ILL, [errors(line), stores(), rules(), load_of(), *facts])
    [cause] = [each for each in found if each.place == "database"]
    return cause


def everything(finding: Finding) -> str:
    command = finding.procedure.command if finding.procedure else ""
    return "\n".join([finding.sentence, command, *(each.text for each in finding.evidence)])


@pytest.mark.parametrize(
    ("facts", "is_by_hand", "is_restarted"),
    [
        ([secrets(), put()], True, False),
        ([secrets(), put(minutes=20)], True, False),
        ([secrets(rotates=True, last_rotated=ago(days=20)), put()], True, False),
        ([secrets(last_changed=ago(seconds=59))], True, False),
        ([secrets(name="shop/postgres", variable="PGPASSWORD"), put(name="shop/postgres")], True, False),
        ([secrets(name="rds!db-1", variable="X", owner="rds"), put(name="rds!db-1")], True, False),
        ([secrets(rotates=True, last_rotated=ago(minutes=5))], False, True),
        ([secrets(rotates=True, last_rotated=ago(minutes=5), last_changed=ago(minutes=5))], False, True),
        ([secrets(rotates=True, last_rotated=ago(minutes=5)), put(minutes=6)], False, True),
        ([secrets(rotates=True, last_rotated=ago(minutes=5)), put("rotation", minutes=1)], False, True),
        ([secrets(ago(minutes=1), rotates=True, last_rotated=ago(minutes=5))], False, False),
        ([secrets()], False, False),
        ([secrets(ago(seconds=30), last_changed=ago(seconds=59))], False, False),
        ([secrets(last_changed=ago(days=40))], False, False),
        ([secrets(), put(name="ohmycoins-staging/redis-auth")], False, False),
        (
            [secrets(name="ohmycoins-staging/redis-auth", variable="REDIS_PASSWORD"), put(name="x/redis-auth")],
            False,
            False,
        ),
        ([secrets(), put("rotation")], False, False),
        ([put()], False, False),
        ([], False, False),
    ],
)
def test_a_password_that_is_refused(facts: list[Any], is_by_hand: bool, is_restarted: bool) -> None:
    found = cause_of(REFUSED, *facts)
    assert found.check == "database-password"
    assert USER in found.sentence
    assert ("former version back" in found.sentence) is is_by_hand
    assert (RESTART in everything(found)) is is_restarted
    if is_by_hand:
        assert "--move-to-version-id v1 --remove-from-version-id v2" in everything(found)
    if is_by_hand or is_restarted:
        secret = next(iter(facts[0].secrets.values()))
        assert secret.name in found.sentence


def test_who_changed_the_secret_is_reported() -> None:
    assert "by jo (role admin) (PutSecretValue) 59 s ago" in cause_of(REFUSED, secrets(), put()).sentence


@pytest.mark.parametrize(
    ("line", "name", "part"),
    [
        (
            f'FATAL:  too many connections for role "{USER}"',
            "limit",
            f'role "{USER}". It is the role\'s CONNECTION LIMIT',
        ),
        (
            'FATAL: too many connections for database "shop"',
            "limit",
            'database "shop". It is the database\'s CONNECTION',
        ),
        ("FATAL: sorry, too many clients already", "refused", "refused connections to the database, though 8 of 80"),
        ('FATAL: role "app" is not permitted to log in', "password", 'role "app" is not permitted to log in'),
        ("cannot execute INSERT in a read-only transaction", "read-only", "default_transaction_read_only"),
    ],
)
def test_what_a_login_may_not(line: str, name: str, part: str) -> None:
    found = cause_of(line)
    assert part in found.sentence
    assert "takes no further connection" not in everything(found)
    assert "standby" not in everything(found)
    assert "omc restart" not in everything(found)


@pytest.mark.parametrize(
    ("age", "message", "is_standby"),
    [
        (timedelta(minutes=2), "Multi-AZ instance failover completed", True),
        (timedelta(hours=9), "Multi-AZ instance failover completed", False),
        (timedelta(minutes=2), "DB instance restarted", False),
    ],
)
def test_a_standby_is_named_only_after_a_failover(age: timedelta, message: str, is_standby: bool) -> None:
    events = (StoreEvent(NOW - age, "ohmycoins-staging", message),)
    found = run(
        ALL_ILL,
        [errors("cannot execute UPDATE in a read-only transaction"), stores(database={"events": events}), load_of()],
    )
    assert ("standby" in found[0].sentence) is is_standby


def test_a_restart_is_not_proposed_where_a_task_still_logs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omc.checks.causes.logins.is_well_served", lambda probes, service: service == "backend")
    facts = (secrets(rotates=True, last_rotated=ago(minutes=5)), Probes((), {}))
    assert RESTART not in everything(cause_of(REFUSED, *facts))
