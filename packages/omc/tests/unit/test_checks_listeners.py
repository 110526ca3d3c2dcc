"""Where requests are led, as ELB leads them, and what is said where that is nowhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omc.checks.finding import Finding, Level
from omc.checks.listeners import listeners
from omc.config import load
from omc.errors import AccessDenied
from omc.facts.listeners import Action, Condition, Listener, Listeners, Rule, lead
from omc.facts.load_balancers import GroupHealth, LoadBalancer, LoadBalancers, Target, TargetGroup, TargetHealth
from omc.facts.probes import Answer, ProbeRequest, Probes, Source
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
FAIL, WARN, OK, UNKNOWN = Level.FAIL, Level.WARN, Level.OK, Level.UNKNOWN


def arn(name: str) -> str:
    return f"arn:aws:elasticloadbalancing:ap-southeast-2:1:targetgroup/ohmycoins-staging-{name}/0"


def forward(*names: str, weights: tuple[int, ...] = ()) -> Action:
    return Action(
        "forward", tuple((arn(name), weight) for name, weight in zip(names, weights or [1] * len(names), strict=True))
    )


def path(*values: str) -> Condition:
    return Condition("path-pattern", values)


def rule(action: Action, *conditions: Condition, priority: str = "10") -> Rule:
    return Rule(priority, conditions, action)


def default(action: Action) -> Rule:
    return Rule("default", (), action)


def listener(*rules: Rule, port: int = 80, protocol: str = "HTTP") -> Listener:
    return Listener("arn:lb", protocol, port, rules)


API, REST = rule(forward("backend"), path("/api/*")), default(forward("frontend"))
WELL = listener(API, REST)
BALANCER = LoadBalancer("ohmycoins-staging", "app/x/1", "x.elb.amazonaws.com", "active", "", "arn:lb")


def group(name: str, *states: str, is_used: bool = True) -> GroupHealth:
    targets = tuple(Target(f"10.0.0.{number}", 80, state, "", "") for number, state in enumerate(states))
    return GroupHealth(TargetGroup(f"ohmycoins-staging-{name}", arn(name), is_used=is_used), targets)


def service(name: str, **more: Any) -> EcsService:
    return replace(EcsService(name, "ACTIVE", 2, 2, 0, f"x-{name}:7", (), (), target_groups=(arn(name),)), **more)


BOTH = (service("backend"), service("frontend"))
HEALTHY = (group("backend", "healthy", "healthy"), group("frontend", "healthy", "healthy"))


def findings(
    *some: Listener,
    services: tuple[EcsService, ...] = BOTH,
    groups: tuple[GroupHealth, ...] = HEALTHY,
    probes: Probes | None = None,
    balancers: tuple[LoadBalancer, ...] = (BALANCER,),
    is_part: bool = False,
    denied: AccessDenied | None = None,
) -> list[Finding]:
    found = list(
        listeners(
            Listeners(some, denied),
            LoadBalancers(balancers),
            TargetHealth(groups),
            Services(services),
            probes,
            STAGING,
            Scope(NOW, timedelta(hours=24), is_part),
        )
    )
    assert all(one.evidence and one.place == "load-balancer" for one in found)
    assert all((one.level is OK) == (one.procedure is None) for one in found)
    return found


def sentences_of(*some: Listener, **more: Any) -> list[tuple[Level, str]]:
    return [(one.level, one.sentence) for one in findings(*some, **more)]


def test_all_is_led_where_it_should() -> None:
    assert sentences_of(WELL) == [(OK, "HTTP:80 leads /api/* to backend, default to frontend.")]


def test_plain_http_that_leads_to_https() -> None:
    up = Action("redirect", status="HTTP_301", to="HTTPS://#{host}:443/#{path}")
    secure = replace(WELL, port=443, protocol="HTTPS")
    assert sentences_of(listener(default(up)), secure)[0][0] is OK
    assert sentences_of(listener(default(up))) == [
        (FAIL, "HTTP:80, default action, redirects to HTTPS on port 443, where there is no listener."),
    ]


UNUSED = (group("backend", "unused", is_used=False), HEALTHY[1])
EMPTY_OLD = (*HEALTHY, group("old"))


@pytest.mark.parametrize(
    ("some", "more", "level", "part"),
    [
        ((), {"groups": UNUSED}, FAIL, "The load balancer has no listener: nobody can connect to it."),
        (
            (listener(REST),),
            {"groups": UNUSED},
            FAIL,
            "No listener and no rule leads to backend (target group ohmycoins-staging-backend): it gets no request. "
            "Requests for it get the default action: to frontend.",
        ),
        (
            (listener(default(Action("fixed-response", status="404"))),),
            {"groups": UNUSED},
            FAIL,
            "get the default action: answered 404 by the load balancer.",
        ),
        (
            (listener(API, default(Action("fixed-response", status="503"))),),
            {},
            FAIL,
            "everything that no rule matches with a fixed 503",
        ),
        (
            (listener(rule(Action("fixed-response", status="200"), path("/*"), priority="1"), API, REST),),
            {},
            FAIL,
            "answers everyone with a fixed 200 on its own: no service is asked.",
        ),
        (
            (listener(rule(Action("fixed-response", status="503"), path("/shop/*")), API, REST),),
            {},
            WARN,
            "answers those with a fixed 503",
        ),
        (
            (listener(API, default(Action("redirect", to="HTTPS://parking.example:443/#{path}"))),),
            {},
            WARN,
            "redirects everyone to parking.example",
        ),
        (
            (listener(API, default(Action("redirect", to="#{protocol}://#{host}:8443/#{path}"))),),
            {},
            FAIL,
            "redirects to HTTP on port 8443, where there is no listener.",
        ),
        (
            (listener(rule(forward("old"), path("/old/*")), API, REST),),
            {"groups": EMPTY_OLD},
            FAIL,
            "HTTP:80, /old/*, leads to the target group ohmycoins-staging-old, with which no service registers",
        ),
        (
            (listener(rule(forward("backend", "old", weights=(90, 10)), path("/api/*")), REST),),
            {"groups": EMPTY_OLD},
            FAIL,
            "has no target: 10 % of its requests get 503.",
        ),
        (
            (listener(rule(forward("gone"), path("/x")), API, REST),),
            {},
            FAIL,
            "leads to the target group ohmycoins-staging-gone, which is not there.",
        ),
        (
            (listener(rule(forward("backend", "frontend", weights=(0, 0)), path("/x")), API, REST),),
            {},
            FAIL,
            "sends to no target group: every weight is 0.",
        ),
        (
            (WELL,),
            {"services": (service("backend", target_groups=()), BOTH[1]), "groups": (group("backend"), HEALTHY[1])},
            FAIL,
            "with which backend doesn't register and which has no target",
        ),
        (
            (listener(API, default(Action("jwt-validation"))),),
            {},
            UNKNOWN,
            "has an action that omc doesn't know (jwt-validation).",
        ),
    ],
)
def test_what_leads_nowhere(some: tuple[Listener, ...], more: dict[str, Any], level: Level, part: str) -> None:
    found = sentences_of(*some, **more)
    assert any(each[0] is level and part in each[1] for each in found), found


@pytest.mark.parametrize(
    ("some", "more"),
    [
        (
            (
                listener(
                    API,
                    rule(forward("frontend"), path("/*"), priority="20"),
                    default(Action("fixed-response", status="404")),
                ),
            ),
            {},
        ),
        ((WELL, listener(default(forward("backend")), port=9000)), {}),
        ((listener(API, rule(forward("backend"), Condition("source-ip", ("10.0.0.0/8",))), REST),), {}),
        (
            (listener(rule(forward("backend", "green", weights=(1, 0)), path("/api/*")), REST),),
            {"groups": (*HEALTHY, group("green"))},
        ),
        (
            (listener(rule(forward("green"), path("/api/*")), REST),),
            {
                "groups": (group("backend", is_used=False), group("green", "healthy"), HEALTHY[1]),
                "services": (service("backend", alternates={arn("backend"): arn("green")}), BOTH[1]),
            },
        ),
        (
            (WELL,),
            {"services": (service("backend", desired=0, running=0), BOTH[1]), "groups": (group("backend"), HEALTHY[1])},
        ),
        ((WELL,), {"services": (BOTH[1],), "groups": (group("backend"), HEALTHY[1])}),
        ((listener(REST),), {"services": (service("backend", target_groups=()), BOTH[1]), "groups": (HEALTHY[1],)}),
        ((WELL, listener(rule(forward("theirs"), path("/x")), REST, port=81)), {"is_part": True}),
        ((), {"balancers": (replace(BALANCER, kind="network"),)}),
        ((listener(rule(replace(forward("backend"), logs_in=True), path("/api/*")), REST),), {}),
    ],
)
def test_what_is_unusual_and_well(some: tuple[Listener, ...], more: dict[str, Any]) -> None:
    assert [each[0] for each in sentences_of(*some, **more)] == [OK]


@pytest.mark.parametrize(
    ("base", "is_well"),
    [
        ("https://shop.example", False),
        ("http://shop.example", True),
        ("http://shop.example:8080", False),
        ("https://shop.example:80", False),
        ("", True),
    ],
)
def test_a_listener_where_users_come_in(base: str, is_well: bool) -> None:
    refused = ProbeRequest("frontend", f"{base}/", Source.PUBLIC, (Answer(status=503),))
    found = sentences_of(WELL, probes=Probes((refused,), {}, base))
    assert (found[0][0] is OK) == is_well
    if not is_well:
        assert found[0][1].endswith("there is HTTP:80.")
        answered = replace(refused, answers=(Answer(200),))
        assert sentences_of(WELL, probes=Probes((answered,), {}, base))[0][0] is OK, "a CDN takes them in"


def test_rules_that_may_not_be_read_are_unknown_and_what_is_known_is_judged() -> None:
    denied = AccessDenied("No permission elasticloadbalancing:DescribeRules.", "elasticloadbalancing:DescribeRules")
    (unknown,) = findings(listener(REST), denied=denied)
    assert (unknown.level, unknown.action, unknown.unread) == (UNKNOWN, "elasticloadbalancing:DescribeRules", True)
    assert [one.level for one in findings(listener(REST), denied=denied, groups=UNUSED)] == [FAIL, UNKNOWN]


# Where ELB leads a request


def host(*values: str) -> Condition:
    return Condition("host-header", values)


@pytest.mark.parametrize(
    ("conditions", "url", "matches"),
    [
        ((path("/api/*"),), "http://x/api/v1", True),
        ((path("/api/*"),), "http://x/api", False),
        ((path("/api/*"),), "http://x/API/v1", False),
        ((path("/api/*"),), "http://x/v1?p=/api/", False),
        ((path("/a?c"),), "http://x/abc", True),
        ((path("/a?c"),), "http://x/ac", False),
        ((path("*.png", "/img/*"),), "http://x/a/b.png", True),
        ((path("/a.c"),), "http://x/abc", False),
        ((path("/a[bc]"),), "http://x/ab", False),
        ((path("/"),), "http://x", True),
        ((host("*.shop.example"),), "http://API.shop.example/", True),
        ((host("*.shop.example"),), "http://shop.example/", False),
        ((host("api.shop.example"), path("/v1/*")), "http://api.shop.example/v1/x", True),
        ((host("api.shop.example"), path("/v1/*")), "http://api.shop.example/v2", False),
        ((Condition("http-request-method", ("GET", "HEAD")),), "http://x/", True),
        ((Condition("http-request-method", ("POST",)),), "http://x/", False),
        ((Condition("query-string", ("version=v?",)),), "http://x/?Version=V2", True),
        ((Condition("query-string", ("=v*",)),), "http://x/?any=v2", True),
        ((Condition("query-string", ("version=v1",)),), "http://x/", False),
        ((path("*" * 60 + "b"),), "http://x/" + "a" * 100, False),
    ],
)
def test_a_request_is_led_as_elb_leads_it(conditions: tuple[Condition, ...], url: str, matches: bool) -> None:
    way = lead([listener(rule(forward("backend"), *conditions), REST)], url)
    assert way is not None
    assert (way.rule.is_default, way.is_sure) == (not matches, True)


@pytest.mark.parametrize(
    "condition",
    [
        Condition("source-ip", ("10.0.0.0/8",)),
        Condition("http-header", ("Chrome*",)),
        Condition("path-pattern", (), is_opaque=True),
        Condition("a-field-of-the-future", ("x",)),
    ],
)
def test_what_depends_on_more_than_the_url_is_not_sure(condition: Condition) -> None:
    way = lead([listener(rule(forward("backend"), condition), REST)], "http://x/")
    assert way is not None
    assert (way.rule.is_default, way.is_sure) == (True, False)
    both = lead([listener(rule(forward("backend"), condition, path("/other")), REST)], "http://x/")
    assert both is not None
    assert both.is_sure, "its other condition surely doesn't hold"


def test_nothing_listens_on_the_port() -> None:
    assert lead([WELL], "https://x/") is None
    assert lead([], "http://x/") is None
