"""Which address of a service is asked, how, and what came of it: against servers on loopback."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.registry import AwsError
from omc.aws.gateway import Access, Gateway
from omc.aws.http_get import Trouble
from omc.config import Environment, load
from omc.errors import BadAnswer
from omc.facts import probes
from omc.facts.data_age import read_data_age
from omc.facts.listeners import Listeners, read_listeners
from omc.facts.load_balancers import LoadBalancers, TargetGroups, read_load_balancers, read_target_groups
from omc.facts.probes import ProbeRequest, Probes, Source, read_probes
from omc.facts.scope import Scope
from support.canned_aws import LISTENER, NOW, PREFIX, RULES, CannedAws, arn, canned_aws, forward, healthy
from support.wire import Handler, answering, page, says

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
BACKEND, FRONTEND = STAGING.services
ONLY_FRONTEND = replace(STAGING, services=(FRONTEND,))


@pytest.fixture
def aws() -> Iterator[CannedAws]:
    with canned_aws(healthy()) as running:
        yield running


def probed(aws: CannedAws, environment: Environment = STAGING) -> Probes:
    gateway = Gateway(environment, Access(aws.endpoint, "AKIAEXAMPLE", "example", aws.port_shift))
    balancers = read_load_balancers(gateway, environment)
    groups = read_target_groups(gateway, environment, Scope(NOW))
    return read_probes(gateway, environment, balancers, read_listeners(gateway, balancers), groups)


def asked_of(found: Probes, service: str) -> list[ProbeRequest]:
    return [request for request in found.requests if request.service == service]


def rules(aws: CannedAws, *some: dict[str, Any]) -> None:
    aws.answers["elbv2", "DescribeRules"] = {"Rules": [*some, RULES[-1]]}


def rule(priority: int, target: str, **conditions: Sequence[str]) -> dict[str, Any]:
    records = []
    for field, values in conditions.items():
        name = field.replace("_", "-")
        config = {"path-pattern": "PathPatternConfig", "host-header": "HostHeaderConfig"}.get(name)
        records.append({"Field": name} | ({config: {"Values": list(values)}} if config else {}))
    return {"Priority": str(priority), "Conditions": records, "Actions": [forward(target)], "IsDefault": False}


# What is asked


def test_each_service_is_asked_through_the_load_balancer(aws: CannedAws) -> None:
    found = probed(aws)
    assert [(request.service, request.url, request.source, request.leads_to) for request in found.requests] == [
        ("backend", f"{aws.endpoint}/api/v1/prices", Source.PUBLIC, (f"{PREFIX}-backend",)),
        ("backend", f"{aws.endpoint}/api/v1/status", Source.STATUS, (f"{PREFIX}-backend",)),
        ("frontend", f"{aws.endpoint}/", Source.PUBLIC, (f"{PREFIX}-frontend",)),
    ]
    assert {answer.status for requested in found.requests for answer in requested.answers} == {200}
    assert not any(wanted.is_led_astray for wanted in found.requests)


def bare(service: str) -> Environment:
    """omc.toml says of the service neither page."""
    (found,) = (each for each in STAGING.services if each.name == service)
    return replace(STAGING, services=(replace(found, status_path=None, public_path=None),))


@pytest.mark.parametrize(
    ("service", "some", "paths"),
    [
        ("backend", [rule(10, "backend", path_pattern=["/api/*"])], ["/api/"]),
        ("backend", [rule(10, "backend", path_pattern=["/a?c"])], ["/axc"]),
        ("backend", [rule(10, "backend", path_pattern=["/a/*/b"])], ["/a//b"]),
        ("backend", [rule(9, "frontend", path_pattern=["/api/"]), rule(10, "backend", path_pattern=["/api/*"])], []),
        ("backend", [rule(10, "backend", http_header=["x"])], []),
        ("backend", [rule(10, "backend", source_ip=["10.0.0.0/8"])], []),
        ("backend", [], []),
        ("frontend", [rule(10, "backend", path_pattern=["/api/*"])], ["/"]),
        ("frontend", [rule(10, "backend", path_pattern=["/"])], []),
    ],
)
def test_without_a_page_in_the_stack_file_the_rules_say_what_is_asked(
    aws: CannedAws, service: str, some: list[dict[str, Any]], paths: list[str]
) -> None:
    rules(aws, *some)
    aws.site |= {"/api/": (404, b""), "/axc": (404, b""), "/a//b": (404, b"")}
    found = probed(aws, bare(service))
    assert [request.url.removeprefix(aws.endpoint) for request in found.requests] == paths
    assert all(requested.source is Source.RULE for requested in found.requests)


def test_a_rule_for_a_host_is_asked_under_that_host(aws: CannedAws) -> None:
    rules(aws, rule(10, "backend", host_header=["*.example", "api.shop.example"], path_pattern=["/api/*"]))
    found = probed(aws)
    assert {request.url for request in asked_of(found, "backend")} == {
        "http://api.shop.example/api/v1/prices",
        "http://api.shop.example/api/v1/status",
    }
    assert all(requested.direct and requested.direct.status == 200 for requested in asked_of(found, "backend")), (
        "the name is sent"
    )


def test_a_page_that_the_rules_lead_to_another_service(aws: CannedAws) -> None:
    rules(aws)
    found = asked_of(probed(aws), "backend")
    assert all(request.is_led_astray and request.leads_to == (f"{PREFIX}-frontend",) for request in found)


def test_a_fixed_response_is_nobodys_page(aws: CannedAws) -> None:
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    rules(aws, rule(10, "backend", path_pattern=["/api/*"]))
    aws.answers["elbv2", "DescribeListeners"] = {"Listeners": [LISTENER | {"DefaultActions": [fixed]}]}
    (front,) = asked_of(probed(aws), "frontend")
    assert (front.fixed_by, front.is_led_astray) == ("default action", True)
    assert not any(request.fixed_by for request in asked_of(probed(aws), "backend"))


def test_a_rule_on_what_is_not_known_leaves_it_open(aws: CannedAws) -> None:
    rules(aws, rule(5, "backend", source_ip=["10.0.0.0/8"]))
    assert not any(request.is_led_astray for request in asked_of(probed(aws), "backend"))


def test_nothing_is_asked_where_the_stack_file_says_so(aws: CannedAws) -> None:
    found = probed(aws, replace(STAGING, probe=False))
    assert (found.requests, found.is_off) == ((), True)


@pytest.mark.parametrize(
    ("status", "body", "is_empty"),
    [(200, b"", True), (200, b" \n", True), (200, b"x", False), (404, b"", False), (500, b"", False)],
)
def test_an_empty_page_is_reported(aws: CannedAws, status: int, body: bytes, is_empty: bool) -> None:
    aws.site |= {"/": (status, body)}
    (front,) = asked_of(probed(aws), "frontend")
    assert {answer.is_empty for answer in front.answers} == {is_empty}


def test_no_load_balancer_is_no_address(aws: CannedAws) -> None:
    aws.answers["elbv2", "DescribeLoadBalancers"] = {"LoadBalancers": []}
    assert set(probed(aws).without) == {"backend", "frontend"}


def test_a_network_load_balancer_has_no_rules_and_is_asked_all_the_same(aws: CannedAws) -> None:
    aws.answers["elbv2", "DescribeLoadBalancers"]["LoadBalancers"][0]["Type"] = "network"
    found = probed(aws)
    assert {answer.status for request in found.requests for answer in request.answers} == {200}
    assert "DescribeRules" not in aws.operations()


def test_rules_that_may_not_be_read_leave_the_default_action(aws: CannedAws) -> None:
    aws.answers["elbv2", "DescribeRules"] = AwsError(
        "AccessDenied", "not authorized to perform: elasticloadbalancing:DescribeRules", status=403
    )
    gateway = Gateway(STAGING, Access(aws.endpoint, "AKIAEXAMPLE", "example", aws.port_shift))
    found = read_listeners(gateway, read_load_balancers(gateway, STAGING))
    assert found.denied is not None
    assert found.denied.action == "elasticloadbalancing:DescribeRules"
    assert [rule.priority for rule in found.listeners[0].rules] == ["default"]


# HTTPS


def https_listener(aws: CannedAws) -> None:
    secure = LISTENER | {
        "Protocol": "HTTPS",
        "Port": 443,
        "Certificates": [{"CertificateArn": arn("acm", "certificate/1")}],
    }
    aws.answers["elbv2", "DescribeListeners"] = {"Listeners": [LISTENER, secure]}


def test_where_https_is_served_the_certificates_name_is_asked(aws: CannedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    https_listener(aws)
    aws.answers["acm", "DescribeCertificate"] = {"Certificate": {"DomainName": "app.example.com"}}
    monkeypatch.setattr(probes, "TIMEOUT", 0.5)
    found = probed(aws)
    assert found.base == "https://app.example.com"
    assert asked_of(found, "frontend")[0].url == "https://app.example.com/"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            {"Certificate": {"DomainName": "*.example.com"}},
            r"the certificate of \*\.example\.com, which isn't one name",
        ),
        (AwsError("ResourceNotFoundException", "no such certificate"), "under the name in its certificate"),
        (
            AwsError("AccessDeniedException", "not authorized to perform: acm:DescribeCertificate"),
            r"can't be read \(.*acm:DescribeCertificate",
        ),
    ],
)
def test_a_name_that_no_certificate_can_have_is_never_asked(aws: CannedAws, answer: Any, why: str) -> None:
    """Over plain HTTP the load balancer leads to itself over HTTPS, of whose name nobody can have a certificate."""
    https_listener(aws)
    aws.answers["acm", "DescribeCertificate"] = answer
    with pytest.raises(BadAnswer, match=why) as refused:
        probed(aws)
    assert str(refused.value).endswith('Set url = "https://…" in [environments.staging] of omc.toml.')


def test_the_stack_files_url_is_asked_instead(aws: CannedAws) -> None:
    gateway = Gateway(STAGING, Access(aws.endpoint, "AKIAEXAMPLE", "example", 0))
    elsewhere = replace(STAGING, url=f"{aws.endpoint}/")
    found = read_probes(gateway, elsewhere, LoadBalancers(()), Listeners(()), TargetGroups(()))
    assert {answer.status for request in found.requests for answer in request.answers} == {200}
    assert read_data_age(found).services[0].age_seconds == 12.5


@pytest.mark.parametrize(
    ("body", "age", "problem"),
    [
        (b'{"data_age_seconds": 12.5}', 12.5, ""),
        (b'{"data_age_seconds": null}', None, "has no valid data_age_seconds"),
        (b'{"data_age_seconds": -3}', None, "has no valid data_age_seconds"),
        (b'{"data_age_seconds": true}', None, "has no valid data_age_seconds"),
        (b"[]", None, "has no valid data_age_seconds"),
        (b"<html>", None, "answered something that is not JSON"),
        (b"[" * 100_000, None, "answered something that is not JSON"),
    ],
)
def test_the_age_of_the_data(aws: CannedAws, body: bytes, age: float | None, problem: str) -> None:
    aws.status_page = (200, body)
    (service_data,) = read_data_age(probed(aws)).services
    assert service_data.age_seconds == age
    assert problem in service_data.problem
    assert service_data.url == f"{aws.endpoint}/api/v1/status"


# What comes of it


def ask(handler: Handler, monkeypatch: pytest.MonkeyPatch | None = None) -> ProbeRequest:
    """The frontend's ``/`` at a server that does what the handler does."""
    if monkeypatch:
        monkeypatch.setattr(probes, "TIMEOUT", 3.0)  # what is answered has to be so within that time
    with answering(handler) as port:
        gateway = Gateway(ONLY_FRONTEND, Access("http://127.0.0.1:1", "AKIAEXAMPLE", "example"))
        environment = replace(ONLY_FRONTEND, url=f"http://127.0.0.1:{port}")
        (found,) = read_probes(gateway, environment, LoadBalancers(()), Listeners(()), TargetGroups(())).requests
    return found


BY_ITSELF = b"HTTP/1.1 405 Method Not Allowed\r\nServer: awselb/2.0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("takes", [True, False], ids=["its tasks hang", "it hangs itself"])
def test_where_nothing_is_answered_the_load_balancer_is_asked_for_what_it_answers_by_itself(
    takes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "TIMEOUT", 0.5)
    methods: list[bytes] = []

    def handler(line: socket.socket, over: threading.Event) -> None:
        method = line.recv(65536).split(b" ")[0]
        methods.append(method)
        if takes and methods.count(b"GET") == probes.AT_ONCE:
            monkeypatch.setattr(probes, "TIMEOUT", 60.0)  # all that hang have begun; what comes next is answered
        if method == b"TRACE" and takes:
            line.sendall(BY_ITSELF)
            return
        over.wait(60)

    with answering(handler) as port:
        gateway = Gateway(ONLY_FRONTEND, Access("http://127.0.0.1:1", "AKIAEXAMPLE", "example"))
        environment = replace(ONLY_FRONTEND, url=f"http://127.0.0.1:{port}")
        found = read_probes(gateway, environment, LoadBalancers(()), Listeners(()), TargetGroups(()))
    assert methods.count(b"TRACE") == 1
    assert found.balancer is not None
    assert (found.balancer.status, found.balancer.by_balancer) == ((405, True) if takes else (0, False))


def test_a_load_balancer_is_not_asked_while_something_is_answered(aws: CannedAws) -> None:
    assert probed(aws).balancer is None


def in_turn(*handlers: Handler) -> Handler:
    """Each connection gets the next; the last one all further ones."""
    order = itertools.chain(handlers, itertools.repeat(handlers[-1]))
    lock = threading.Lock()

    def handler(line: socket.socket, over: threading.Event) -> None:
        with lock:
            one = next(order)
        one(line, over)

    return handler


def frozen(line: socket.socket, over: threading.Event) -> None:
    line.recv(65536)
    over.wait(60)


def test_one_target_that_is_frozen_is_met_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask(in_turn(frozen, page(b"ok")), monkeypatch)
    assert sorted(str(answer.trouble or answer.status) for answer in found.answers) == ["200", "200", "silent"]


def test_where_some_fail_and_some_do_not_more_are_asked() -> None:
    found = ask(in_turn(page(b"", "500 Oops"), page(b"ok")))
    assert len(found.answers) == probes.AT_ONCE + probes.RETRIES
    assert sum(answer.status == 500 for answer in found.answers) == 1


def test_the_load_balancers_own_answers_are_told_apart_from_the_applications() -> None:
    assert all(each.by_balancer for each in ask(page(b"", "503 Service Unavailable", Server="awselb/2.0")).answers)
    assert not any(each.by_balancer for each in ask(page(b"", "503 Service Unavailable", Server="uvicorn")).answers)


def moved(location: str, status: str = "302 Found") -> Handler:
    return page(b"", status, Location=location)


def test_redirects_among_the_environments_own_names_are_followed() -> None:
    steps = {
        b"GET / ": moved("/home", "301 Moved"),
        b"GET /home ": moved("home/en?x=1"),
        b"GET /home/en?x=1 ": page(b"hi"),
    }

    def handler(line: socket.socket, over: threading.Event) -> None:
        seen = line.recv(65536, socket.MSG_PEEK)
        next(step for start, step in steps.items() if seen.startswith(start))(line, over)

    assert {answer.status for answer in ask(handler).answers} == {200}


@pytest.mark.parametrize("location", ["/", "", "?", "//127.0.0.1/"])
def test_redirects_in_a_circle_end(location: str) -> None:
    found = ask(moved(location) if location != "//127.0.0.1/" else moved("/"))
    assert all(answer.is_loop or (not location and answer.status == 302) for answer in found.answers)


def test_a_chain_of_redirects_without_end_ends() -> None:
    count = itertools.count()
    found = ask(lambda line, over: moved(f"/{next(count)}")(line, over))
    assert all(answer.is_loop for answer in found.answers)
    assert next(count) <= probes.AT_ONCE * (probes.HOPS + 2) + probes.RETRIES * (probes.HOPS + 2)


@pytest.mark.parametrize(
    ("location", "elsewhere"),
    [
        ("https://login.example/?token=secret", "https://login.example/"),
        ("http://169.254.169.254/latest/meta-data/", "http://169.254.169.254/latest/meta-data/"),
        ("https://user:password@parking.example/x", "https://parking.example/x"),
        ("ftp://127.0.0.1/x", "ftp://127.0.0.1/x"),
        ("javascript:alert(1)", "javascript://alert(1)"),
        ("http://[broken/", "an address that makes no sense"),
    ],
)
def test_a_page_does_not_decide_whom_omc_asks(location: str, elsewhere: str) -> None:
    found = ask(moved(location))
    assert {answer.elsewhere for answer in found.answers} == {elsewhere}
    assert "secret" not in str(found)


def test_garbage_and_huge_answers_are_bounded() -> None:
    assert {answer.trouble for answer in ask(says(b"\x00" * 1000)).answers} == {Trouble.GARBAGE}
    assert {answer.status for answer in ask(page(b"x" * (3 << 20))).answers} == {200}
