"""What comes in, what people press, and the responder's own pulse, on a real database."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from omc.config import load
from omc.engine.processes import this_process
from omc.errors import AccessDenied, Unreachable
from omc.incidents.events import Acknowledged, Snoozed
from omc.maintenance.announced import planned_work
from omc.model.people import Channel, ContactMethod, Person
from omc.notify.channels.registry import ChannelContext
from omc.notify.delivery import Sender
from omc.notify.interactions import Button, Command
from omc.notify.model import Sent
from omc.output import terminal
from omc.output.document import Document
from omc.responder import pulse, records
from omc.responder.alerts import CameLate, Fired
from omc.responder.duty import Duty
from omc.responder.intake.trials import body_of
from omc.responder.intaking import AlarmReader, Intaking, TagReader
from omc.responder.life import OnCallContext
from omc.responder.planned_document import planned_document
from omc.responder.queue import Delivery
from omc.responder.rules import rules_of
from omc.responder.service import Reconciler
from omc.responder.slack_actions import SlackActions
from omc.responder.trial_document import exit_code, plan_document, trial_document
from omc.responder.trying import find_path
from omc.responder.trying import run as run_trial
from omc.responder.unreadable import unreadable_messages
from omc.store.deadlines import set_deadline
from omc.store.incidents import incident_of, incidents_of, open_incident
from omc.store.opened import Store
from omc.store.outbox import OutboxRow

ROOT = Path(__file__).resolve().parents[4]
STACK = replace(
    load(ROOT / "omc.toml"),
    persons={"jo": Person("jo", "Jo Smith", (ContactMethod(Channel.SLACK, "U0JO"), ContactMethod(Channel.NTFY, "jo")))},
)
NAME = "ohmycoins-staging-backend-no-healthy"
ARN = f"arn:aws:cloudwatch:ap-southeast-2:123456789012:alarm:{NAME}"


def delivery(number: int, body: object) -> Delivery:
    text = body if isinstance(body, str) else json.dumps(body)
    return Delivery(f"m{number}", text, f"r{number}", datetime.now(UTC), 1)


def alarm(at: datetime, state: str = "ALARM") -> dict[str, Any]:
    return {
        "AlarmName": NAME,
        "AlarmArn": ARN,
        "NewStateValue": state,
        "StateChangeTime": at.isoformat(timespec="milliseconds"),
        "NewStateReason": "Threshold Crossed",
        "Trigger": {},
    }


def alarm_event(at: datetime, **detail: Any) -> dict[str, Any]:
    state = {"value": "ALARM", "timestamp": at.isoformat(timespec="milliseconds")}
    return {
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "resources": [ARN],
        "detail": {"alarmName": NAME, "state": state, **detail},
    }


def health_event(at: datetime) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "7b7f9f6c-1",
        "detail-type": "AWS Health Event",
        "source": "aws.health",
        "account": "123456789012",
        "time": at.isoformat(),
        "region": "ap-southeast-2",
        "resources": ["ohmycoins-staging|backend"],
        "detail": {
            "eventArn": "arn:aws:health:ap-southeast-2::event/ECS/AWS_ECS_TASK_PATCHING_RETIREMENT/x1",
            "service": "ECS",
            "eventTypeCode": "AWS_ECS_TASK_PATCHING_RETIREMENT",
            "eventTypeCategory": "scheduledChange",
            "startTime": "Mon, 7 Dec 2026 00:00:00 GMT",
            "eventDescription": [{"language": "en_US", "latestDescription": "Tasks will be retired."}],
            "affectedEntities": [{"entityValue": "ohmycoins-staging|backend"}],
        },
    }


def intaking(store: Store, **more: Any) -> Intaking:
    rules = rules_of(STACK, STACK.environments["staging"])
    given: dict[str, Any] = {"complete": lambda each: each, "report": lambda _: None, **more}
    return Intaking(store, rules, **given)


def test_a_batch_of_everything_takes_effect_once_however_often_it_is_delivered(store: Store) -> None:
    at = store.now()
    batch = [
        delivery(1, alarm(at)),
        delivery(2, health_event(at)),
        delivery(3, "no JSON, password=hunter22"),
        delivery(4, alarm(at)),
    ]
    woken: list[bool] = []
    for _ in range(3):
        intaking(store, wake=lambda: woken.append(True)).deliveries(batch)
    [incident] = incidents_of(store, "staging")
    assert [each.name for each in incident.alerts.values()] == ["backend-no-healthy"]
    with store.reading() as session:
        [planned] = planned_work(session, "staging").values()
        [(_, message)] = unreadable_messages(session, "staging")
    assert (planned.what, planned.start) == ("AWS_ECS_TASK_PATCHING_RETIREMENT", datetime(2026, 12, 7, tzinfo=UTC))
    assert "hunter22" not in message.beginning
    shown = terminal.render(planned_document([planned], [(at, message)], "staging", "Australia/Sydney"))
    assert "Mon 07 Dec 11:00:00 AEDT (00:00 UTC)" in shown
    assert "Messages that could not be read: 1" in shown
    assert woken


class Cloudwatch:
    """``fails``: so many times."""

    def __init__(self, fails: int = 0) -> None:
        self.fails, self.asked = fails, 0

    def client(self, _: str) -> Cloudwatch:
        return self

    def list_tags_for_resource(self, **_: Any) -> dict[str, Any]:
        self.asked += 1
        if self.asked <= self.fails:
            raise Unreachable("CloudWatch does not answer.")
        return {"Tags": [{"Key": "Severity", "Value": "SEV-1"}]}


@pytest.mark.parametrize(("fails", "severity"), [(0, 1), (9, 1)])
def test_tags_make_an_alarms_severity_and_aws_that_is_silent_holds_no_page_up(
    store: Store, fails: int, severity: int
) -> None:
    gateway: Any = Cloudwatch(fails)
    reader = TagReader(gateway, lambda _: None)
    for number in range(2):
        intaking(store, complete=reader.complete).deliveries([delivery(number, alarm(store.now()))])
    [incident] = incidents_of(store, "staging")
    assert incident.severity == severity, "the catalogue has no-healthy as a SEV-1 too"
    assert gateway.asked == (1 if not fails else 2), "tags that were read are kept"


class Alarming:
    """CloudWatch with one alarm, as it is now, and the rule that mutes it."""

    def __init__(self, now: datetime, state: str | None = "ALARM", rule: str = "", *, acts: bool = True) -> None:
        self.since, self.state, self.rule, self.acts = now, state, rule, acts
        self.environment = STACK.environments["staging"]

    def client(self, _: str) -> Alarming:
        return self

    def get_paginator(self, name: str) -> Any:
        rules = {"AlarmMuteRuleSummaries": [{"AlarmMuteRuleArn": f"arn:mute-rule:{self.rule}"}] if self.rule else []}
        answer = {"describe_alarms": self.describe_alarms(), "list_alarm_mute_rules": rules}[name]
        return SimpleNamespace(paginate=lambda **_: [answer])

    def get_alarm_mute_rule(self, **_: Any) -> dict[str, Any]:
        return {"MuteTargets": {"AlarmNames": [NAME]}}

    def list_tags_for_resource(self, **_: Any) -> dict[str, Any]:
        return {"Tags": []}

    def describe_alarms(self, **_: Any) -> dict[str, Any]:
        if self.state is None:
            return {}
        alarm_now = {
            "AlarmName": NAME,
            "AlarmArn": ARN,
            "StateValue": self.state,
            "StateTransitionedTimestamp": self.since,
            "ActionsEnabled": self.acts,
            "AlarmActions": ["arn:topic"],
        }
        return {"MetricAlarms": [alarm_now]}


OLD, YOUNG = timedelta(minutes=40), timedelta(minutes=5)


@pytest.mark.parametrize(
    ("age", "state", "incidents", "step"),
    [
        (YOUNG, "OK", 1, "none is old news before 30 min"),
        (OLD, "ALARM", 1, "nothing says that it has ended"),
        (OLD, "INSUFFICIENT_DATA", 1, "nothing says that it has ended"),
        (OLD, "OK", 0, "CloudWatch says that it has been OK since"),
        (OLD, None, 0, "CloudWatch has no alarm of this name now"),
    ],
)
def test_what_lay_in_the_queue_for_long_pages_if_it_fires_still(
    store: Store, age: timedelta, state: str | None, incidents: int, step: str
) -> None:
    gateway: Any = Alarming(store.now(), state)
    rules = rules_of(STACK, STACK.environments["staging"])
    reader = AlarmReader(gateway, rules, store.now, lambda _: None)
    sent = {"Type": "Notification", "TopicArn": "arn:topic", "Message": json.dumps(alarm(store.now() - age))}
    intaking(store, complete=reader.complete).deliveries([delivery(1, sent)])
    assert len(incidents_of(store, "staging")) == incidents
    [(known, _)] = records.listed(store, rules, everything=True)
    [event] = records.events_of(store, known)
    assert isinstance(event.payload, Fired | CameLate)
    assert step in next(each.why for each in event.payload.trace if each.stage == "age")


def test_old_news_that_comes_with_its_own_end_pages_nobody(store: Store) -> None:
    fired = store.now() - OLD
    both = [delivery(1, alarm(fired)), delivery(2, alarm(fired + timedelta(minutes=3), "OK"))]
    intaking(store).deliveries(both)
    assert not incidents_of(store, "staging")
    intaking(store).deliveries([delivery(3, alarm(store.now()))])
    assert len(incidents_of(store, "staging")) == 1, "what fires now is told"


@pytest.mark.parametrize("way", ["an event", "asked"])
@pytest.mark.parametrize("muted", [{"rule": "sunday"}, {"acts": False}])
def test_a_muted_alarm_is_held_and_paged_when_it_is_unmuted_while_it_fires(
    store: Store, way: str, muted: dict[str, Any]
) -> None:
    environment, rules = STACK.environments["staging"], rules_of(STACK, STACK.environments["staging"])
    gateway: Any = Alarming(store.now() - YOUNG, **muted)
    woken: list[bool] = []
    reconciler = Reconciler(environment, store, rules, lambda: woken.append(True), lambda _: None, gateway)
    if way == "an event":
        reader = AlarmReader(gateway, rules, store.now, lambda _: None)
        told = alarm_event(gateway.since, muteDetail={"mutedByArn": "arn:mute-rule:sunday"} if "rule" in muted else {})
        intaking(store, complete=reader.complete).deliveries([delivery(1, told)])
    reconciler.once()
    reconciler.once()
    [(held, knows)] = records.listed(store, rules)
    assert (held.hold and held.hold.by, knows, incidents_of(store, "staging")) == ("mute", None, ())
    gateway.rule, gateway.acts = "", True
    reconciler.once()
    [(told_now, number)] = records.listed(store, rules)
    assert (told_now.hold, number, bool(woken)) == (None, 1, True)


@pytest.mark.parametrize("by_topic", [False, True])
def test_the_action_after_a_mute_pages_at_once_whichever_way_the_muted_event_came(store: Store, by_topic: bool) -> None:
    since = store.now() - YOUNG
    muted = alarm_event(since, muteDetail={"mutedByArn": "arn:mute-rule:sunday"})
    event = {"Type": "Notification", "TopicArn": "arn:events", "Message": json.dumps(muted)} if by_topic else muted
    action = {"Type": "Notification", "TopicArn": "arn:topic", "Message": json.dumps(alarm(since))}
    intaking(store).deliveries([delivery(1, event)])
    [(held, knows)] = records.listed(store, rules_of(STACK, STACK.environments["staging"]))
    assert (held.hold and held.hold.by, knows) == ("mute", None)
    intaking(store).deliveries([delivery(2, action), delivery(3, event)])
    intaking(store).deliveries([delivery(4, action)])
    assert len(incidents_of(store, "staging")) == 1


class WayOfAlarms:
    """SNS, SQS and a responder in a row: what is published is read at once, unless it stops somewhere."""

    def __init__(self, store: Store, stops: str = "") -> None:
        self.store, self.stops, self.environment = store, stops, STACK.environments["staging"]
        self.reports: list[str] = []

    def client(self, _: str) -> WayOfAlarms:
        return self

    def get_paginator(self, name: str) -> Any:
        topics = [{"TopicArn": "arn:aws:sns:ap-southeast-2:1:ohmycoins-staging-sev-3"}]
        subscriptions = [{"Protocol": "sqs"}, {"Protocol": "email"}]
        answer = {"list_topics": {"Topics": topics}, "list_subscriptions_by_topic": {"Subscriptions": subscriptions}}
        return SimpleNamespace(paginate=lambda **_: [answer[name]])

    def publish(self, TopicArn: str, Message: str, **_: Any) -> None:  # noqa: N803 - boto3's own
        if self.stops == "publish":
            raise AccessDenied("no sns:Publish", "AuthorizationError")
        if not self.stops:
            self.deliver({"Type": "Notification", "TopicArn": TopicArn, "Message": Message})

    def deliver(self, body: object) -> None:
        for _ in range(2):  # SQS may deliver twice
            intaking(self.store, report=self.reports.append).deliveries([delivery(1, body)])

    def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803
        return {"QueueUrl": QueueName}

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        visible = "3" if self.stops == "responder" and not QueueUrl.endswith("dead-letter") else "0"
        return {"Attributes": {"ApproximateNumberOfMessages": visible, "ApproximateNumberOfMessagesNotVisible": "0"}}


def ran(path: WayOfAlarms, whom: str = "jo") -> Document:
    methods = (ContactMethod(Channel.NTFY, "jo"),) if whom else ()
    gateway: Any = path
    planned = find_path(gateway, 3, whom, methods)
    assert "1 by email get what is published there directly" in terminal.render(plan_document(planned, "staging"))
    stopping = threading.Event()
    answers: Any = {Channel.NTFY: lambda _delivery, _context: Sent("n-1")}
    context: Any = ChannelContext(STACK, path.store.now)
    sender = Sender(path.store, ("staging",), answers, context, this_process(), stopping=stopping)
    sending = threading.Thread(target=sender.run_forever)
    sending.start()
    try:
        return trial_document(run_trial(gateway, path.store, planned, "ann", within=0.2), "Australia/Sydney")
    finally:
        stopping.set()
        sender.wake()
        sending.join()


def test_a_test_of_the_alarm_path_is_handed_over_once_and_is_no_incident(store: Store) -> None:
    path = WayOfAlarms(store)
    document = ran(path)
    shown = terminal.render(document, width=200)
    for hop in ("SNS: publish", "SQS: in the queue", "responder: read and committed", "outbox", "ntfy:jo"):
        assert hop in shown
    assert (exit_code(document), document.data["page_state"]) == (0, "sent")
    assert [each.split()[-1] for each in path.reports] == ["jo.", "effect."], "the second delivery has no effect"
    assert not incidents_of(store, "staging")
    recorded = ran(path, whom="")
    assert exit_code(recorded) == 0
    assert "recorded, as no recipient was named" in terminal.render(recorded, width=200)


def test_a_test_that_nobody_asked_for_pages_nobody(store: Store) -> None:
    path = WayOfAlarms(store)
    path.deliver(body_of("staging", "0123456789abcdef"))
    assert "isn't in this record" in path.reports[0]
    path.deliver(body_of("production", "0123456789abcdef"))
    with store.reading() as session:
        assert session.query(OutboxRow).count() == 0
        assert len(unreadable_messages(session, "staging")) == 1


@pytest.mark.parametrize(
    ("stops", "hop", "then"),
    [
        ("publish", "SNS didn't take it: no sns:Publish", "needs sns:Publish"),
        ("queue", "It is neither in the queue nor in this record.", "the topic's subscription, the queue's policy"),
        ("responder", "the queue has 3 messages that nobody has taken", "Start omc serve"),
    ],
)
def test_where_a_test_stops_is_named_with_what_to_do(store: Store, stops: str, hop: str, then: str) -> None:
    document = ran(WayOfAlarms(store, stops))
    assert exit_code(document) == 1
    assert hop in document.data["sentence"]
    assert then in document.data["next"]


def actions(store: Store, health: tuple[str, ...] = ()) -> SlackActions:
    context = OnCallContext(Duty(STACK, store).policy(), Duty(STACK, store).resolve, lambda: health)
    return SlackActions(STACK, ("staging", "production"), store, lambda _: context, lambda: None)


def press(action: str, user: str = "U0JO", incident: int = 1, minutes: int | None = None) -> Button:
    return Button("i1", "T1", user, action, "staging", incident, minutes, "C1", "1.2")


def typed(text: str, user: str = "U0JO") -> Command:
    return Command("i2", "T1", user, text, "C1")


def test_buttons_do_what_they_say_for_whoever_is_among_the_people(store: Store) -> None:
    open_incident(store, "staging", 2, "Prices are late", "zoe")
    slack = actions(store)
    assert "omc doesn't know who you are" in (slack.handle(press("acknowledge", user="U0MALLORY")) or "")
    assert len(incident_of(store, "staging", 1).events) == 1
    assert slack.handle(press("acknowledge")) == "Incident 1 of staging is yours."
    acknowledged = incident_of(store, "staging", 1).events[-1]
    assert isinstance(acknowledged.payload, Acknowledged)
    assert (acknowledged.by, acknowledged.payload.person) == ("Jo Smith", "jo")
    assert slack.handle(press("snooze", minutes=10)) == "Incident 1 of staging is snoozed for 10 min."
    assert isinstance(incident_of(store, "staging", 1).events[-1].payload, Snoozed)
    assert slack.handle(press("resolve")) == "Incident 1 of staging is resolved."
    assert "has no incident 9" in (slack.handle(press("acknowledge", incident=9)) or "")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", "staging 1: SEV-2, Prices are late"),
        ("ack staging 1", "Incident 1 of staging is yours."),
        ("note staging 1 scaled to 6", "Noted in incident 1 of staging."),
        ("mitigate staging 1 scaled", "Incident 1 of staging is mitigated."),
        ("snooze staging 1 15", "Incident 1 of staging is snoozed for 15 min."),
        ("snooze staging 1 soon", "soon is no number of minutes."),
        ("ack 1", "Say which environment: staging, production."),
        ("ack elsewhere 1", "Say which environment: staging, production."),
        ("drop table", "/omc: the incidents that are open."),
        ("note staging 1", "/omc: the incidents that are open."),
    ],
)
def test_what_is_typed_behind_omc_is_done_or_explained(store: Store, text: str, answer: str) -> None:
    open_incident(store, "staging", 2, "Prices are late", "zoe")
    assert (actions(store).handle(typed(text)) or "").startswith(answer)


def test_slack_ends_no_incident_that_is_not_over(store: Store) -> None:
    intaking(store).deliveries([delivery(1, alarm(store.now()))])
    answer = actions(store, ("targets: none is healthy",)).handle(typed("resolve staging 1 done")) or ""
    assert "isn't over" in answer
    assert incident_of(store, "staging", 1).is_open


def test_the_auditor_sees_what_nobody_took(store: Store) -> None:
    assert pulse.audit(store, ["staging"]).is_clean
    with store.transaction("zoe") as transaction:
        set_deadline(transaction, "escalation", "staging", "1", transaction.at - timedelta(minutes=5))
        set_deadline(transaction, "escalation", "production", "1", transaction.at - timedelta(minutes=5))
        set_deadline(transaction, "escalation", "staging", "2", transaction.at - timedelta(minutes=1))
    found = pulse.audit(store, ["staging"])
    assert (found.deadlines, found.pages, found.is_clean) == (1, 0, False)
    assert found.sentence == "1 deadlines and 0 pages are more than 2 min late."
