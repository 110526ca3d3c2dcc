"""More requests than usual, one client that sends most, scaling that can't follow, connections that end too soon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from omc.checks.finding import Evidence, Finding
from omc.facts.alarms import Alarms
from omc.facts.collector import NO_READING
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.followup.clients import Clients, clients_of
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.followup.last_writes import LastWrites, Write
from omc.facts.followup.request_clients import RequestClients
from omc.facts.image_labels import keep_alive_of
from omc.facts.load_balancers import TargetGroup, TargetGroups
from omc.facts.requests import Requests
from omc.facts.scaling import ScalableTarget, Scaling
from omc.facts.services import Services
from omc.facts.tasks import StoppedTask, StoppedTasks
from support.causes_facts import (
    FAIL,
    NOW,
    RATE,
    SERVED,
    WARN,
    ago,
    errors,
    load_of,
    minutes,
    rules,
    run,
    service,
    stores,
    task,
)

SLOWLY = Finding("users-served", WARN, "backend", "It is answered slowly: 200 after 4.2 s.", place="users/backend")
CPU = Finding("alarms", FAIL, "ohmycoins-staging-backend-cpu-high", "SEV-3, in ALARM.", place="alarms/cpu")
ARN = "arn:aws:elasticloadbalancing:x:1:targetgroup/ohmycoins-staging-backend/1"
GROUPS = TargetGroups((TargetGroup("ohmycoins-staging-backend", ARN, True),))
END = datetime(2026, 11, 23, 21, 10, tzinfo=NOW.tzinfo)
"""The newest whole five minutes begin five before."""


def came(usual: float, *newest: float, yesterday: float | None = None) -> Requests:
    """An hour and more of the usual, then what came in the newest steps."""
    steps = {END - timedelta(minutes=5 * number): usual for number in range(1, 40)}
    for number, value in enumerate(reversed(newest), 1):
        steps[END - timedelta(minutes=5 * number)] = value
    if yesterday is not None:
        for number in range(-3, 4):
            steps[END - timedelta(days=1, minutes=5 * number)] = yesterday
    return Requests({ARN: {at: value for at, value in steps.items() if value}})


def checks_of(found: tuple[Finding, ...]) -> list[str]:
    return [each.check for each in found]


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        (came(100, 900), "gets 180 requests a minute, where 20 came in the hour before: 9.0 times"),
        (came(500, 2000, 3000), "600 requests a minute, where 100 came"),
        (came(200, 700, yesterday=210), "3.5 times as many"),
    ],
)
def test_several_times_the_usual_is_a_surge(requests: Requests, words: str) -> None:
    found = run((SLOWLY, RATE), [requests, GROUPS, stores()])
    assert checks_of(found) == ["traffic-surge"]
    assert words in found[0].sentence
    assert any("was not seen" in each.text for each in found[0].evidence)


@pytest.mark.parametrize(
    "requests", [came(500, 900), came(10, 100), came(200, 900, yesterday=850), Requests({ARN: {}}), Requests({})]
)
def test_what_comes_each_day_or_is_little_is_no_surge(requests: Requests) -> None:
    assert "traffic-surge" not in checks_of(run((SLOWLY, RATE), [requests, GROUPS, stores()]))


def test_a_surge_takes_nothing_of_a_database_that_is_stopped() -> None:
    found = run((SLOWLY, RATE), [came(100, 900), GROUPS, stores(database={"status": "stopped"})])
    assert checks_of(found) == ["database-not-available"]


LOUD = {"203.0.113.9": 72_000, "198.51.100.4": 9_000, "198.51.100.5": 8_000, "192.0.2.7": 7_000}


def packets(**more: Any) -> Clients:
    rows = [{"srcAddr": address, "packets": str(number)} for address, number in (more or LOUD).items()]
    return clients_of(rows, "/vpc/flow")


@pytest.mark.parametrize(
    ("clients", "words"),
    [
        (packets(), "One client sends 75 % of what comes from outside: 203.0.113.9"),
        (packets(**LOUD, **{"10.0.1.5": 900_000}), "72,000 of 96,000 packets"),
        (packets(**{"2001:db8::1": 5_000, "192.0.2.1": 2_000, "192.0.2.2": 1_000}), "62 % of what comes"),
    ],
)
def test_one_client_sends_most(clients: Clients, words: str) -> None:
    found = run((SLOWLY, RATE), [clients, came(100, 900), GROUPS, stores()])
    assert found[0].check == "noisy-client"
    assert words in found[0].sentence


@pytest.mark.parametrize(
    "clients",
    [
        packets(**{"203.0.113.9": 72_000}),
        packets(**{f"198.51.100.{number}": 9_000 for number in range(1, 9)}),
        packets(**{"203.0.113.9": 200, "192.0.2.1": 20, "192.0.2.2": 10}),
        Clients(log_group="/vpc/flow"),
    ],
)
def test_many_clients_or_few_packets_blame_nobody(clients: Clients) -> None:
    assert "noisy-client" not in checks_of(run((SLOWLY, RATE), [clients, stores()]))


SEEN = (("203.0.113.9", 700), ("198.51.100.4", 200), ("192.0.2.7", 100))
ASKS = RequestClients(1000, SEEN, "logs", objects=6, there=8, size=54_000, begin=END, end=END + timedelta(minutes=5))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (RequestClients(), "no access logs of the load balancer are written"),
        (RequestClients(bucket="logs"), "has no access log of the last minutes yet"),
        (RequestClients(bucket="logs", refused="You may not s3:GetObject."), "not seen in logs: You may not"),
        (ASKS, "1,000 requests of 3 addresses from 21:10 to 21:15 UTC, the most of 203.0.113.9 700"),
        (ASKS, "(6 of 8 access logs, 54,000 bytes)"),
    ],
)
def test_who_asks_is_said_or_why_it_is_not_known(asked: RequestClients, words: str) -> None:
    for facts in ([came(100, 900), GROUPS, stores(), asked], [came(100, 900), GROUPS, packets(), stores(), asked]):
        assert any(words in each.text for each in run((SLOWLY, RATE), facts)[0].evidence)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (ASKS, "One client sends 70 % of what comes from outside: 203.0.113.9, with 700 of 1,000 requests."),
        (replace(ASKS, requests=400, most=(("192.0.2.1", 300), ("192.0.2.2", 60), ("192.0.2.3", 40))), "75 %"),
        (replace(ASKS, most=(("2001:db8::1", 500), *SEEN[1:])), "2001:db8::1, with 500 of 1,000 requests"),
    ],
)
def test_one_client_asks_most_though_no_flow_log_tells(asked: RequestClients, words: str) -> None:
    found = run((SLOWLY, RATE), [asked, came(100, 900), GROUPS, stores()])
    assert found[0].check == "noisy-client"
    assert words in found[0].sentence


@pytest.mark.parametrize(
    "asked",
    [
        replace(ASKS, most=SEEN[:2]),
        replace(ASKS, requests=120, most=(("192.0.2.1", 100), ("192.0.2.2", 10), ("192.0.2.3", 10))),
        replace(ASKS, most=(("203.0.113.9", 400), *SEEN[1:])),
    ],
)
def test_few_addresses_few_requests_or_less_than_the_half_blame_nobody(asked: RequestClients) -> None:
    assert "noisy-client" not in checks_of(run((SLOWLY, RATE), [asked, stores()]))


WANTS = Alarms((), wanting=("service/ohmycoins-staging/backend",))
ASKED = Write(
    ago(minutes=40), "RegisterScalableTarget", "jo (role admin)", frozenset({"service/ohmycoins-staging/backend"})
)


def target(most: int = 10, *, out: bool = False) -> Scaling:
    return Scaling((ScalableTarget("backend", 2, most, out, ("cpu-60",), out),))


def wants(desired: int) -> Services:
    return Services((service(desired=desired, running=desired),))


@pytest.mark.parametrize(
    ("scaling", "services", "check", "words"),
    [
        (target(2), wants(2), "scaling-capped", "at its maximum of 2 tasks"),
        (target(4), wants(4), "scaling-capped", "above what its scaling aims at"),
        (target(10, out=True), wants(2), "scaling-suspended", "suspended: 2 of at most 10 are wanted"),
        (target(10, out=True), wants(9), "scaling-suspended", "jo (role admin) did so 40 min ago"),
    ],
)
def test_scaling_that_can_not_follow(scaling: Scaling, services: Services, check: str, words: str) -> None:
    found = run((SLOWLY, CPU), [scaling, services, WANTS, LastWrites((ASKED,)), stores()])
    assert found[0].check == check
    assert words in found[0].sentence


def drift(words: str) -> Finding:
    """As the check of what should be there tells it: nobody but that suffers."""
    evidence = (Evidence(f"the autoscaling of backend: {words}", NO_READING),)
    return Finding("expected", FAIL, "backend", "It is changed.", evidence, place="services/backend")


@pytest.mark.parametrize(
    ("scaling", "services", "words", "check"),
    [
        (target(2), wants(2), "maximum 2, expected 10", "scaling-capped"),
        (target(10, out=True), wants(2), "suspended scaling out, expected nothing", "scaling-suspended"),
    ],
)
def test_held_scaling_that_the_terraform_has_otherwise_is_why_tasks_lack(
    scaling: Scaling, services: Services, words: str, check: str
) -> None:
    asked = (drift(words),)
    assert checks_of(run(asked, [scaling, services, WANTS, stores()])) == [check]
    assert checks_of(run(asked, [scaling, services, Alarms(()), stores()])) == ["expected"], "nothing wants more"
    other = (drift("minimum 1, expected 2"),)
    assert "expected" in checks_of(run(other, [scaling, services, WANTS, stores()]))


@pytest.mark.parametrize(("write", "first"), [(ASKED, "scaling-capped"), (None, "traffic-surge")])
def test_a_maximum_that_somebody_set_comes_before_the_surge_that_meets_it(write: Write | None, first: str) -> None:
    facts = [target(2), wants(2), WANTS, came(100, 900), GROUPS, LastWrites((write,) if write else ()), stores()]
    assert checks_of(run((SLOWLY,), facts))[0] == first


@pytest.mark.parametrize(
    ("scaling", "services", "alarms"),
    [
        (target(2), wants(2), Alarms(())),
        (target(10), wants(2), WANTS),
        (target(10, out=True), wants(2), Alarms(())),
        (Scaling(()), wants(2), WANTS),
    ],
)
def test_scaling_that_has_room_or_nothing_to_do_is_no_cause(
    scaling: Scaling, services: Services, alarms: Alarms
) -> None:
    assert not [each for each in run((SLOWLY,), [scaling, services, alarms, stores()]) if "scaling" in each.check]


def settings(*failed: float, idle: float = 60.0, labels: Mapping[str, float] | None = None) -> BalancerSettings:
    return BalancerSettings({"ohmycoins-staging": idle}, {}, minutes(*failed), minutes(3), labels or {})


def runs(command: str = "", **variables: str) -> LastWords:
    details = RevisionDetails(variables={"backend": variables}, commands={"backend": command} if command else {})
    return LastWords({}, {"b:7": details})


@pytest.mark.parametrize(
    ("given", "words", "text"),
    [
        (settings(0, 2, 5), runs(KEEP_ALIVE_TIMEOUT="5"), "after 5 s, the load balancer keeps it for 60 s"),
        (settings(1), runs("uvicorn backend:app --timeout-keep-alive 20"), "after 20 s"),
        (
            settings(4, idle=120.0),
            runs(SERVER_KEEPALIVE_TIMEOUT_MS="65000"),
            "after 65 s, the load balancer keeps it for 120",
        ),
        (settings(4, labels={"backend": 30.0}), runs(), "after 30 s"),
        (settings(4), runs("gunicorn shop.wsgi"), "after 2 s"),
    ],
)
def test_a_server_that_ends_idle_connections_first(given: BalancerSettings, words: LastWords, text: str) -> None:
    found = run((RATE,), [given, words, Services((service(),)), stores()])
    assert checks_of(found) == ["keep-alive-too-short"]
    assert text in found[0].sentence


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (settings(0, 0), runs(KEEP_ALIVE_TIMEOUT="5")),
        (settings(4), runs(KEEP_ALIVE_TIMEOUT="75")),
        (settings(4), runs()),
        (settings(4), runs(TCP_KEEPALIVE="5")),
        (settings(*[7, *[0] * 18]), runs(KEEP_ALIVE_TIMEOUT="5")),
    ],
)
def test_no_502_of_late_or_a_longer_keep_alive_is_no_cause(given: BalancerSettings, words: LastWords) -> None:
    assert checks_of(run((RATE,), [given, words, Services((service(),)), stores()])) == ["error-rate"]


def test_a_database_that_is_full_explains_502_before_idle_connections_do() -> None:
    facts = [settings(4), runs(KEEP_ALIVE_TIMEOUT="5"), Services((service(),)), stores(), rules(), load_of()]
    found = run((RATE, SERVED), [*facts, errors("FATAL: sorry, too many clients already")])
    assert checks_of(found) == ["database-connections"]


@pytest.mark.parametrize(
    ("labels", "seconds"),
    [
        ('{"keep-alive-seconds": "75"}', 75.0),
        ('{"org.example.keep-alive-seconds": "4.5"}', 4.5),
        ('{"keep-alive-seconds": "long"}', None),
        ('{"keep-alive": "75"}', None),
        ("null", None),
    ],
)
def test_an_image_s_label_of_its_keep_alive(labels: str, seconds: float | None) -> None:
    assert keep_alive_of(f'{{"config": {{"Labels": {labels}}}}}'.encode()) == seconds


@pytest.mark.parametrize(
    ("words", "stopped", "is_told"),
    [
        (runs(KEEP_ALIVE_TIMEOUT="5"), (), True),
        (runs(KEEP_ALIVE_TIMEOUT="5"), (task(stopped=ago(minutes=1)),), False),
        (runs("gunicorn shop.wsgi"), (), False),
    ],
)
def test_a_keep_alive_that_is_set_is_told_beside_what_else_is_ill(
    words: LastWords, stopped: tuple[StoppedTask, ...], is_told: bool
) -> None:
    full = load_of(counters={"db.User.numbackends": 80.0})
    facts = [settings(4), words, Services((service(),)), StoppedTasks(stopped), full, stores()]
    assert ("keep-alive-too-short" in checks_of(run((RATE,), facts))) is is_told
