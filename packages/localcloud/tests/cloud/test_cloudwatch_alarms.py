"""Alarms as stories: given these samples and this time, expect this state, this history, this notification."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.core.cloud import Cloud, Settings
from localcloud.core.registry import AwsError
from localcloud.services.cloudwatch import Metrics, Notice
from localcloud.services.cloudwatch.mutes import MuteRule
from support.waiting import eventually

Clients = Callable[..., Any]
ACCOUNT = "123456789012"
ARN = f"arn:aws:cloudwatch:ap-southeast-2:{ACCOUNT}:alarm:"


class Story:
    """CloudWatch without loops: a minute passes when the story says so."""

    def __init__(self, state: Path) -> None:
        self.cloud = Cloud(Settings(state, ACCOUNT, "ap-southeast-2", 62, 4566, 0))
        self.metrics = Metrics()
        self.cloud.attach(self.metrics)
        self.metrics.open(self.cloud)
        self.alarms = self.metrics.alarms
        self.now = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        self.notices: list[Notice] = []

    def minute(self, seconds: int = 60, **values: float | None) -> None:
        """These samples in the middle of the next period, which then ends and is evaluated."""
        for name, value in values.items():
            if value is not None:
                self.metrics.put("Test", name, {}, value, at=self.now + timedelta(seconds=seconds / 2))
        self.now += timedelta(seconds=seconds)
        self.evaluate()

    def evaluate(self) -> None:
        self.alarms.evaluate(self.now + timedelta(seconds=6))
        self.notices.extend(self.alarms.outbox)
        self.metrics.deliver()

    def alarm(self, name: str = "high", **more: Any) -> None:
        self.alarms.put({"AlarmName": name, **ALARM, **more})

    def described(self, name: str = "high") -> Mapping[str, Any]:
        (alarm,) = self.alarms.described(lambda alarm: alarm.name == name)
        return alarm

    def state(self, name: str = "high") -> str:
        return str(self.described(name)["StateValue"])

    def take_notices(self) -> list[tuple[str, str]]:
        """What was sent since the last time, as (alarm, new state)."""
        sent = [(str(notice.alarm["AlarmName"]), notice.new_state) for notice in self.notices]
        self.notices.clear()
        return sent


ALARM: dict[str, Any] = {
    "MetricName": "load",
    "Namespace": "Test",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 3,
    "Threshold": 5,
    "ComparisonOperator": "GreaterThanThreshold",
    "AlarmActions": ["arn:page"],
    "OKActions": ["arn:page"],
}


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    telling = Story(tmp_path)
    yield telling
    telling.metrics.stop()


def test_an_alarm_follows_its_metric(story: Story) -> None:
    story.alarm()
    assert (story.state(), story.described()["StateReason"]) == (
        "INSUFFICIENT_DATA",
        "Unchecked: Initial alarm creation",
    )
    for value in (1, 9, 9):
        story.minute(load=value)
        assert story.state() == "OK"
    began = story.now
    story.minute(load=7)
    assert story.state() == "ALARM"
    newest, older, oldest = (f"{began - timedelta(minutes=back):%d/%m/%y %H:%M}:00" for back in range(3))
    assert story.described()["StateReason"] == (
        f"Threshold Crossed: 3 out of the last 3 datapoints [7.0 ({newest}), 9.0 ({older}), 9.0 ({oldest})] "
        "were greater than the threshold (5.0) (minimum 3 datapoints for OK -> ALARM transition)."
    )
    assert story.take_notices() == [("high", "OK"), ("high", "ALARM")]
    story.minute(load=1)
    assert story.state() == "OK"
    assert story.take_notices() == [("high", "OK")]


def test_a_period_that_is_not_over_is_not_judged(story: Story) -> None:
    story.alarm(EvaluationPeriods=1, DatapointsToAlarm=1)
    story.minute(load=1)
    story.metrics.put("Test", "load", {}, 100, at=story.now + timedelta(seconds=5))
    assert story.alarms.evaluate(story.now + timedelta(seconds=20)) == 0
    assert story.alarms.evaluate(story.now + timedelta(seconds=59)) == 0
    assert story.state() == "OK"
    assert story.alarms.evaluate(story.now + timedelta(seconds=66)) == 1
    assert story.state() == "ALARM"


def test_short_periods_are_judged_every_ten_seconds(story: Story) -> None:
    story.alarm(Period=10, EvaluationPeriods=2, DatapointsToAlarm=2)
    for expected in ("OK", "OK", "ALARM"):
        story.minute(seconds=10, load=9 if expected == "ALARM" or story.state() == "OK" else 1)
        assert story.state() == expected


def test_a_five_minute_alarm_looks_at_the_last_five_minutes_each_minute(story: Story) -> None:
    story.alarm(Period=300, EvaluationPeriods=1, DatapointsToAlarm=1, Statistic="Sum")
    for _ in range(5):
        story.minute(load=1)
    assert story.state() == "OK"
    story.minute(load=2)
    assert story.state() == "ALARM", "1+1+1+1+2 within five minutes, which begin at no round five minutes"


def test_silence_that_breaches_alarms_when_nothing_real_is_left_to_look_at(story: Story) -> None:
    """The heartbeat: less than one a minute, five of five, missing data breaching."""
    story.alarm(
        ComparisonOperator="LessThanThreshold", Threshold=1, Statistic="Sum",
        EvaluationPeriods=5, DatapointsToAlarm=5, TreatMissingData="breaching",
    )  # fmt: skip
    for _ in range(7):
        story.minute(load=1)
    silent = 0
    while story.state() == "OK":
        story.minute()
        silent += 1
    assert silent == 7, "the evaluation range is two periods longer than the five that are evaluated"
    story.minute(load=1)
    assert story.state() == "OK"


def test_missing_data_makes_an_alarm_insufficient_or_leaves_it_alone(story: Story) -> None:
    story.alarm("missing", EvaluationPeriods=1, DatapointsToAlarm=1)
    story.alarm("ignore", EvaluationPeriods=1, DatapointsToAlarm=1, TreatMissingData="ignore")
    story.minute(load=9)
    assert {story.state("missing"), story.state("ignore")} == {"ALARM"}
    for _ in range(3):
        story.minute()
    assert story.state("missing") == "INSUFFICIENT_DATA"
    assert story.described("missing")["StateReason"] == "Insufficient Data: 1 datapoint was unknown."
    assert story.state("ignore") == "ALARM"


def query(identity: str, metric: str, statistic: str = "Sum") -> dict[str, Any]:
    stat = {"Metric": {"Namespace": "Test", "MetricName": metric}, "Period": 60, "Stat": statistic}
    return {"Id": identity, "MetricStat": stat, "ReturnData": False}


def math_alarm(*metrics: dict[str, Any], **more: Any) -> dict[str, Any]:
    single = ("MetricName", "Namespace", "Statistic", "Period")
    return {**{key: value for key, value in ALARM.items() if key not in single}, "Metrics": [*metrics], **more}


def test_the_5xx_alarm_sees_a_full_outage_and_not_a_quiet_night(story: Story) -> None:
    counts = ("t2", "t5", "e5")
    filled = [{"Id": f"{name}f", "Expression": f"FILL({name}, 0)", "ReturnData": False} for name in counts]
    story.alarms.put(
        math_alarm(
            *(query(name, name) for name in counts),
            *filled,
            {"Id": "total", "Expression": "t2f+t5f+e5f", "ReturnData": False},
            {"Id": "rate", "Expression": "IF(total>=20, 100*(t5f+e5f)/total, 0)", "ReturnData": True},
            AlarmName="5xx", EvaluationPeriods=5, DatapointsToAlarm=3, TreatMissingData="notBreaching",
        )
    )  # fmt: skip
    for _ in range(3):
        story.minute()
    assert story.state("5xx") == "OK", "nobody there: no metric exists at all"
    story.minute(t2=19)
    story.minute(t2=10, t5=9)
    assert story.state("5xx") == "OK", "too little traffic to judge"
    for _ in range(3):
        story.minute(e5=50)
    assert story.state("5xx") == "ALARM", "no target answers: only the balancer's own errors are counted"
    assert "3 out of the last 5 datapoints [100.0" in story.described("5xx")["StateReason"]


def test_a_percentile_alarm_counts_values_and_keeps_still_with_few_samples(story: Story) -> None:
    story.alarm(
        Statistic=None, ExtendedStatistic="p90", EvaluationPeriods=1, DatapointsToAlarm=1,
        EvaluateLowSampleCountPercentile="ignore",
    )  # fmt: skip
    for _ in range(3):
        at = story.now + timedelta(seconds=30)
        story.metrics.put_values("Test", "load", {}, [1.0] * 180 + [9.0] * 20, at=at)
        story.minute()
    assert story.state() == "OK"
    for _ in range(3):
        story.minute(load=100)
    assert story.state() == "OK", "one sample a minute says nothing about a 90th percentile"


def test_putting_an_alarm_again_keeps_its_state_and_tags(story: Story) -> None:
    story.alarm(EvaluationPeriods=1, DatapointsToAlarm=1, Tags=[{"Key": "severity", "Value": "high"}])
    story.minute(load=9)
    before = story.described()
    story.alarm(EvaluationPeriods=1, DatapointsToAlarm=1, Threshold=6, Tags=[{"Key": "severity", "Value": "low"}])
    after = story.described()
    assert after["Threshold"] == 6
    for key in ("StateValue", "StateReason", "StateUpdatedTimestamp", "StateTransitionedTimestamp"):
        assert after[key] == before[key]
    assert story.alarms.tag(f"{ARN}high") == {"severity": "high"}


def test_disabled_actions_are_not_carried_out_but_the_state_moves(story: Story) -> None:
    story.alarm(EvaluationPeriods=1, DatapointsToAlarm=1)
    story.alarms.enable(["high"], enabled=False)
    story.minute(load=9)
    assert story.state() == "ALARM"
    assert story.take_notices() == []
    story.alarms.enable(["high"], enabled=True)
    story.minute(load=1)
    assert story.take_notices() == [("high", "OK")]


def test_a_mute_rule_keeps_actions_back_and_they_are_carried_out_if_the_state_is_still_so(story: Story) -> None:
    story.alarm(EvaluationPeriods=1, DatapointsToAlarm=1)
    at = f"at({story.now:%Y-%m-%dT%H:%M})"
    rule = MuteRule("work", "arn", "", at, "PT5M", "UTC", ("high",), None, None, story.now)
    story.alarms.put_mute(rule)
    story.minute(load=9)
    story.minute(load=1)
    story.minute(load=9)
    assert (story.state(), story.take_notices(), rule.status(story.now)) == ("ALARM", [], "ACTIVE")
    story.alarms.load(story.alarms.dump())
    story.minute(load=9)
    story.minute(load=9)
    assert story.take_notices() == [("high", "ALARM")]
    assert rule.status(story.now) == "EXPIRED"


@pytest.mark.parametrize(
    ("expression", "zone", "at", "expected"),
    [
        ("cron(0 2 * * SUN)", "UTC", "2026-11-29 03:59", "ACTIVE"),
        ("cron(0 2 * * SUN)", "UTC", "2026-11-29 04:00", "SCHEDULED"),
        ("cron(0 2 * * 1-5)", "UTC", "2026-11-29 03:00", "SCHEDULED"),
        ("cron(30 18 * NOV,DEC FRI)", "Australia/Sydney", "2026-11-27 08:00", "ACTIVE"),
        ("at(2026-12-01T09:00)", "Australia/Sydney", "2026-11-30 22:00", "ACTIVE"),
        ("at(2026-12-01T09:00)", "Australia/Sydney", "2026-11-30 21:59", "SCHEDULED"),
        ("at(2026-12-01T09:00)", "Australia/Sydney", "2026-12-01 00:00", "EXPIRED"),
    ],
)
def test_a_mute_rule_is_active_for_its_time_in_its_zone(expression: str, zone: str, at: str, expected: str) -> None:
    now = datetime.fromisoformat(f"{at}:00+00:00")
    assert MuteRule("m", "arn", "", expression, "PT2H", zone, ("high",), None, None, now).status(now) == expected


def test_mute_rules_are_put_listed_and_deleted(shared_aws: Clients) -> None:
    cloudwatch = shared_aws("cloudwatch")
    schedule = {"Expression": "at(2020-01-01T00:00)", "Duration": "PT1H", "Timezone": "Australia/Sydney"}
    targets = {"AlarmNames": ["mute-me"]}
    cloudwatch.put_alarm_mute_rule(Name="work", Rule={"Schedule": schedule}, MuteTargets=targets)
    [found] = cloudwatch.list_alarm_mute_rules(AlarmName="mute-me")["AlarmMuteRuleSummaries"]
    assert (found["Status"], found["MuteType"]) == ("EXPIRED", "ONE_TIME")
    assert cloudwatch.list_alarm_mute_rules(Statuses=["ACTIVE"])["AlarmMuteRuleSummaries"] == []
    whole = cloudwatch.get_alarm_mute_rule(AlarmMuteRuleName="work")
    assert (whole["Rule"]["Schedule"], whole["MuteTargets"]) == (schedule, targets)
    cloudwatch.delete_alarm_mute_rule(AlarmMuteRuleName="work")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        cloudwatch.get_alarm_mute_rule(AlarmMuteRuleName="work")
    with pytest.raises(ClientError, match="Duration must be between"):
        cloudwatch.put_alarm_mute_rule(Name="work", Rule={"Schedule": {**schedule, "Duration": "PT1S"}})


def test_scaling_policies_are_called_again_while_the_state_holds_and_topics_are_not(story: Story) -> None:
    calls: list[Notice] = []
    policy = f"arn:aws:autoscaling:ap-southeast-2:{ACCOUNT}:scalingPolicy:1:resource/ecs/service/c/s:policyName/cpu"
    story.metrics.on_action("arn:aws:autoscaling:", calls.append)
    story.alarm(EvaluationPeriods=1, DatapointsToAlarm=1, AlarmActions=[policy, "arn:page"])
    for load in (9, 8, 7):
        story.minute(load=load)
    assert [(call.new_state, call.repeated) for call in calls] == [("ALARM", False), ("ALARM", True), ("ALARM", True)]
    assert [json.loads(call.reason_data)["recentDatapoints"] for call in calls] == [[9.0], [8.0], [7.0]]
    assert [notice.action for notice in story.notices].count("arn:page") == 1
    story.minute(load=1)
    story.minute(load=1)
    assert len(calls) == 3


def test_an_alarm_that_cannot_be_judged_stops_no_other_and_says_so(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    story.alarm("broken", EvaluationPeriods=1, DatapointsToAlarm=1)
    story.alarm("sound", EvaluationPeriods=1, DatapointsToAlarm=1)
    broken = story.alarms.find("broken")
    assert broken is not None
    broken.settings["ComparisonOperator"] = "Nonsense"  # as a snapshot of another version might hold
    broken.configured_at += timedelta(seconds=1)
    story.minute(load=9)
    assert story.state("sound") == "ALARM"
    assert story.described("broken")["EvaluationState"] == "EVALUATION_ERROR"
    assert "Nonsense" in story.metrics.status()["failures"]["broken"]
    assert "alarm broken could not be evaluated" in caplog.text


def test_alarms_that_nobody_evaluates_are_reported(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    story.alarm()
    story.minute(load=1)
    later = story.now + timedelta(minutes=2)
    assert story.alarms.overdue(story.now + timedelta(seconds=70)) == []
    assert story.alarms.overdue(later) == ["high"]
    alarm = story.alarms.find("high")
    assert alarm is not None
    alarm.evaluated_until -= 600
    alarm.configured_at -= timedelta(minutes=10)
    story.alarms._opened_at -= 600
    story.metrics._watch()
    assert "1 alarms are not being evaluated" in caplog.text


def test_alarms_their_states_and_waiting_actions_survive_a_restart(story: Story, tmp_path: Path) -> None:
    story.alarm(EvaluationPeriods=1, DatapointsToAlarm=1)
    story.metrics.put("Test", "load", {}, 9, at=story.now + timedelta(seconds=30))
    story.now += timedelta(minutes=1)
    story.alarms.evaluate(story.now + timedelta(seconds=6))
    saved = story.metrics.dump()
    story.metrics.stop()
    after = Story(tmp_path)
    after.metrics.load(saved)
    try:
        assert after.state() == "ALARM"
        assert [notice.action for notice in after.alarms.outbox] == ["arn:page"]
        after.now = story.now
        after.minute(load=9)
        assert after.state() == "ALARM"
        assert after.take_notices() == [("high", "ALARM")]
    finally:
        after.metrics.stop()


def test_the_time_that_the_cloud_was_down_alarms_nobody_but_what_follows_does(story: Story, tmp_path: Path) -> None:
    silence: dict[str, Any] = {
        "TreatMissingData": "breaching",
        "ComparisonOperator": "LessThanThreshold",
        "Threshold": 1,
    }
    story.now -= timedelta(minutes=20)
    story.alarm(**silence)
    for _ in range(5):
        story.minute(load=1)
    assert story.state() == "OK"
    saved = story.metrics.dump()
    story.metrics.stop()
    after = Story(tmp_path)  # a quarter of an hour later
    after.metrics.load(saved)
    try:
        after.evaluate()
        assert after.state() == "OK"
        assert after.alarms.overdue(after.now) == []
        minutes = 0
        while after.state() == "OK":
            after.minute()
            minutes += 1
        # Three of three periods since the start; one more where the first half minute after it reaches into the next.
        assert minutes in (3, 4)
    finally:
        after.metrics.stop()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "anomaly detection"),
        ({"ThresholdMetricId": "ad1"}, "anomaly detection"),
        ({"Period": 45}, "Period must be"),
        ({"Period": 3600, "EvaluationPeriods": 200}, "across more than a week"),
        ({"Period": 60, "EvaluationPeriods": 1500}, "across more than a day"),
        ({"DatapointsToAlarm": 4}, "DatapointsToAlarm"),
        ({"TreatMissingData": "sometimes"}, "TreatMissingData"),
        ({"ExtendedStatistic": "p99"}, "Exactly one of Statistic and ExtendedStatistic"),
        ({"Statistic": None, "ExtendedStatistic": "p101"}, "not a supported statistic"),
        ({"Threshold": None}, "Threshold is required"),
        ({"EvaluationCriteria": {"PromQLCriteria": {"Query": "up"}}}, "PromQL"),
    ],
)
def test_a_wrong_alarm_is_refused_with_the_reason(story: Story, change: dict[str, Any], says: str) -> None:
    with pytest.raises(AwsError) as refused:
        story.alarm(**change)
    assert refused.value.code == "ValidationError"
    assert says in refused.value.message
    assert story.alarms.described() == []


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        ([query("m", "a")], "Exactly one element of the metrics list should return data"),
        ([{"Id": "e", "Expression": "SEARCH('{Test} a', 'Sum', 60)"}], "SEARCH is not supported"),
        ([query("m", "a"), {"Id": "e", "Expression": "ANOMALY_DETECTION_BAND(m)"}], "ANOMALY_DETECTION_BAND"),
        ([query("m", "a"), {"Id": "e", "Expression": "m +"}], "unexpected end"),
    ],
)
def test_a_wrong_expression_is_refused_when_it_is_put(story: Story, metrics: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(AwsError) as refused:
        story.alarms.put(math_alarm(*metrics, AlarmName="math"))
    assert says in refused.value.message


# Composite alarms


def composite(story: Story, rule: str, name: str = "both", **more: Any) -> None:
    story.alarms.put_composite(
        {"AlarmName": name, "AlarmRule": rule, "AlarmActions": ["arn:page"], "OKActions": ["arn:page"], **more}
    )


def pair(story: Story) -> None:
    for name in ("a", "b"):
        story.alarm(name, MetricName=name, EvaluationPeriods=1, DatapointsToAlarm=1, AlarmActions=[], OKActions=[])


def test_a_composite_moves_with_its_children_and_names_the_one_that_moved_it(story: Story) -> None:
    pair(story)
    composite(story, f'ALARM("a") AND ALARM("{ARN}b")')
    assert story.described("both")["StateReason"] == f"{ARN}both was created and its alarm rule evaluates to OK"
    story.minute(a=9, b=1)
    assert story.state("both") == "OK"
    story.minute(a=9, b=9)
    assert story.state("both") == "ALARM"
    described = story.described("both")
    moved = story.described("b")["StateTransitionedTimestamp"]
    assert described["StateReason"] == f"{ARN}b transitioned to ALARM at {moved:%A %d %B, %Y %H:%M:%S} UTC"
    (trigger,) = json.loads(described["StateReasonData"])["triggeringAlarms"]
    assert (trigger["arn"], trigger["state"]["value"]) == (f"{ARN}b", "ALARM")
    assert story.take_notices() == [("both", "OK"), ("both", "ALARM")]


def test_composites_of_composites_settle_at_once_and_a_circle_ends(story: Story) -> None:
    pair(story)
    composite(story, "ALARM(a)", "inner")
    composite(story, "ALARM(inner) OR ALARM(b)", "outer")
    story.minute(a=9, b=1)
    assert (story.state("inner"), story.state("outer")) == ("ALARM", "ALARM")
    composite(story, "NOT ALARM(outer)", "inner")
    story.minute(a=9, b=1)


def suppressed(story: Story, *, wait: int = 120, extension: int = 120) -> None:
    story.alarm("main", MetricName="main", EvaluationPeriods=1, DatapointsToAlarm=1, AlarmActions=[], OKActions=[])
    story.alarm("mute", MetricName="mute", EvaluationPeriods=1, DatapointsToAlarm=1, AlarmActions=[], OKActions=[])
    composite(
        story, "ALARM(main)", "page", ActionsSuppressor="mute",
        ActionsSuppressorWaitPeriod=wait, ActionsSuppressorExtensionPeriod=extension,
    )  # fmt: skip
    story.minute(main=1, mute=1)
    story.take_notices()


def test_actions_wait_for_the_suppressor_and_then_are_carried_out(story: Story) -> None:
    suppressed(story)
    story.minute(main=9, mute=1)
    assert (story.state("page"), story.described("page")["ActionsSuppressedBy"]) == ("ALARM", "WaitPeriod")
    story.minute(main=9, mute=1)
    assert story.take_notices() == []
    story.minute(main=9, mute=1)
    assert story.take_notices() == [("page", "ALARM")]
    assert "ActionsSuppressedBy" not in story.described("page")


def test_a_suppressor_in_alarm_holds_the_actions_through_the_extension(story: Story) -> None:
    suppressed(story)
    story.minute(main=9, mute=1)
    story.minute(main=9, mute=9)
    assert story.described("page")["ActionsSuppressedReason"] == "Actions suppressed by Alarm"
    for _ in range(3):
        story.minute(main=9, mute=9)
    story.minute(main=9, mute=1)
    assert story.described("page")["ActionsSuppressedBy"] == "ExtensionPeriod"
    story.minute(main=9, mute=1)
    assert story.take_notices() == []
    story.minute(main=9, mute=1)
    assert story.take_notices() == [("page", "ALARM")]


def test_what_came_and_went_while_suppressed_is_never_reported(story: Story) -> None:
    suppressed(story)
    story.minute(main=9, mute=9)
    for _ in range(6):
        story.minute(main=1, mute=1)
    assert story.state("page") == "OK"
    assert story.take_notices() == []


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("ALARM(a) AND", "unexpected end"),
        ("ALARM(nobody)", "alarms [nobody] do not exist"),
        ("ALARM()", "syntax error"),
        ("BROKEN(a)", "syntax error"),
        ("(ALARM(a)", "isn't closed"),
    ],
)
def test_a_wrong_rule_is_refused_with_the_reason(story: Story, rule: str, says: str) -> None:
    pair(story)
    with pytest.raises(AwsError) as refused:
        composite(story, rule)
    assert says in refused.value.message


def test_a_child_cannot_be_deleted_from_under_its_composite(story: Story) -> None:
    pair(story)
    composite(story, "ALARM(a)")
    with pytest.raises(AwsError, match="composite alarm\\(s\\) depending on it"):
        story.alarms.delete(["a", "b"])
    story.alarms.delete(["both", "a", "b", "never-was"])
    assert story.alarms.described() == []


# Over the wire


def test_an_alarm_is_described_as_it_was_put(shared_aws: Clients) -> None:
    cloudwatch = shared_aws("cloudwatch")
    put = {
        "AlarmName": "wire", "AlarmDescription": "Load is high", "ActionsEnabled": True,
        "Dimensions": [{"Name": "Service", "Value": "backend"}], "TreatMissingData": "missing", "Unit": "Percent",
        **ALARM,
    }  # fmt: skip
    cloudwatch.put_metric_alarm(**put, Tags=[{"Key": "severity", "Value": "high"}])
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=["wire"])["MetricAlarms"]
    assert {key: alarm[key] for key in put} == put
    assert alarm["InsufficientDataActions"] == []
    arn = alarm["AlarmArn"]
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "severity", "Value": "high"}]
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "service", "Value": "backend"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["severity"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "service", "Value": "backend"}]
    found = cloudwatch.describe_alarms_for_metric(
        MetricName="load", Namespace="Test", Dimensions=[{"Name": "Service", "Value": "backend"}]
    )["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in found] == ["wire"]
    assert cloudwatch.describe_alarms_for_metric(MetricName="load", Namespace="Test")["MetricAlarms"] == []
    cloudwatch.delete_alarms(AlarmNames=["wire"])
    assert cloudwatch.describe_alarms(AlarmNames=["wire"])["MetricAlarms"] == []
    with pytest.raises(ClientError) as gone:
        cloudwatch.list_tags_for_resource(ResourceARN=arn)
    assert gone.value.response["Error"]["Code"] in ("ResourceNotFoundException", "ResourceNotFound")


def test_alarms_are_listed_by_type_state_prefix_and_page(shared_aws: Clients) -> None:
    cloudwatch = shared_aws("cloudwatch")
    for number in range(5):
        cloudwatch.put_metric_alarm(AlarmName=f"list-{number}", **ALARM)
    cloudwatch.put_composite_alarm(
        AlarmName="list-all", AlarmRule="ALARM(list-0) OR OK(list-1)", Tags=[{"Key": "k", "Value": "v"}]
    )

    def names(**request: Any) -> list[str]:
        pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix="list-", **request)
        return [alarm["AlarmName"] for page in pages for alarm in (*page["CompositeAlarms"], *page["MetricAlarms"])]

    assert names() == [f"list-{number}" for number in range(5)]
    assert names(AlarmTypes=["CompositeAlarm"]) == ["list-all"]
    assert sorted(names(AlarmTypes=["CompositeAlarm", "MetricAlarm"], MaxRecords=2)) == sorted([*names(), "list-all"])

    def by_hand() -> bool:
        """A state set by hand lasts until the alarm is judged again, which may be at once."""
        cloudwatch.set_alarm_state(AlarmName="list-3", StateValue="ALARM", StateReason="by hand")
        return names(StateValue="ALARM") == ["list-3"]

    assert any(by_hand() for _ in range(5))
    children = cloudwatch.describe_alarms(ChildrenOfAlarmName="list-all")["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in children] == ["list-0", "list-1"]
    parents = cloudwatch.describe_alarms(ParentsOfAlarmName="list-0")["CompositeAlarms"]
    assert [alarm["AlarmName"] for alarm in parents] == ["list-all"]
    history = cloudwatch.describe_alarm_history(AlarmName="list-3", HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    [moved, *_] = [item for item in history if item["HistorySummary"].endswith("to ALARM")]
    assert moved["HistorySummary"] == "Alarm updated from INSUFFICIENT_DATA to ALARM"
    assert json.loads(moved["HistoryData"])["newState"]["stateReason"] == "by hand"
    cloudwatch.delete_alarms(AlarmNames=["list-all"])
    cloudwatch.delete_alarms(AlarmNames=[f"list-{number}" for number in range(5)])
    with pytest.raises(ClientError) as refused:
        cloudwatch.set_alarm_state(AlarmName="list-3", StateValue="OK", StateReason="x")
    assert refused.value.response["Error"]["Code"] == "ResourceNotFound"


def queue_of(aws: Clients, topic_arn: str, name: str) -> str:
    sqs, sns = aws("sqs"), aws("sns")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)
    return str(url)


def receive(aws: Clients, url: str, seconds: float = 60) -> dict[str, Any]:
    found = eventually("a message arrives", lambda: aws("sqs").receive_message(QueueUrl=url).get("Messages"), seconds)
    body: dict[str, Any] = json.loads(found[0]["Body"])
    return body


def test_a_breach_travels_from_the_sample_to_the_queue(shared_aws: Clients, shared_cloud: Cloud) -> None:
    """No hand sets a state here: samples arrive, the loop judges them, the topic tells the queue."""
    cloudwatch = shared_aws("cloudwatch")
    topic = shared_aws("sns").create_topic(Name="alerts-high")["TopicArn"]
    url = queue_of(shared_aws, topic, "alerts")
    cloudwatch.put_metric_alarm(
        **{
            **ALARM, "AlarmName": "errors-high", "AlarmDescription": "Too many errors", "MetricName": "errors",
            "Dimensions": [{"Name": "Service", "Value": "backend"}], "Period": 10, "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1, "AlarmActions": [topic], "OKActions": [], "TreatMissingData": "notBreaching",
        }
    )  # fmt: skip
    now = datetime.now(UTC)
    cloudwatch.put_metric_data(
        Namespace="Test",
        MetricData=[
            {
                "MetricName": "errors", "Value": 7, "StorageResolution": 1, "Timestamp": now + timedelta(seconds=ahead),
                "Dimensions": [{"Name": "Service", "Value": "backend"}],
            }
            for ahead in range(-10, 120, 5)
        ],
    )  # fmt: skip
    envelope = receive(shared_aws, url)
    assert (envelope["Type"], envelope["TopicArn"]) == ("Notification", topic)
    assert envelope["Subject"] == 'ALARM: "errors-high" in Asia Pacific (Sydney)'
    message = json.loads(envelope["Message"])
    account = shared_cloud.settings.account
    assert message["AlarmArn"] == f"arn:aws:cloudwatch:ap-southeast-2:{account}:alarm:errors-high"
    assert "[7.0 (" in message.pop("NewStateReason")
    assert message["Trigger"] == {
        "MetricName": "errors", "Namespace": "Test", "StatisticType": "Statistic", "Statistic": "AVERAGE", "Unit": None,
        "Dimensions": [{"value": "backend", "name": "Service"}], "Period": 10, "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 5.0,
        "TreatMissingData": "notBreaching", "EvaluateLowSampleCountPercentile": "",
    }  # fmt: skip
    record = {
        "AlarmName": "errors-high", "AlarmDescription": "Too many errors", "AWSAccountId": account,
        "NewStateValue": "ALARM", "Region": "Asia Pacific (Sydney)",
    }  # fmt: skip
    assert {key: message[key] for key in record} == record
    summaries = eventually(
        "the action is in the alarm's history",
        lambda: [
            item["HistorySummary"]
            for item in cloudwatch.describe_alarm_history(AlarmName="errors-high", HistoryItemType="Action")[
                "AlarmHistoryItems"
            ]
        ],
    )
    assert summaries == [f"Successfully executed action {topic}"]
    counted = cloudwatch.get_metric_statistics(
        Namespace="AWS/SNS",
        MetricName="NumberOfNotificationsDelivered",
        Dimensions=[{"Name": "TopicName", "Value": "alerts-high"}],
        StartTime=now - timedelta(minutes=1),
        EndTime=now + timedelta(minutes=2),
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(point["Sum"] for point in counted) == 1
    cloudwatch.delete_alarms(AlarmNames=["errors-high"])


def test_a_composite_tells_its_children_and_a_failed_delivery_is_counted(
    shared_aws: Clients, shared_cloud: Cloud
) -> None:
    cloudwatch = shared_aws("cloudwatch")
    topic = shared_aws("sns").create_topic(Name="composites")["TopicArn"]
    url = queue_of(shared_aws, topic, "composites")
    lost = queue_of(shared_aws, topic, "lost")
    shared_aws("sqs").delete_queue(QueueUrl=lost)
    cloudwatch.put_metric_alarm(AlarmName="child", **{**ALARM, "AlarmActions": [], "OKActions": []})
    cloudwatch.put_composite_alarm(AlarmName="parent", AlarmRule="ALARM(child)", AlarmActions=[topic])
    cloudwatch.set_alarm_state(AlarmName="child", StateValue="ALARM", StateReason="rehearsal")
    message = json.loads(receive(shared_aws, url)["Message"])
    assert message["AlarmRule"] == "ALARM(child)"
    assert message["NewStateValue"] == "ALARM"
    assert [child["State"]["Value"] for child in message["TriggeringChildren"]] == ["ALARM"]
    assert "Trigger" not in message

    def failed() -> Any:
        return cloudwatch.get_metric_statistics(
            Namespace="AWS/SNS",
            MetricName="NumberOfNotificationsFailed",
            Dimensions=[{"Name": "TopicName", "Value": "composites"}],
            StartTime=datetime.now(UTC) - timedelta(minutes=5),
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]

    assert eventually("the failed delivery is counted", failed)[0]["Sum"] == 1
    cloudwatch.delete_alarms(AlarmNames=["parent"])
    cloudwatch.delete_alarms(AlarmNames=["child"])


class Inbox(HTTPServer):
    """An HTTP subscriber that asks the cloud something while it is being told, as a real responder would."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        super().__init__(("127.0.0.1", 0), Reader)
        self.ask = ask
        self.got: list[tuple[dict[str, str], dict[str, Any]]] = []


class Reader(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Inbox)
        self.server.ask()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append((headers, json.loads(body)))
        self.send_response(200)
        self.end_headers()

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Nothing: the test looks at what arrived, not at a log."""


def test_an_http_subscriber_is_told_outside_of_the_lock_with_a_signature(
    shared_aws: Clients, shared_cloud: Cloud
) -> None:
    cloudwatch = shared_aws("cloudwatch")
    inbox = Inbox(lambda: shared_aws("sns").list_topics())
    server = threading.Thread(target=inbox.serve_forever, daemon=True)
    server.start()
    try:
        topic = shared_aws("sns").create_topic(Name="http")["TopicArn"]
        with shared_cloud.lock:  # subscribed in moto itself: confirming a subscription is another story
            shared_cloud.moto("sns").subscribe(topic, f"http://127.0.0.1:{inbox.server_port}/hook", "http")
        cloudwatch.put_metric_alarm(AlarmName="http", **{**ALARM, "AlarmActions": [topic]})
        cloudwatch.set_alarm_state(AlarmName="http", StateValue="ALARM", StateReason="rehearsal")
        headers, body = eventually("the subscriber gets a message", lambda: inbox.got)[0]
        assert headers["x-amz-sns-message-type"] == "Notification"
        assert headers["x-amz-sns-topic-arn"] == topic
        assert json.loads(body["Message"])["NewStateReason"] == "rehearsal"
        assert verified(shared_cloud, body)
        cloudwatch.delete_alarms(AlarmNames=["http"])
    finally:
        inbox.shutdown()
        inbox.server_close()
        server.join(5)


def verified(cloud: Cloud, body: dict[str, Any]) -> bool:
    """Check the signature as AWS documents it: these fields, in this order."""
    import base64

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.x509 import load_pem_x509_certificate
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.sns import sns_backends

    name = body["SigningCertURL"].rsplit("/", 1)[1]
    pem = sns_backends[DEFAULT_ACCOUNT_ID][cloud.settings.region]._message_public_keys[name]
    key = load_pem_x509_certificate(pem).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    fields = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    text = "".join(f"{field}\n{body[field]}\n" for field in fields if field in body)
    key.verify(base64.b64decode(body["Signature"]), text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return True


def test_five_hundred_alarms_are_judged_within_seconds(story: Story) -> None:
    for number in range(500):
        story.alarm(f"alarm-{number}", MetricName=f"m{number % 50}")
    for minute in range(5):
        for number in range(50):
            story.metrics.put("Test", f"m{number}", {}, minute, at=story.now - timedelta(minutes=minute))
    story.now += timedelta(minutes=1)
    began = time.thread_time()  # its own work: what else the machine does says nothing
    assert story.alarms.evaluate(story.now + timedelta(seconds=6)) == 500
    assert time.thread_time() - began < 15
    assert story.alarms.evaluate(story.now + timedelta(seconds=7)) == 0
