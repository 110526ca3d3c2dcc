"""What health checks mean for targets, who gets traffic, and how AWS's patterns are told to HAProxy."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.backends.haproxy import HaproxyError, quoted
from localcloud.services.elbv2 import traffic
from localcloud.services.elbv2.configuration import _glob
from localcloud.services.elbv2.targets import REFUSED, HealthCheck, Probe, Target, answered, routed

CHECK = HealthCheck(True, "HTTP", "/", "traffic-port", 5, 2, healthy_threshold=3, unhealthy_threshold=2, codes="200")
OK = Probe(True)


def learned(*probes: Probe, state: str = "initial") -> Target:
    target = Target("10.0.0.9", 8000, 0.0, state=state)
    for probe in probes:
        target.learn(probe, CHECK)
    return target


def test_a_new_target_is_healthy_after_one_success() -> None:
    assert learned(OK).state == "healthy"


def test_a_new_target_that_fails_is_still_new_until_the_threshold() -> None:
    target = learned(REFUSED)
    assert (target.state, target.reason) == ("initial", "Elb.InitialHealthChecking")
    assert learned(REFUSED, REFUSED).state == "unhealthy"


def test_an_unhealthy_target_needs_its_successes_in_a_row() -> None:
    assert learned(OK, OK, state="unhealthy").state == "unhealthy"
    assert learned(OK, OK, REFUSED, OK, OK, state="unhealthy").state == "unhealthy"
    healed = learned(OK, OK, OK, state="unhealthy")
    assert (healed.state, healed.reason, healed.description) == ("healthy", "", "")


def test_draining_and_unused_targets_learn_nothing() -> None:
    for state in ("draining", "unused"):
        assert learned(OK, REFUSED, REFUSED, state=state).state == state


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_the_state_follows_from_the_last_run_of_equal_answers(results: list[bool]) -> None:
    target = learned(*(OK if ok else REFUSED for ok in results))
    run = 0
    for ok in reversed(results):
        if ok != results[-1]:
            break
        run += 1
    if not results[-1] and run >= CHECK.unhealthy_threshold:
        assert target.state == "unhealthy"
    if results[-1] and run >= CHECK.healthy_threshold:
        assert target.state == "healthy"


@given(st.lists(st.sampled_from(["initial", "healthy", "unhealthy", "draining", "unused"]), max_size=6))
def test_traffic_goes_to_the_healthy_or_to_all_that_are_registered(states: list[str]) -> None:
    targets = [Target(f"10.0.0.{n}", 80, 0.0, state=state) for n, state in enumerate(states)]
    chosen = routed(targets)
    registered = {(each.address, each.port) for each in targets if each.state not in ("draining", "unused")}
    healthy = {(each.address, each.port) for each in targets if each.state == "healthy"}
    assert chosen == (healthy or registered)


@pytest.mark.parametrize(
    ("codes", "code", "expected"),
    [
        ("200", 200, True),
        ("200", 204, False),
        ("200-299", 250, True),
        ("200,302", 302, True),
        ("200-299,404", 404, True),
    ],
)
def test_success_codes_are_read_as_aws_writes_them(codes: str, code: int, expected: bool) -> None:
    check = HealthCheck(True, "HTTP", "/", "traffic-port", 5, 2, 3, 2, codes)
    assert answered(check, code).ok is expected


@given(st.text("ab/*?.+[", max_size=8), st.text("ab/.+[", max_size=8))
def test_wildcards_match_as_in_a_shell(pattern: str, text: str) -> None:
    escaped = pattern.replace("[", "[[]")
    expected = fnmatch.fnmatchcase(text, escaped)
    assert (re.fullmatch(_glob(pattern), text) is not None) is expected


def test_nothing_in_a_quoted_word_has_a_meaning() -> None:
    assert quoted("it's #1") == "'it'\\''s #1'"
    with pytest.raises(HaproxyError, match="control character"):
        quoted("two\nlines")


def _line(*, server: str = "t-1", status: int = 200, target: str = "1", kind: str = "-", ms: int = 12) -> str:
    seen = f"app/web/1|tg-1|{server}|{status}|{ms}|--|{target}|{kind}|345|127.0.0.1|40000|127.64.1.5|l-80|40001|99"
    return f"{seen}|1764520000123|14|0|1|GET|HTTP/1.1|-|-|1|L2E=|aG9zdA==|-|-|-"


def test_the_log_becomes_metrics_and_a_count_of_zero_none() -> None:
    lines = [_line(), _line(status=500), _line(server="<NOSRV>", status=503, target="-", ms=-1), "something else"]
    requests = [request for line in lines if (request := traffic.parse(line))]
    counts = {
        (each.name, bool(each.group)): sum(each.values) for each in traffic.series(requests) if each.unit == "Count"
    }
    assert counts == {
        ("RequestCount", False): 2,
        ("RequestCount", True): 2,
        ("HTTPCode_Target_2XX_Count", False): 1,
        ("HTTPCode_Target_2XX_Count", True): 1,
        ("HTTPCode_Target_5XX_Count", False): 1,
        ("HTTPCode_Target_5XX_Count", True): 1,
        ("HTTPCode_ELB_5XX_Count", False): 1,
        ("HTTPCode_ELB_503_Count", False): 1,
    }
    times = next(each.values for each in traffic.series(requests) if each.name == "TargetResponseTime" and each.group)
    assert times == [0.012, 0.012]


def test_an_answer_of_the_load_balancer_is_not_one_of_a_target() -> None:
    refused = traffic.parse(_line(status=502, target="-", ms=-1))
    assert refused is not None
    assert [name for name, _ in traffic.names(refused)] == [
        "RequestCount",
        "HTTPCode_ELB_5XX_Count",
        "HTTPCode_ELB_502_Count",
        "TargetConnectionErrorCount",
    ]
