"""What CloudWatch knows and nobody has told us: the same change as its message would have brought, and no other."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from omc.config import load
from omc.facts.alarms import Alarm, Alarms
from omc.responder.alerts import Alert, Hold
from omc.responder.intake import envelope
from omc.responder.intake.reading import Context
from omc.responder.intaking import AlarmReader
from omc.responder.model import Notification
from omc.responder.reconcile import GRACE, missed, unmuted
from omc.responder.rules import Rules

NOW = datetime(2026, 11, 30, 1, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[4]
STAGING = load(ROOT / "omc.toml").environments["staging"]
NAME = "ohmycoins-staging-backend-no-healthy"
ARN = f"arn:aws:cloudwatch:ap-southeast-2:123456789012:alarm:{NAME}"
SINCE = NOW - timedelta(minutes=5, milliseconds=123)


def alarm(state: str = "ALARM", **more: Any) -> Alarm:
    record = {
        "AlarmDescription": "No healthy target",
        "TreatMissingData": "breaching",
        "MetricName": "HealthyHostCount",
    }
    given = {"name": NAME, "arn": ARN, "since": SINCE, "record": record, **more}
    return Alarm(kind="metric", state=state, reason="Threshold Crossed", acts=given.pop("acts", True),
                 suppressed_by=given.pop("suppressed_by", ""), **given)  # fmt: skip


def found(*alarms: Alarm, known: dict[str, Alert] | None = None) -> list[Notification]:
    return missed(Alarms(alarms), STAGING, known or {}, NOW)


def alert(notification: Notification, *, is_firing: bool) -> dict[str, Alert]:
    return {
        notification.alert_key: Alert(
            "staging", notification.alert_key, 1, notification, is_firing=is_firing, changed_at=notification.at
        )
    }


def own_message() -> Notification:
    """The alarm's own message."""
    message = {
        "AlarmName": NAME,
        "AlarmArn": ARN,
        "NewStateValue": "ALARM",
        "OldStateValue": "OK",
        "NewStateReason": "Threshold Crossed",
        "StateChangeTime": SINCE.isoformat(timespec="milliseconds").replace("+00:00", "+0000"),
        "Trigger": {
            "MetricName": "HealthyHostCount",
            "Namespace": "AWS/ApplicationELB",
            "TreatMissingData": "breaching",
        },
    }
    [notification] = envelope.read(json.dumps(message), Context("staging", NOW))
    assert isinstance(notification, Notification)
    return notification


def test_an_alarm_that_nobody_told_is_found_as_the_change_that_its_message_would_have_told() -> None:
    [change] = found(alarm())
    assert (change.id, change.alert_key, change.state, change.at) == (
        own_message().id, own_message().alert_key, "firing", own_message().at,
    )  # fmt: skip
    assert change.labels["reconciled"] == "yes"


@pytest.mark.parametrize(
    ("given", "is_known"),
    [
        (alarm(), True),
        (alarm("OK"), False),
        (alarm(acts=False), False),
        (alarm(since=NOW - GRACE + timedelta(seconds=1)), False),
        (alarm(name="somebody-elses", arn=ARN.replace(NAME, "somebody-elses")), False),
        (replace(alarm("INSUFFICIENT_DATA"), record={"TreatMissingData": "missing"}), False),
    ],
)  # fmt: skip
def test_what_is_no_news_is_left_alone(given: Alarm, is_known: bool) -> None:
    assert found(given, known=alert(own_message(), is_firing=True) if is_known else {}) == []


@pytest.mark.parametrize(
    ("given", "rules", "label"),
    [
        (alarm(actions=("arn:topic",), acts=False), {}, {"actions": "off"}),
        (alarm(), {NAME: "sunday"}, {"muted_by": "sunday"}),
        (alarm(suppressed_by="deploying", suppression="Alarm"), {}, {"suppressed_by": "Alarm"}),
    ],
)
def test_what_cloudwatch_mutes_is_found_too_says_so_and_is_known_once_it_is_unmuted(
    given: Alarm, rules: dict[str, str], label: dict[str, str]
) -> None:
    [change] = missed(Alarms((given,)), STAGING, {}, NOW, rules)
    assert label.items() <= change.labels.items()
    [held] = alert(change, is_firing=True).values()
    known = {held.key: replace(held, hold=Hold("mute", "what mutes it"))}
    assert unmuted(Alarms((given,)), known, rules) == []
    assert unmuted(Alarms((alarm(),)), known, {}) == [held.key]
    assert unmuted(Alarms((alarm(),)), {held.key: held}, {}) == [], "it isn't held"
    assert unmuted(Alarms(()), known, {}) == [held.key], "nobody here would see when it is unmuted"
    ended = replace(given, state="OK")
    assert [each.state for each in missed(Alarms((ended,)), STAGING, known, NOW, rules)] == ["ended"]


def test_an_alarm_that_ended_while_nobody_was_there_ends_its_alert() -> None:
    [change] = found(alarm("OK"), known=alert(own_message(), is_firing=True))
    assert (change.state, change.alert_key, change.at > own_message().at - timedelta(seconds=1)) == (
        "ended",
        own_message().alert_key,
        True,
    )
    assert found(alarm("OK"), known=alert(own_message(), is_firing=False)) == []


def test_an_alarm_that_was_deleted_while_it_rang_ends_its_alert_once() -> None:
    known = alert(own_message(), is_firing=True)
    [change] = found(known=known)
    assert (change.state, change.title) == ("ended", f"{NAME} does not exist any more")
    assert missed(Alarms(()), STAGING, known, NOW + timedelta(minutes=1))[0].id == change.id
    other = replace(own_message(), source="alertmanager")
    assert found(known=alert(other, is_firing=True)) == [], "CloudWatch says nothing of another source's alerts"
    contributor = replace(own_message(), labels={**own_message().labels, "contributor": "c1"})
    assert found(known=alert(contributor, is_firing=True)) == []


@pytest.mark.parametrize("account", [None, "123456789012"])
@pytest.mark.parametrize(
    ("of", "has_ended"),
    [("ap-southeast-2:123456789012", True), ("us-east-1:123456789012", False), ("ap-southeast-2:210987654321", None)],
)
@pytest.mark.parametrize("is_there", [True, False])
def test_what_became_of_an_alarm_says_the_alarm_itself_and_none_of_its_name_elsewhere(
    account: str | None, of: str, has_ended: bool | None, is_there: bool
) -> None:
    here = {"AlarmName": NAME, "AlarmArn": ARN, "StateValue": "OK", "StateTransitionedTimestamp": NOW}
    client = SimpleNamespace(describe_alarms=lambda **_: {"MetricAlarms": [here]} if is_there else {})
    gateway: Any = SimpleNamespace(environment=replace(STAGING, account=account), client=lambda _: client)
    reader = AlarmReader(gateway, Rules("staging"), lambda: NOW, pytest.fail)
    message, arn = own_message(), f"arn:aws:cloudwatch:{of}:alarm:{NAME}"
    old = replace(message, at=NOW - timedelta(hours=2), labels={**message.labels, "alarm_arn": arn})
    if has_ended is None:  # where omc.toml names no account, whose the credentials are isn't known here
        has_ended = account is None and not is_there
    assert ("ended_by" in reader.complete(old).labels) is has_ended
