"""A release is judged against health, not against the incident before it: as pure judgement, and as a watch over time
with figures as CloudWatch gives them, by the minute and late."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.actions.action import Outcome, Verdict, action_named
from omc.config import Thresholds
from omc.facts.releases import Ledger
from omc.judgement.bake import Health, Readings, State, health_of, judged, regression
from support import release_facts as example
from support.fake_gateway import FakeGateway, context

LIMITS = Thresholds()


def figures(error_percent: float = 0.0, p95: float | None = 0.1, requests: float = 600, **more: Any) -> Readings:
    return Readings(requests=requests, error_percent=error_percent, p95_seconds=p95, **more)


HEALTH = Health(figures(0.1), 6, example.NOW.isoformat())
SLOW_HEALTH = Health(figures(0.1, 1.4), 6, example.NOW.isoformat())
QUIET = Readings()

# What makes it end at once


@pytest.mark.parametrize(
    ("before", "now", "health", "expected"),
    [
        (QUIET, Readings(firing=("x-5xx",)), None, "Alarm x-5xx fired during the release."),
        (Readings(firing=("a",)), Readings(firing=("a", "b", "c")), HEALTH, "Alarms b, c fired during the release."),
        (Readings(firing=("x-5xx",)), Readings(firing=("x-5xx",)), None, ""),
        (
            QUIET,
            figures(20.0, requests=100),
            None,
            "20.0 % of 100 answers are 5xx, above 5 %; before, nothing was asked",
        ),
        (figures(0.2), figures(20.0), HEALTH, "20.0 % of 600 answers are 5xx, above 5 %; before, it was 0.2 %"),
        (figures(0.0), figures(4.0), HEALTH, "4.0 % of 600 answers are 5xx, and 0.1 % when release 6 was verified"),
        (figures(0.0), figures(4.0), None, ""),
        (figures(0.0), figures(4.0, requests=100), HEALTH, ""),
        (figures(15.0), figures(20.0), None, ""),
        (figures(15.0), figures(31.0), None, "31.0 % of 600 answers are 5xx, above 5 %; in the incident before it"),
        (figures(60.0), figures(100.0), None, "100.0 % of 600 answers are 5xx"),
        (figures(60.0), figures(70.0), HEALTH, ""),
        (QUIET, figures(100.0, requests=5), None, ""),
        (figures(p95=0.1), figures(p95=3.0), None, "take 3.00 s or more, above 1.00 s; before, it was 0.0 %, 95th"),
        (figures(p95=2.0), figures(p95=3.0), None, ""),
        (figures(p95=2.0), figures(p95=5.0), None, "take 5.00 s or more"),
        (figures(p95=1.4), figures(p95=2.0), SLOW_HEALTH, ""),
        (figures(p95=0.2), figures(p95=0.9), HEALTH, ""),
        (QUIET, Readings(failed_tasks={"backend": 2}, desired={"backend": 2}), None, "2 tasks of the new backend"),
        (QUIET, Readings(failed_tasks={"backend": 1}, desired={"backend": 2}), None, ""),
        (QUIET, Readings(failed_tasks={"backend": 3}, desired={"backend": 9}), None, "3 tasks of the new backend"),
        (figures(60.0), figures(10.0, failed_tasks={"a": 3}, desired={"a": 2}), None, "3 tasks of the new a failed"),
    ],
)
def test_what_a_release_is_taken_back_for_at_once(
    before: Readings, now: Readings, health: Health | None, expected: str
) -> None:
    found = regression(before, now, LIMITS, 60, health)
    assert (expected in found) if expected else found == ""


# What the watch comes to


@pytest.mark.parametrize(
    ("before", "recent", "health", "state", "expected"),
    [
        (figures(0.1), figures(0.2), HEALTH, State.HEALTHY, "as healthy as release 6 when it was verified (0.1 %"),
        (figures(0.1), figures(0.2), None, State.HEALTHY, "no earlier release was verified here"),
        (figures(40.0), figures(0.1), HEALTH, State.HEALTHY, "the incident before it (it was 40.0 %, 95th"),
        (figures(40.0), figures(0.1), None, State.HEALTHY, "is over"),
        (figures(0.1, 9.0), figures(0.1), HEALTH, State.HEALTHY, "is over"),
        (figures(0.1), figures(requests=3), HEALTH, State.UNCOMPARED, "with only 3 answers"),
        (figures(40.0), QUIET, HEALTH, State.UNCOMPARED, "with only 0 answers"),
        (figures(40.0), figures(8.0), HEALTH, State.BETTER, "better than the incident before it (it was 40.0 %"),
        (figures(0.1, 9.0), figures(0.1, 2.0), HEALTH, State.BETTER, "but not healthy: the slowest 5 % of answers"),
        (figures(40.0, 9.0), figures(8.0, 9.0), None, State.UNHEALED, "no better than the incident"),
        (figures(40.0), figures(30.0), HEALTH, State.UNHEALED, "30.0 % of 600 answers are 5xx"),
        (figures(30.0), figures(30.0), None, State.UNHEALED, "no better than the incident"),
        (figures(40.0), figures(8.0, 5.0), None, State.UNHEALED, "8.0 % of 600 answers are 5xx, above 5 %; the"),
        (figures(0.1), figures(30.0), HEALTH, State.WORSE, "30.0 % of 600 answers are 5xx"),
        (QUIET, figures(30.0), None, State.WORSE, "before, nothing was asked"),
    ],
)  # fmt: skip
def test_what_the_watch_comes_to(
    before: Readings, recent: Readings, health: Health | None, state: State, expected: str
) -> None:
    found = judged(before, recent, LIMITS, 180, health)
    assert found.state is state
    assert expected in found.sentence


def test_a_deployment_alarm_that_rings_still_is_no_health() -> None:
    before, now = figures(firing=("a-5xx", "disk")), figures(firing=("a-5xx", "disk"))
    assert judged(before, now, LIMITS, 180, HEALTH).state is State.HEALTHY
    found = judged(before, now, LIMITS, 180, HEALTH, heeded=["a-5xx"])
    assert found.state is State.UNHEALED
    assert "alarm a-5xx fired before and still does" in found.sentence


percent, seconds = st.floats(0, 100), st.none() | st.floats(0, 60)
readings = st.builds(figures, percent, seconds, st.floats(0, 10_000))


@given(readings, readings, st.none() | st.just(HEALTH))
def test_nothing_beyond_the_limits_is_ever_healthy(before: Readings, recent: Readings, health: Health | None) -> None:
    found = judged(before, recent, LIMITS, 180, health)
    if recent.requests >= LIMITS.requests_floor and recent.error_percent > LIMITS.error_percent:
        assert found.state not in (State.HEALTHY, State.UNCOMPARED)
    if found.state is State.HEALTHY:
        assert recent.error_percent <= LIMITS.error_percent
        assert recent.requests >= LIMITS.requests_floor


@given(readings, readings, st.none() | st.just(HEALTH))
def test_an_incident_before_never_makes_a_release_healthy(
    before: Readings, recent: Readings, health: Health | None
) -> None:
    calm = judged(figures(), recent, LIMITS, 180, health).state
    assert (judged(before, recent, LIMITS, 180, health).state is State.HEALTHY) == (calm is State.HEALTHY)


# What healthy is


def released(number: int, error_percent: float, *, requests: float = 600, **proof: Any) -> Any:
    after = asdict(figures(error_percent, requests=requests))
    record = {"watched": True, "seconds": 420.0, "after": after, **proof}
    return example.release(number, 100 - number, number, 3, proof=record)


@pytest.mark.parametrize(
    ("releases", "number"),
    [
        ([], None),
        ([released(1, 0.1)], 1),
        ([released(1, 0.1), released(2, 0.2)], 2),
        ([released(1, 0.1), released(2, 9.0)], 1),
        ([released(1, 0.1), released(2, 0.2, watched=False)], 1),
        ([released(1, 0.1), released(2, 0.2, doubt="not healthy")], 1),
        ([released(1, 0.1), released(2, 0.2, doubt="not compared")], 1),
        ([released(1, 0.1), released(2, 0.2, requests=3)], 1),
        ([released(1, 0.1), replace(released(2, 0.2), is_rollback=True)], 1),
        ([released(1, 0.1), example.release(2, 98, 2, 3, proof={"backend": 12.0}, is_rollback=True)], 1),
        ([released(1, 0.1), example.release(2, 98, 2, 3)], 1),
        ([released(1, 40.0), released(2, 30.0)], None),
    ],
)
def test_health_is_the_last_verified_release_without_failures(releases: list[Any], number: int | None) -> None:
    found = health_of(Ledger(tuple(reversed(releases))), LIMITS)
    assert (found.release if found else None) == number


# A watch over time


@dataclass
class Service:
    """What users get: the share of answers that are 5xx so many seconds after the watch began."""

    errors: Callable[[float], float]
    rate: float = 2.0
    """Requests a second."""
    late: float = 90.0
    """CloudWatch tells a datapoint so many seconds after its period has ended."""
    local: bool = False
    at: float = 0.0

    def now(self) -> datetime:
        return example.NOW + timedelta(seconds=self.at)

    def metric_data(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if "Expression" in params["MetricDataQueries"][0]:  # whether the local cloud's figures arrive at all
            return {"MetricDataResults": [{"Id": "h0", "Timestamps": [params["StartTime"]], "Values": [2.0]}]}
        results = []
        for query in params["MetricDataQueries"]:
            period, metric = query["MetricStat"]["Period"], query["MetricStat"]["Metric"]["MetricName"]
            times, values, at = [], [], params["StartTime"]
            while at < params["EndTime"] and at + timedelta(seconds=period + self.late) <= self.now():
                share = self.errors((at - example.NOW).total_seconds())
                value = {
                    "HTTPCode_Target_2XX_Count": period * self.rate * (1 - share),
                    "HTTPCode_Target_5XX_Count": period * self.rate * share,
                    "TargetResponseTime": 0.1,
                }.get(metric, 0.0)
                if value:
                    times.append(at)
                    values.append(value)
                at += timedelta(seconds=period)
            results.append({"Id": query["Id"], "Timestamps": times, "Values": values})
        return {"MetricDataResults": results}

    def watched(self, before: Readings, health: Health | None, seconds: float, longer: float) -> Outcome:
        environment = example.environment(local_state=Path("/nowhere") if self.local else None)
        service = {
            "serviceName": "backend", "status": "ACTIVE", "desiredCount": 2, "runningCount": 2, "pendingCount": 0,
            "taskDefinition": "x/ohmycoins-backend:8",
        }  # fmt: skip
        balancer = {"LoadBalancerName": "ohmycoins-staging", "LoadBalancerArn": "a:loadbalancer/app/ohmycoins/1"}
        gateway = FakeGateway(
            {
                ("ecs", "describe_services"): {"services": [service]},
                ("ecs", "list_tasks"): {"taskArns": []},
                ("cloudwatch", "describe_alarms"): {},
                ("cloudwatch", "get_metric_data"): self.metric_data,
                ("elbv2", "describe_load_balancers"): {"LoadBalancers": [balancer]},
            },
            environment,
        )
        arguments = {
            "seconds": seconds,
            "incident_seconds": longer,
            "before": asdict(before),
            "health": asdict(health) if health else None,
            "services": {"backend": "ohmycoins-backend:8"},
        }
        where = context(gateway, state={"began": example.NOW.isoformat()}, now=self.now)
        settle = action_named("cloudwatch.settle")
        while (outcome := settle.poll(where, settle.read(arguments))) is None:
            self.at += 10
            assert self.at < 3600
        return outcome


def after(begin: float, share: float, first: float = 0.0) -> Callable[[float], float]:
    return lambda second: share if second >= begin else first


STORIES: Mapping[str, tuple[Service, Readings, Health | None, str, float]] = {
    # what users get, what it was before, health; what it is called; how long it was watched (0: as it comes)
    "well": (Service(after(0, 0.001)), figures(0.1), HEALTH, "verified", 420),
    "well for 40 s, then 30 % fail": (Service(after(40, 0.3)), figures(0.1), HEALTH, "undone", 0),
    "the same, never verified before": (Service(after(40, 0.3)), figures(0.1), None, "undone", 0),
    "the same in the local cloud": (Service(after(40, 0.3), late=0, local=True), figures(0.1), None, "undone", 0),
    "well for four minutes, then 30 % fail": (Service(after(240, 0.3)), figures(0.1), HEALTH, "undone", 0),
    "all fail": (Service(after(0, 1.0)), figures(0.1), HEALTH, "undone", 0),
    "4 % fail where none did": (Service(after(0, 0.04)), figures(0.1), HEALTH, "undone", 0),
    "in an incident: it heals": (Service(after(0, 0.001)), figures(40.0), HEALTH, "verified", 840),
    "in an incident: it heals later": (Service(after(300, 0.001, 0.4)), figures(40.0), HEALTH, "verified", 840),
    "in an incident: all as before": (Service(after(0, 0.4)), figures(40.0), HEALTH, "left, not healthy", 840),
    "in an incident: a little better": (Service(after(0, 0.3)), figures(40.0), HEALTH, "left, not healthy", 840),
    "in an incident: much better, not well": (Service(after(0, 0.1)), figures(40.0), HEALTH, "left, not healthy", 840),
    "in an incident: worse": (Service(after(0, 0.95)), figures(40.0), HEALTH, "undone", 0),
    "in an incident that was never well": (Service(after(0, 0.3)), figures(30.0), None, "left, not healthy", 840),
    "in an incident: well, then bad again": (Service(after(500, 0.4)), figures(40.0), HEALTH, "left, not healthy", 840),
    "nobody asks": (Service(after(0, 0.0), rate=0), figures(0.1), HEALTH, "unwatched", 420),
    "hardly anybody asks": (Service(after(0, 0.0), rate=0.05), figures(0.1), HEALTH, "not compared", 420),
    "hardly anybody asks, and all fail": (Service(after(0, 1.0), rate=0.02), figures(0.1), HEALTH, "not compared", 420),
    "metrics too late": (Service(after(0, 0.0), late=300), figures(0.1), HEALTH, "unwatched", 420),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_what_a_release_is_called(story: str) -> None:
    users, before, health, called, seconds = STORIES[story]
    users = replace(users, at=0.0)
    outcome = users.watched(before, health, 60 if users.local else 420, 120 if users.local else 840)
    if called == "undone":
        assert outcome.verdict is Verdict.FAILED
        assert outcome.sentence.startswith("The release is worse than the one before: ")
        return
    assert (outcome.verdict, users.at) == (Verdict.SUCCEEDED, seconds)
    proof: Any = outcome.outputs["proof"]
    release = example.release(1, 1, 1, 1, proof=proof)
    assert release.is_verified is (called == "verified")
    assert release.doubt == {"verified": "", "left, not healthy": "not healthy"}.get(called, called)
    assert bool(proof.get("unhealthy")) is (called == "left, not healthy")


@pytest.mark.parametrize(("seconds", "verified"), [(0, False), (2, False), (15, False), (45, False), (60, True)])
def test_a_short_watch_in_the_local_cloud_verifies_nothing(seconds: float, verified: bool) -> None:
    outcome = Service(after(0, 0.0), late=0, local=True).watched(figures(), None, seconds, seconds)
    assert outcome.verdict is Verdict.SUCCEEDED
    assert example.release(1, 1, 1, 1, proof=outcome.outputs["proof"]).is_verified is verified
