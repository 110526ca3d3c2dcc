"""What is said of what users get: each obstacle by its own sentence, no false alarm from a place that is cut off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omc.aws.http_get import Trouble
from omc.checks.finding import Finding, Level
from omc.checks.runbook import HIGH_ERROR_RATE, USERS_CANT_REACH
from omc.checks.users import users_served
from omc.config import load
from omc.facts.load_balancers import LoadBalancer, LoadBalancers
from omc.facts.probes import Answer, ProbeRequest, Probes, Source
from omc.facts.scope import Scope
from omc.facts.traffic import Minute, Traffic

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
NOW = datetime(2026, 11, 23, 21, 15, 30, tzinfo=UTC)
OK, WARN, FAIL, UNKNOWN = Level.OK, Level.WARN, Level.FAIL, Level.UNKNOWN
BALANCER = LoadBalancer("ohmycoins-staging", "app/x/1", "x.elb.amazonaws.com", "active", "", "arn:lb")
GOOD = Answer(200, "OK", seconds=0.12)
URL = "https://shop.example/"


def served(minutes_ago: float = 2, total: float = 120, errors: float = 0) -> Traffic:
    at = (NOW - timedelta(minutes=minutes_ago)).replace(second=0)
    return Traffic((Minute(at, total, errors),))


NOBODY = Traffic(())


def no(trouble: Trouble, problem: str = "why") -> Answer:
    return Answer(trouble=trouble, problem=problem, seconds=5.0)


def asked(*answers: Answer, **more: Any) -> ProbeRequest:
    return replace(ProbeRequest("frontend", URL, Source.PUBLIC, answers or (GOOD,) * 3), **more)


def finding(
    *some: ProbeRequest, traffic: Traffic | None = NOBODY, balancer: LoadBalancer = BALANCER, proxied: bool = False
) -> Finding:
    probes = Probes(some, {}, "https://shop.example", is_proxied=proxied)
    (found,) = users_served(probes, traffic, LoadBalancers((balancer,)), STAGING, Scope(NOW))
    assert found.evidence, "what is said can be proved"
    assert (found.level is OK) == (found.procedure is None), "what isn't ok has an answer"
    assert found.place == "users/frontend"
    return found


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (no(Trouble.NAME), "Users can't be served at https://shop.example/: its name doesn't resolve (why)."),
        (no(Trouble.REFUSED), "it refuses connections: nothing listens on port 443."),
        (no(Trouble.SILENT), "it takes the connection and gives no answer within 5 s."),
        (no(Trouble.EXPIRED, "certificate has expired"), "expired or not yet valid (certificate has expired)."),
        (no(Trouble.OTHER_NAME), "its certificate is of another name (why)."),
        (no(Trouble.UNTRUSTED), "its certificate isn't from a trusted authority"),
        (no(Trouble.TLS), "no TLS connection can be made"),
        (no(Trouble.CLOSED), "it ends the connection and gives no answer"),
        (no(Trouble.GARBAGE), "what answers doesn't speak HTTP"),
        (no(Trouble.CONNECT), "Users can't reach https://shop.example/: it takes no connection within 5 s."),
        (no(Trouble.RESOLVER), "its name could not be looked up"),
        (Answer(503, "x", by_balancer=True), "the load balancer answers 503: no target takes requests."),
        (Answer(502, "x", by_balancer=True), "the load balancer answers 502: the task that it asked ended"),
        (Answer(504, "x", by_balancer=True), "the load balancer answers 504: no task answered it in time."),
        (Answer(503, "Service Unavailable"), "it answers 503 Service Unavailable."),
        (Answer(500, "Internal Server Error"), "the application answers 500 Internal Server Error."),
        (Answer(404, "Not Found"), "answers 404 Not Found: another service's answer, or a page that is gone."),
        (Answer(302, "Found", is_loop=True), "it redirects in a loop."),
        (Answer(599, ""), "the application answers 599."),
    ],
)
def test_each_obstacle_is_told_apart(answer: Answer, part: str) -> None:
    found = finding(asked(*[answer] * 3))
    assert (found.level, part in found.sentence) == (FAIL, True), found.sentence


def test_the_procedure_is_the_users_own_and_the_applications_errors_have_theirs() -> None:
    assert finding(asked(no(Trouble.REFUSED))).procedure is USERS_CANT_REACH
    assert finding(asked(Answer(503, "x", by_balancer=True))).procedure is USERS_CANT_REACH
    assert finding(asked(Answer(500, "x"))).procedure is HIGH_ERROR_RATE


@pytest.mark.parametrize(
    ("answers", "level", "part"),
    [
        ([GOOD] * 3, OK, "https://shop.example/ answers 200 in 0.1 s."),
        ([Answer(204, "No Content")] * 3, OK, "answers 204"),
        ([Answer(401, "Unauthorized")] * 3, OK, "answers 401"),
        ([Answer(403, "Forbidden")] * 3, OK, "answers 403"),
        ([Answer(403, "Forbidden", by_balancer=True)] * 3, WARN, "its firewall or a rule keeps omc out."),
        ([Answer(429, "Too Many")] * 3, WARN, "answers 429"),
        ([Answer(302, "Found", elsewhere="https://login.example/")] * 3, WARN, "redirects to https://login.example/"),
        ([GOOD, GOOD, replace(GOOD, seconds=3.4)], WARN, "is answered slowly: 200 after 3.4 s."),
        ([replace(GOOD, certificate_ends=NOW + timedelta(days=3))] * 3, WARN, "its certificate expires in 3 d."),
        ([replace(GOOD, certificate_ends=NOW + timedelta(days=60))] * 3, OK, "answers 200"),
        ([GOOD, GOOD, no(Trouble.SILENT)], FAIL, "Some users aren't served: at https://shop.example/ 1 of 3 requests"),
        ([GOOD] * 7 + [Answer(500, "x")], WARN, "1 of 8 requests fail, because the application answers 500 x."),
        ([GOOD] * 6 + [Answer(500, "x")] * 2, FAIL, "2 of 8 requests fail"),
        ([GOOD] * 7 + [Answer(502, "x", by_balancer=True)], WARN, "1 of 8 requests fail, because the load balancer"),
    ],
)
def test_what_is_well_and_what_is_half_well(answers: list[Answer], level: Level, part: str) -> None:
    found = finding(asked(*answers))
    assert (found.level, part in found.sentence) == (level, True), found.sentence


# A place that can't reach the address


@pytest.mark.parametrize("trouble", [Trouble.CONNECT, Trouble.RESOLVER, Trouble.ROUTE])
def test_where_others_are_served_it_is_no_alarm_that_omc_is_cut_off(trouble: Trouble) -> None:
    found = finding(asked(no(trouble)), traffic=served())
    assert found.level is WARN
    assert "can't be reached from where omc runs" in found.sentence
    assert "the load balancer served 120 requests until 2 min ago: others reach it" in found.sentence
    assert "probe = false" in found.sentence


@pytest.mark.parametrize(
    "trouble",
    [Trouble.NAME, Trouble.REFUSED, Trouble.SILENT, Trouble.EXPIRED, Trouble.TLS, Trouble.CLOSED, Trouble.GARBAGE],
)
def test_what_proves_that_something_is_wrong_there_is_an_alarm_whatever_was_served_before(trouble: Trouble) -> None:
    """CloudWatch is minutes late: a load balancer that froze just now served everybody until then."""
    assert finding(asked(no(trouble)), traffic=served()).level is FAIL


@pytest.mark.parametrize("traffic", [NOBODY, served(minutes_ago=4), served(total=50, errors=50)])
def test_nobody_served_lately_makes_it_an_alarm(traffic: Traffic) -> None:
    assert finding(asked(no(Trouble.CONNECT)), traffic=traffic).level is FAIL


def test_figures_that_can_not_be_read_show_nobody_served() -> None:
    assert finding(asked(no(Trouble.CONNECT)), traffic=None).level is FAIL


@pytest.mark.parametrize("trouble", [Trouble.CONNECT, Trouble.NAME, Trouble.ROUTE])
def test_an_internal_load_balancer_is_not_known_from_outside(trouble: Trouble) -> None:
    found = finding(asked(no(trouble)), balancer=replace(BALANCER, is_internal=True))
    assert found.level is UNKNOWN
    assert (
        "its load balancer is internal: whether users reach it is not known. Run omc where users are" in found.sentence
    )
    assert finding(asked(no(trouble)), balancer=replace(BALANCER, is_internal=True), traffic=served()).level is WARN


def test_an_internal_load_balancer_that_answers_badly_is_an_alarm() -> None:
    internal = replace(BALANCER, is_internal=True)
    assert finding(asked(Answer(503, "x", by_balancer=True)), balancer=internal).level is FAIL
    assert finding(asked(no(Trouble.SILENT)), balancer=internal).level is FAIL


def test_behind_a_proxy_nothing_is_known_from_a_closed_way() -> None:
    found = finding(asked(no(Trouble.CONNECT)), proxied=True)
    assert (found.level, "this machine uses a proxy" in found.sentence) == (UNKNOWN, True)
    assert finding(asked(no(Trouble.REFUSED)), proxied=True, traffic=served()).level is WARN
    assert finding(asked(no(Trouble.REFUSED)), proxied=True).level is FAIL


def test_a_machine_without_a_way_is_reported_as_that() -> None:
    found = finding(asked(no(Trouble.ROUTE, "Network is unreachable")))
    assert (found.level, "this machine has no route to it" in found.sentence) == (UNKNOWN, True)


@pytest.mark.parametrize(
    ("traffic", "level", "part"),
    [
        (
            served(total=200, errors=2),
            OK,
            "in the last 10 minutes the load balancer answered 198 of 200 requests below",
        ),
        (served(total=200, errors=150), FAIL, "150 of 200 answers of the load balancer were 5xx"),
        (NOBODY, WARN, "no request shows whether users are served"),
    ],
)
def test_where_nothing_is_asked_the_figures_speak(traffic: Traffic, level: Level, part: str) -> None:
    (found,) = users_served(Probes((), {}, is_off=True), traffic, None, STAGING, Scope(NOW))
    assert (found.level, part in found.sentence, "probe = false" in found.sentence) == (level, True, True)


# Names, services, pages


def test_a_name_that_fails_while_the_load_balancer_answers() -> None:
    found = finding(asked(no(Trouble.NAME), direct=GOOD))
    assert found.sentence.endswith(
        "The load balancer itself answers, so the trouble is the name, or something in between."
    )


def test_a_name_and_a_load_balancer_that_both_fail() -> None:
    found = finding(asked(Answer(525, "SSL"), direct=no(Trouble.REFUSED)))
    assert found.sentence.endswith("The load balancer itself: it refuses connections: nothing listens on port 443.")


def test_an_answer_of_another_service() -> None:
    found = finding(asked(Answer(404, "Not Found"), leads_to=("ohmycoins-staging-backend",), is_led_astray=True))
    assert found.level is FAIL
    assert "the load balancer's rules lead https://shop.example/ to ohmycoins-staging-backend, and" in found.sentence


@pytest.mark.parametrize("status", [200, 404, 503])
def test_a_fixed_response_is_nobodys_page(status: int) -> None:
    answer = Answer(status, "x", by_balancer=True)
    found = finding(asked(answer, fixed_by="default action", is_led_astray=True))
    assert found.level is FAIL
    assert f"the load balancer's default action answers {status} on its own, a fixed response." in found.sentence


def test_a_page_of_html_where_the_status_should_be() -> None:
    page = Answer(200, "OK", kind="text/html")
    found = finding(asked(page, source=Source.STATUS))
    assert (found.level, "with text/html instead of JSON: this isn't the service that was meant" in found.sentence) == (
        FAIL,
        True,
    )


EMPTY = Answer(200, "OK", kind="text/html", is_empty=True)


@pytest.mark.parametrize(
    ("answers", "source", "level", "part"),
    [
        ([EMPTY] * 3, Source.PUBLIC, FAIL, "at https://shop.example/: it answers 200 with an empty page."),
        ([GOOD, EMPTY, EMPTY], Source.PUBLIC, FAIL, "2 of 3 requests fail, because it answers 200 with an empty page."),
        ([GOOD, GOOD, EMPTY], Source.PUBLIC, WARN, "1 of 3 requests fail, because it answers 200 with an empty page."),
        ([EMPTY] * 3, Source.RULE, OK, "answers 200"),
        ([replace(EMPTY, payload={})] * 3, Source.STATUS, OK, "answers 200"),
        ([Answer(204, "No Content")] * 3, Source.PUBLIC, OK, "answers 204"),
        ([replace(EMPTY, status=401)] * 3, Source.PUBLIC, OK, "answers 401"),
    ],
)  # fmt: skip
def test_an_empty_page_serves_nobody(answers: list[Answer], source: Source, level: Level, part: str) -> None:
    found = finding(asked(*answers, source=source))
    assert (found.level, part in found.sentence) == (level, True), found.sentence


def test_an_answer_of_another_environment() -> None:
    production, staging = (
        replace(GOOD, payload={"environment": "production"}),
        replace(GOOD, payload={"environment": "staging"}),
    )
    found = finding(asked(production, source=Source.STATUS, direct=staging))
    assert (found.level, "its page says production, the load balancer's own staging" in found.sentence) == (FAIL, True)
    assert finding(asked(staging, source=Source.STATUS, direct=staging)).level is OK


@pytest.mark.parametrize("status", [404, 405, 400, 301])
def test_an_address_that_only_the_rules_name_may_answer_what_it_will(status: int) -> None:
    assert finding(asked(Answer(status, "x"), source=Source.RULE)).level is OK
    assert finding(asked(Answer(500, "x"), source=Source.RULE)).level is FAIL


def test_the_worst_of_a_services_pages_is_what_is_reported_with_all_as_evidence() -> None:
    found = finding(asked(), asked(Answer(500, "x"), url="https://shop.example/api"))
    assert (found.level, "https://shop.example/api" in found.sentence) == (FAIL, True)
    assert [evidence.text.split()[1] for evidence in found.evidence] == [
        "https://shop.example/",
        "https://shop.example/api",
    ]


def test_where_nobody_gets_in_it_is_said_once() -> None:
    both = (asked(no(Trouble.SILENT)), asked(no(Trouble.SILENT), service="backend", url="https://shop.example/api/x"))
    (found,) = users_served(Probes(both, {}, URL), NOBODY, LoadBalancers((BALANCER,)), STAGING, Scope(NOW))
    assert (found.level, found.place, found.subject) == (FAIL, "users", "all services")
    assert found.sentence == (
        "Users can't be served at https://shop.example: it takes the connection and gives no answer within 5 s."
    )
    assert len(found.evidence) == 2
    half = (both[0], replace(both[1], answers=(GOOD, no(Trouble.SILENT))))
    assert len(list(users_served(Probes(half, {}, URL), NOBODY, None, STAGING, Scope(NOW)))) == 2


@pytest.mark.parametrize(
    ("itself", "places"),
    [
        (Answer(405, "Method Not Allowed", by_balancer=True, seconds=0.1), ["users/frontend", "users/backend"]),
        (Answer(400, "Bad Request", by_balancer=True, seconds=0.1), ["users/frontend", "users/backend"]),
        (Answer(405, "Method Not Allowed"), ["users"]),  # a proxy, a content network: that is no load balancer
        (no(Trouble.SILENT), ["users"]),
        (no(Trouble.CONNECT), ["users"]),
        (None, ["users"]),
    ],
)
def test_tasks_that_hang_are_told_apart_from_a_load_balancer_that_does(
    itself: Answer | None, places: list[str]
) -> None:
    both = (asked(no(Trouble.SILENT)), asked(no(Trouble.SILENT), service="backend", url="https://shop.example/api/x"))
    probes = Probes(both, {}, URL, balancer=itself)
    findings = list(users_served(probes, NOBODY, LoadBalancers((BALANCER,)), STAGING, Scope(NOW)))
    assert [found.place for found in findings] == places
    assert {found.level for found in findings} == {FAIL}
    hang = "gives no answer within 5 s: its tasks hang, the load balancer itself answers."
    assert all(found.sentence.endswith(hang) is (len(places) == 2) for found in findings)


def test_no_load_balancer_and_no_name_reaches_nobody() -> None:
    probes = Probes((), {"backend": "there is no load balancer"})
    (found,) = users_served(probes, NOBODY, LoadBalancers(()), STAGING, Scope(NOW))
    assert (found.level, found.sentence) == (FAIL, "Users can't reach it: there is no load balancer.")
