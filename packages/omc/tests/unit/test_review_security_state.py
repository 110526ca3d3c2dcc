"""What the security review says of what is open and what is old: three stories each in which it is told, two in which
it isn't."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omc.checks.finding import Finding, Level
from omc.config import Environment, load
from omc.config.review_tables import ReviewTable, SecurityTable
from omc.facts.entrance import Certificate, Entrance
from omc.facts.expected import Expected, Thing
from omc.facts.scope import Scope
from omc.facts.security.exposure import Exposure, Interface, OpenRule, Shared
from omc.facts.security.image_scans import ImageScans, Scan
from omc.facts.security.knocks import Knock, Knocks
from omc.facts.security.logins import AccessKey, Logins, User
from omc.facts.security.secret_ages import SecretAge, SecretAges
from omc.review.security.ages import certificate_age, iam_users, image_holes, secret_age
from omc.review.security.charts import knocks_by_port
from omc.review.security.network import RULE, open_rules, refused_connections, rules_in_code
from omc.review.security.public import public_exposure

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
SCOPE = Scope(NOW, timedelta(days=7))
OK, WARN, UNKNOWN, FAIL = Level.OK, Level.WARN, Level.UNKNOWN, Level.FAIL


def told(findings: Iterable[Finding]) -> list[tuple[Level, str]]:
    every = list(findings)
    assert every, "a check that says nothing could not be told from one that wasn't run"
    assert all((one.level is OK) == (one.procedure is None) for one in every)
    assert len({one.place for one in every}) == len(every), "each has a key of its own"
    return [(one.level, one.place) for one in every if one.level is not OK]


def days(count: float) -> datetime:
    return NOW - timedelta(days=count)


# -- refused connections ---------------------------------------------------------------------------------------------

OWNERS = {"10.0.1.5": "ELB app/x/1", "10.0.2.7": "a task", "10.0.3.9": "RDSNetworkInterface"}


def knocks(*some: tuple[str, str, int]) -> Knocks:
    return Knocks(tuple(Knock(*one, 6, 12) for one in some), "/vpc/x/flow", OWNERS)


@pytest.mark.parametrize(
    ("knock", "place"),
    [
        (("10.0.2.7", "10.0.3.9", 5432), "knocks/a task-RDSNetworkInterface-5432"),
        (("10.0.1.5", "10.0.2.7", 8000), "knocks/ELB app/x/1-a task-8000"),
        (("10.0.2.99", "10.0.2.7", 22), "knocks/10.0.2.99-a task-22"),
    ],
)
def test_what_was_refused_within_the_network_is_told(knock: tuple[str, str, int], place: str) -> None:
    assert told(refused_connections(knocks(knock), STAGING)) == [(WARN, place.replace(" ", "-"))]


@pytest.mark.parametrize("knock", [("198.51.100.7", "10.0.1.5", 22), ("10.0.3.9", "10.0.2.7", 45123)])
def test_the_internet_and_late_packets_are_the_weather(knock: tuple[str, str, int]) -> None:
    assert told(refused_connections(knocks(knock), STAGING)) == []


def test_the_internets_knocks_are_counted_by_what_they_look_for() -> None:
    some = knocks(("198.51.100.7", "10.0.1.5", 22), ("198.51.100.8", "10.0.1.5", 3389))
    (finding,) = refused_connections(some, STAGING)
    assert "24 records of refused packets, most to 22 (SSH), 3389 (Remote Desktop)" in finding.sentence
    chart = knocks_by_port(some)
    assert chart is not None
    assert chart.labels == ("22 SSH", "3389 Remote Desktop")
    assert knocks_by_port(knocks()) is None


def test_without_a_flow_log_it_is_unknown_with_what_makes_one() -> None:
    (finding,) = refused_connections(Knocks(), STAGING)
    assert (finding.level, finding.unread) == (UNKNOWN, True)
    assert "omc infra plan --env staging" in finding.sentence


# -- rules -----------------------------------------------------------------------------------------------------------

BALANCER = Interface("eni-1", "ELB app/ohmycoins-staging/1", "interface", ("sg-lb",), "203.0.113.1")
TASK = Interface("eni-2", "arn:aws:ecs:x:1:attachment/1", "interface", ("sg-task",))


def rule(group: str, first: int, cidr: str = "0.0.0.0/0", protocol: str = "tcp", last: int | None = None) -> OpenRule:
    return OpenRule(f"sgr-{group}-{first}", group, f"x-{group}", protocol, first, first if last is None else last, cidr)


def exposed(*rules: OpenRule, **more: Any) -> Exposure:
    known: dict[str, Any] = {"interfaces": (BALANCER, TASK), "vpcs": ("vpc-1",), "looked_at": ("1 database",)}
    return Exposure(rules, **known | more)


@pytest.mark.parametrize(
    ("one", "level"),
    [
        (rule("sg-lb", 22), FAIL),
        (rule("sg-lb", 0, "::/0", "-1", 0), FAIL),
        (rule("sg-task", 8000), WARN),
        (rule("sg-unused", 443), WARN),
        (rule("sg-lb", 80, last=443), FAIL),
    ],
)
def test_what_is_open_to_the_world_is_told(one: OpenRule, level: Level) -> None:
    assert [found for found, _ in told(open_rules(exposed(one), STAGING))] == [level]


@pytest.mark.parametrize(("ports", "found"), [((443,), [FAIL]), ((80, 443), []), ((), [FAIL])])
def test_which_ports_are_for_users_is_what_omc_toml_says(ports: tuple[int, ...], found: list[Level]) -> None:
    environment = replace(STAGING, review=ReviewTable(security=SecurityTable(open_ports=ports)))
    assert [level for level, _ in told(open_rules(exposed(rule("sg-lb", 80)), environment))] == found


@pytest.mark.parametrize("one", [rule("sg-lb", 443), rule("sg-lb", 80, "::/0"), rule("sg-task", 8000, "10.0.0.0/16")])
def test_ports_for_users_and_ranges_of_ones_own_are_not(one: OpenRule) -> None:
    assert told(open_rules(exposed(one), STAGING)) == []


def state(*things: dict[str, Any]) -> Expected:
    return Expected(tuple(Thing(RULE, one) for one in things), written=NOW)


HTTPS = {"security_group_id": "sg-lb", "ip_protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_ipv4": "0.0.0.0/0"}
BACKEND = {"security_group_id": "sg-task", "ip_protocol": "tcp", "from_port": 8000, "to_port": 8000}


@pytest.mark.parametrize(
    ("one", "level"),
    [
        (rule("sg-lb", 22), FAIL),
        (rule("sg-lb", 443, "203.0.113.0/24"), WARN),
        (rule("sg-task", 5432, "10.9.0.0/16"), WARN),
    ],
)
def test_a_rule_that_no_code_has_is_told(one: OpenRule, level: Level) -> None:
    code = state(HTTPS, BACKEND | {"referenced_security_group_id": "sg-lb"})
    assert [found for found, _ in told(rules_in_code(exposed(one), code, STAGING))] == [level]


@pytest.mark.parametrize(
    "one",
    [
        rule("sg-lb", 443),
        rule("sg-other", 22),
        OpenRule("sgr-9", "sg-task", "x", "tcp", 8000, 8000, peer="sg-lb"),
    ],
)
def test_a_rule_of_the_code_or_of_a_group_that_it_hasnt_is_not(one: OpenRule) -> None:
    code = state(HTTPS, BACKEND | {"referenced_security_group_id": "sg-lb"})
    assert told(rules_in_code(exposed(one), code, STAGING)) == []


def test_without_the_code_or_the_network_it_is_unknown() -> None:
    assert told(rules_in_code(exposed(), Expected((), problem="AccessDenied."), STAGING)) == [(UNKNOWN, "code-rules")]
    assert told(open_rules(Exposure(), STAGING)) == [(UNKNOWN, "rules")]


# -- what is public --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "level"),
    [
        (Shared("database", "x", ("all",)), FAIL),
        (Shared("snapshot", "s", ("all",)), FAIL),
        (Shared("snapshot", "s", ("444455556666",)), WARN),
        (Shared("bucket", "b", ("all",)), FAIL),
    ],
)
def test_what_others_may_use_is_told(one: Shared, level: Level) -> None:
    assert told(public_exposure(exposed(shared=(one,)), STAGING)) == [(level, f"public/{one.what}/{one.name}")]


def test_a_task_with_a_public_address_is_told_and_a_load_balancer_is_not() -> None:
    public = Interface("eni-3", "arn:aws:ecs:x:1:attachment/2", "interface", ("sg-task",), "203.0.113.9")
    assert told(public_exposure(exposed(interfaces=(public,)), STAGING)) == [(WARN, "public/addresses")]
    assert told(public_exposure(exposed(), STAGING)) == []


def test_a_part_that_cannot_be_read_is_unknown() -> None:
    assert told(public_exposure(exposed(problems=("AccessDenied.",)), STAGING)) == [(UNKNOWN, "public/unread-0")]


# -- ages ------------------------------------------------------------------------------------------------------------


def entrance(left: float, *, renews: bool = True) -> Entrance:
    one = Certificate("arn:c", "ISSUED", ("app.example.com",), NOW + timedelta(days=left), renews)
    return Entrance("app.example.com", True, ("HTTPS",), (one,))


@pytest.mark.parametrize(("left", "level"), [(40, WARN), (10, FAIL), (-1, FAIL)])
def test_a_certificate_that_ends_soon_is_told(left: float, level: Level) -> None:
    assert told(certificate_age(entrance(left), STAGING, SCOPE)) == [(level, "certificates/arn:c")]
    (finding,) = certificate_age(entrance(left, renews=False), STAGING, SCOPE)
    assert "import a new one" in finding.sentence


def test_a_certificate_that_is_good_for_long_and_none_are_ok() -> None:
    assert told(certificate_age(entrance(60), STAGING, SCOPE)) == []
    assert told(certificate_age(Entrance("", False, ("HTTP",)), STAGING, SCOPE)) == []


@pytest.mark.parametrize(
    ("status", "words"),
    [("PENDING_VALIDATION", "PENDING_VALIDATION"), ("missing", "no such certificate"), ("", "isn't ACM's")],
)
def test_a_certificate_whose_end_nothing_tells_is_unknown_and_not_no_certificate(status: str, words: str) -> None:
    nowhere = Certificate("arn:c", status, (), None, None)
    (finding,) = certificate_age(replace(entrance(60), certificates=(nowhere,)), STAGING, SCOPE)
    assert (finding.level, finding.unread, finding.place) == (UNKNOWN, True, "certificates/arn:c")
    assert words in finding.sentence


def tuned(**keys: Any) -> Environment:
    return replace(STAGING, review=ReviewTable(security=SecurityTable(**keys)))


STRICT = tuned(certificate_days=90, certificate_urgent_days=60, key_days=5, key_unused_days=3, secret_days=30)


@pytest.mark.parametrize(
    ("findings", "as_now", "by_the_table"),
    [
        (lambda of: certificate_age(entrance(80), of, SCOPE), [], [WARN]),
        (lambda of: certificate_age(entrance(50), of, SCOPE), [], [FAIL]),
        (lambda of: secret_age(SecretAges((SecretAge("a", days(40), None),)), of, SCOPE), [], [WARN]),
        (lambda of: iam_users(Logins((User("ci", (key(6),)),)), of, SCOPE), [WARN], [FAIL]),
        (lambda of: iam_users(Logins((User("ci", (key(2),)),)), of, SCOPE), [WARN], [WARN]),
    ],
)
def test_what_is_too_old_is_what_omc_toml_says(findings: Any, as_now: list[Level], by_the_table: list[Level]) -> None:
    assert [level for level, _ in told(findings(STAGING))] == as_now
    assert [level for level, _ in told(findings(STRICT))] == by_the_table


@pytest.mark.parametrize("one", [SecretAge("a", days(366), None), SecretAge("a", days(800), NOW, rotates=True)])
def test_an_old_secret_is_told(one: SecretAge) -> None:
    assert told(secret_age(SecretAges((one,)), STAGING, SCOPE)) == [(WARN, "secrets/a")]


@pytest.mark.parametrize("some", [(), (SecretAge("a", days(364), None),), (SecretAge("a", None, None),)])
def test_a_young_secret_is_not(some: tuple[SecretAge, ...]) -> None:
    assert told(secret_age(SecretAges(some), STAGING, SCOPE)) == []


def key(age: float, used: float | None = 1, *, active: bool = True) -> AccessKey:
    return AccessKey("AKIA1", days(age), active, None if used is None else days(used), "ecr in x")


@pytest.mark.parametrize(
    ("logins", "expected"),
    [
        (Logins((User("ci", (key(10),)),)), [(WARN, "users/ci/key-of-2026-11-20")]),
        (Logins((User("ci", (key(91),)),)), [(FAIL, "users/ci/key-of-2026-08-31")]),
        (Logins((User("ci", (key(400, None),)),)), [(WARN, "users/ci/key-of-2025-10-26")]),
        (Logins((User("ann", has_password=True),)), [(FAIL, "users/ann/mfa")]),
        (Logins(root_has_keys=True, root_has_mfa=False), [(FAIL, "users/root/keys"), (FAIL, "users/root/mfa")]),
        (Logins(more_users=3), [(UNKNOWN, "users/more")]),
        (Logins(), []),
        (Logins((User("ci", (key(91, active=False),)), User("ann", (), True, True))), []),
    ],
)
def test_keys_that_last_and_passwords_alone_are_told(logins: Logins, expected: list[tuple[Level, str]]) -> None:
    assert told(iam_users(logins, STAGING, SCOPE)) == expected


@pytest.mark.parametrize(
    ("scan", "level"),
    [
        (Scan("x/backend@sha256:1", ("backend",), "COMPLETE", {"CRITICAL": 2, "HIGH": 5}, ("CVE-1",)), FAIL),
        (Scan("x/backend@sha256:1", ("backend",), "ACTIVE", {"HIGH": 1}), WARN),
        (Scan("x/backend@sha256:1", ("backend",), "missing"), WARN),
        (Scan("x/backend@sha256:1", ("backend",), "unread", problem="AccessDenied."), UNKNOWN),
        *(
            (Scan("x/backend@sha256:1", ("backend",), status, {}), UNKNOWN)
            for status in ("FAILED", "IN_PROGRESS", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED", "")
        ),
        (Scan("x/backend@sha256:1", ("backend",), "SCAN_ELIGIBILITY_EXPIRED", {"HIGH": 1}), WARN),
    ],
)
def test_holes_in_an_image_that_runs_are_told(scan: Scan, level: Level) -> None:
    assert told(image_holes(ImageScans((scan,)), STAGING)) == [(level, "images/x/backend")]


def test_small_holes_and_no_images_are_not() -> None:
    clean = Scan("x/backend@sha256:1", ("backend",), "COMPLETE", {"MEDIUM": 9})
    assert told(image_holes(ImageScans((clean,)), STAGING)) == []
    assert told(image_holes(ImageScans(), STAGING)) == []
