"""What comes into the responder, in the shapes that its senders publish, and what is read from it."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omc.model.planned import Planned
from omc.responder.intake import alertmanager
from omc.responder.intake.cloudwatch import state_of
from omc.responder.intake.ecs import failure
from omc.responder.intake.envelope import Letter, read, unwrap
from omc.responder.intake.reading import MAX_SKEW, Context
from omc.responder.model import Ignored, Notification, Trial, Unreadable
from support import payloads as sent_by
from support.payload_cases import CASES, Case, public_cases, told

NOW = datetime(2026, 11, 3, 2, 20, tzinfo=UTC)
CONTEXT = Context("staging", NOW)


def only(message: object, context: Context = CONTEXT) -> Any:
    [found] = read(message if isinstance(message, str) else json.dumps(message), context)
    return found


@pytest.mark.parametrize("case", [*CASES, *public_cases()], ids=lambda case: case.name)
def test_a_published_shape_is_read_as_what_it_is(case: Case) -> None:
    found = read(case.body, CONTEXT)
    assert told(found) == case.expected
    for one in found:
        assert isinstance(one, Notification | Planned | Trial) or one.reason
        if isinstance(one, Notification):
            assert one.at.tzinfo is UTC
            assert one.environment == "staging"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_shape_is_the_same_raw_in_an_envelope_and_again(case: Case) -> None:
    if '"Type"' in case.body:  # is in one already
        return
    again = [read(json.dumps(sent_by.enveloped(case.body, MessageId=one)), CONTEXT) for one in ("a", "b")]
    assert again[0] == again[1]
    assert told(again[0]) == case.expected
    raw = read(case.body, replace(CONTEXT, sent=datetime(2026, 11, 3, 2, 4, 11, 207000, UTC)))
    assert [getattr(one, "id", "") for one in raw] == [getattr(one, "id", "") for one in again[0]]


# CloudWatch


def test_the_two_ways_of_one_change_are_one_notification() -> None:
    by_topic = only(sent_by.enveloped(json.dumps(sent_by.alarm())))
    by_event = only(sent_by.alarm_event())
    assert (by_topic.id, by_topic.alert_key, by_topic.at) == (by_event.id, by_event.alert_key, by_event.at)
    assert by_topic.at == datetime(2026, 11, 3, 2, 4, 10, 912000, UTC)


def test_each_change_of_an_alarm_is_another_notification_of_the_same_alert() -> None:
    fires = only(sent_by.alarm())
    ends = only(
        sent_by.alarm(NewStateValue="OK", OldStateValue="ALARM", StateChangeTime="2026-11-03T02:10:00.001+0000")
    )
    fires_again = only(sent_by.alarm(StateChangeTime="2026-11-03T02:12:00.001+0000"))
    assert len({fires.alert_key, ends.alert_key, fires_again.alert_key}) == 1
    assert len({fires.id, ends.id, fires_again.id}) == 3
    elsewhere = only(sent_by.alarm(), replace(CONTEXT, environment="production"))
    assert elsewhere.alert_key != fires.alert_key


def test_an_alarm_brings_what_a_later_stage_looks_for_and_no_severity_of_its_own() -> None:
    found = only(sent_by.enveloped(json.dumps(sent_by.alarm())))
    assert (found.severity, found.service) == (None, None)
    assert found.labels["alarm_arn"] == sent_by.ALARM + "backend-no-healthy"
    assert found.labels["topic"] == sent_by.TOPIC
    assert found.labels["region"] == "ap-southeast-2"  # the message has "Asia Pacific (Sydney)"
    assert found.labels["dimension.TargetGroup"] == "targetgroup/backend/6d0ecf831eec9f09"
    assert (found.labels["previous_state"], found.labels["missing_data"]) == ("OK", "breaching")
    computed = only(sent_by.computed_alarm())
    assert (computed.labels["kind"], computed.labels["missing_data"]) == ("metric-math", "notBreaching")
    assert computed.labels["expression"] == "100*(t5+e5)/total"
    assert computed.labels["dimension.LoadBalancer"] == "app/ohmycoins-staging/50dc6c495c0c9188"
    assert only(sent_by.composite_alarm()).labels["kind"] == "composite"


def test_tags_that_came_along_are_labels_in_either_form() -> None:
    for tags in (
        {"Severity": "SEV-1"},
        [{"Key": "Severity", "Value": "SEV-1"}],
        [{"key": "Severity", "value": "SEV-1"}],
    ):
        found = only(sent_by.alarm(AlarmTags=tags, AlarmTagsStatus="SUCCESS"))
        assert (found.labels["tag.Severity"], found.labels["tags_status"]) == ("SEV-1", "SUCCESS")
        assert found.severity is None


def test_what_holds_an_alarm_back_at_cloudwatch_is_a_label() -> None:
    muted = only(sent_by.alarm_event(muteDetail={"mutedByArn": "arn:rule"}))
    held = {"value": "ALARM", "timestamp": "2026-11-03T02:04:10.912+0000", "actionsSuppressedBy": "WaitPeriod"}
    assert muted.labels["muted_by"] == "arn:rule"
    assert only(sent_by.alarm_event(state=held)).labels["suppressed_by"] == "WaitPeriod"


def test_series_of_one_alarm_are_alerts_of_their_own() -> None:
    found = [only(sent_by.alarm(AlarmContributorId=one)) for one in ("a", "b")]
    assert found[0].alert_key != found[1].alert_key != only(sent_by.alarm()).alert_key
    assert found[0].labels["contributor"] == "a"


@pytest.mark.parametrize(
    ("missing_data", "tells_silence", "expected"),
    [
        ("missing", False, "Ignored"),
        ("ignore", False, "Ignored"),
        ("", False, "Ignored"),
        ("missing", True, "firing"),
        ("breaching", False, "firing"),
        ("notBreaching", False, "ended"),
        ("notBreaching", True, "firing"),
    ],
)
def test_too_little_data_means_what_the_alarm_says(missing_data: str, tells_silence: bool, expected: str) -> None:
    found = state_of("INSUFFICIENT_DATA", "ALARM", missing_data, tells_silence=tells_silence)
    assert (found if isinstance(found, str) else type(found).__name__) == expected


def test_an_alarm_without_a_time_has_the_one_at_which_sns_published_it() -> None:
    found = only(sent_by.enveloped(json.dumps(sent_by.alarm(StateChangeTime=None))))
    assert found.at == datetime(2026, 11, 3, 2, 4, 11, 207000, UTC)


def test_a_time_of_the_far_future_does_not_make_later_changes_look_old() -> None:
    assert only(sent_by.alarm(StateChangeTime="2999-01-01T00:00:00.000+0000")).at == NOW
    ahead = (NOW + MAX_SKEW).isoformat()
    assert only(sent_by.alarm(StateChangeTime=ahead)).at == NOW + MAX_SKEW


# ECS


def test_the_events_of_one_stop_are_one_notification_and_stops_of_a_service_one_alert() -> None:
    code, reason = "EssentialContainerExited", "Essential container in task exited"
    stages = [
        only(sent_by.stopped_task(code, reason, sent_by.container(1), lastStatus=last, version=at))
        for at, last in enumerate(("DEPROVISIONING", "STOPPED"))
    ]
    assert stages[0].id == stages[1].id
    another = only(sent_by.stopped_task(code, reason, sent_by.container(1), taskArn=sent_by.TASK + "0"))
    assert another.id != stages[0].id
    assert another.alert_key == stages[0].alert_key
    assert stages[0].service == "backend"
    assert stages[0].at == datetime(2026, 11, 3, 2, 4, 8, 795000, UTC)
    early = sent_by.stopped_task(code, reason, sent_by.container(None), lastStatus="STOPPING")
    assert told(read(json.dumps(early), CONTEXT)) == ("ignored",)


def test_an_environment_variable_of_a_task_is_kept_nowhere() -> None:
    found = only(sent_by.stopped_task("EssentialContainerExited", "exited", sent_by.container(1)))
    assert "hidden" not in repr(found)


def test_an_old_arn_without_the_cluster_names_the_service_too() -> None:
    old = f"arn:aws:ecs:{sent_by.REGION}:{sent_by.ACCOUNT}:service/backend"
    found = only(sent_by.deployment("SERVICE_DEPLOYMENT_FAILED", "ERROR", "…", old))
    assert found.service == "backend"


EXITED, FAILED, SCHEDULER = "EssentialContainerExited", "TaskFailedToStart", "ServiceSchedulerInitiated"
RESOURCES = "ResourceInitializationError"


@pytest.mark.parametrize(
    ("code", "reason", "containers", "expected"),
    [
        (EXITED, "", [(1, "")], "exit code 1"),
        (EXITED, "", [(0, "")], None),
        (EXITED, "", [(0, ""), (137, "")], None),  # the sidecar was stopped when the application was done
        (EXITED, "", [(0, ""), (143, "")], None),
        (EXITED, "", [(0, ""), (1, "")], "exit code 1"),
        (EXITED, "", [(137, "")], "exit code 137"),
        (EXITED, "", [(0, ""), (137, "OutOfMemoryError: Container killed")], "app1 ran out of memory"),
        (EXITED, "", [(None, "CannotStartContainerError: no such file")], "CannotStartContainerError"),
        (EXITED, "", [(None, "")], "its essential container ended without an exit code"),
        (EXITED, "", [], "its essential container ended without an exit code"),
        ("", "Essential container in task exited", [(0, ""), (None, "CannotPullContainerError")], None),
        (FAILED, "", [], "it couldn't start"),
        (FAILED, "CannotPullContainerError: ref pull", [], "CannotPullContainerError"),
        (FAILED, "Task failed to start", [(None, f"{RESOURCES}: x")], RESOURCES),
        (SCHEDULER, "Task failed ELB health checks in (target-group)", [(0, "")], "health checks failed"),
        (SCHEDULER, "Task failed container health checks", [(137, "")], "health checks failed"),
        (SCHEDULER, "Scaling activity initiated by (deployment x)", [(137, "")], None),
        (SCHEDULER, "ECS is performing maintenance on the underlying host", [(143, "")], None),
        ("UserInitiated", "Task stopped by user", [(1, "")], None),
        ("SpotInterruption", "Your Spot Task was interrupted.", [(137, "")], None),
        ("TerminationNotice", "Your Spot Task was interrupted.", [], None),
        ("", "", [], None),
    ],
)  # fmt: skip
def test_only_a_stop_that_nobody_wanted_is_a_failure(
    code: str, reason: str, containers: list[tuple[int | None, str]], expected: str | None
) -> None:
    ended = [sent_by.container(exit_code, f"app{at}", reason=why) for at, (exit_code, why) in enumerate(containers)]
    found = failure({"stopCode": code, "stoppedReason": reason, "containers": ended})
    assert (None if isinstance(found, Ignored) else found) == expected


# AWS Health


def test_planned_work_keeps_its_id_and_the_backup_region_tells_it_again() -> None:
    first = sent_by.health("AWS_ECS_X", "scheduledChange", sent_by.entity("ohmycoins-staging|backend"))
    backup = {**first, "id": "another", "region": "us-west-2"}
    moved = sent_by.health(
        "AWS_ECS_X",
        "scheduledChange",
        sent_by.entity("ohmycoins-staging|backend"),
        communicationId="2",
        startTime="Wed, 11 Nov 2026 02:00:00 GMT",
        lastUpdatedTime="Tue, 03 Nov 2026 02:15:00 GMT",
    )
    told_first, told_again, told_later = only(first), only(backup), only(moved)
    assert told_first == told_again
    assert told_later.id == told_first.id
    assert told_later.at > told_first.at
    assert (told_first.start, told_first.end) == (
        datetime(2026, 11, 10, 2, tzinfo=UTC),
        datetime(2026, 11, 12, 2, tzinfo=UTC),
    )
    assert told_first.description == "Your tasks will be replaced.\nNothing to do."


def test_pages_of_an_issue_are_notifications_of_one_alert() -> None:
    pages = [only(sent_by.health("AWS_X", "issue", statusCode="open", page=page)) for page in ("1", "2")]
    assert pages[0].alert_key == pages[1].alert_key
    assert pages[0].id != pages[1].id
    backup = {**sent_by.health("AWS_X", "issue", statusCode="open", page="1"), "region": "us-west-2"}
    assert only(backup).id == pages[0].id
    other_account = only(sent_by.health("AWS_X", "issue", statusCode="open", affectedAccount="999988887777"))
    assert other_account.alert_key != pages[0].alert_key


def test_planned_work_on_nothing_named_is_on_the_service() -> None:
    assert only(sent_by.health("AWS_ECS_X", "scheduledChange")).subject == "ECS"


# RDS and ElastiCache


def test_what_begins_and_what_ends_are_of_one_alert() -> None:
    begins = only(sent_by.database_event("0013", "Multi-AZ instance failover started.", "failover"))
    ends = only(sent_by.database_event("0049", "Multi-AZ instance failover completed.", "failover"))
    by_topic = only(sent_by.database_message("0049", "Multi-AZ instance failover completed."))
    assert begins.alert_key == ends.alert_key == by_topic.alert_key
    assert ends.id == by_topic.id
    assert "has_end" not in begins.labels
    assert only(sent_by.database_event("0007", "…", "low storage")).labels["has_end"] == "no"


def test_a_window_that_was_moved_is_the_new_one() -> None:
    moved = (
        "The replacement in maintenance window for node with Cache Cluster ID: redis-001, Node ID: 0001 has "
        "re-scheduled from Previous Start Time: 2026-11-01T16:00:00Z, Previous End Time: 2026-11-01T18:00:00Z "
        "to New Start Time: 2026-11-09T16:00:00Z, New End Time: 2026-11-09T18:00:00Z"
    )
    found = only({"ElastiCache:NodeReplacementRescheduled": moved})
    assert (found.subject, found.start, found.end) == (
        "redis-001",
        datetime(2026, 11, 9, 16, tzinfo=UTC),
        datetime(2026, 11, 9, 18, tzinfo=UTC),
    )
    scheduled = only({"ElastiCache:NodeReplacementScheduled": "redis-001"})
    canceled = only({"ElastiCache:NodeReplacementCanceled": "redis-001"})
    assert scheduled.id == canceled.id == found.id
    assert canceled.is_over


# Alertmanager and Grafana


def test_an_alert_has_its_severity_and_service_from_its_labels() -> None:
    found = only(sent_by.group(sent_by.prometheus_alert()))
    assert (found.severity, found.service, found.title) == (1, "backend", "Backend answers slowly")
    assert found.at == datetime(2026, 11, 3, 2, 3, 4, 567890, UTC)
    assert found.link == "http://prometheus.example/graph?g0.expr=up"
    for word, expected in (("sev-2", 2), ("Warning", 3), ("info", 3), ("whatever", None), ("", None)):
        labels = {"alertname": "A", "severity": word}
        assert only(sent_by.group(sent_by.prometheus_alert(labels=labels))).severity == expected


def test_a_repeat_is_the_same_and_a_later_start_is_another_firing() -> None:
    first = only(sent_by.group(sent_by.prometheus_alert()))
    repeat = only(sent_by.group(sent_by.prometheus_alert(), notification_reason="repeat interval elapsed"))
    later = only(sent_by.group(sent_by.prometheus_alert(startsAt="2026-11-03T02:09:00Z")))
    ended = only(sent_by.group(sent_by.prometheus_alert("resolved", endsAt="2026-11-03T02:08:00Z")))
    assert first.id == repeat.id
    assert len({first.id, later.id, ended.id}) == 3
    assert first.alert_key == later.alert_key == ended.alert_key


def test_without_a_fingerprint_the_labels_in_any_order_are_the_alert() -> None:
    labels = {"alertname": "A", "instance": "1"}
    turned = dict(reversed(labels.items()))
    found = [
        only(sent_by.group(sent_by.prometheus_alert(labels=one, fingerprint="")))
        for one in (labels, turned, {"alertname": "A"})
    ]
    assert found[0].alert_key == found[1].alert_key != found[2].alert_key


def test_alerts_of_two_organisations_of_grafana_are_two() -> None:
    found = [only(sent_by.grafana_group(sent_by.prometheus_alert(orgId=one))) for one in (1, 2)]
    assert found[0].alert_key != found[1].alert_key
    assert found[0].source == "grafana"


def test_a_webhook_of_another_version_is_said_to_be_one() -> None:
    [found] = alertmanager.parse(json.dumps(sent_by.group(sent_by.prometheus_alert(), version="5")).encode(), CONTEXT)
    assert isinstance(found, Unreadable)
    assert "version 5" in found.reason


# Envelopes


def test_the_envelope_is_told_by_its_content() -> None:
    carriers = [
        unwrap(json.dumps(one), CONTEXT)
        for one in (sent_by.enveloped("{}"), sent_by.enveloped("text"), sent_by.alarm(), sent_by.alarm_event())
    ]
    assert [one.carrier for one in carriers if isinstance(one, Letter)] == ["sns", "sns", "raw", "eventbridge"]


def test_sns_cannot_have_published_after_it_delivered() -> None:
    letter = unwrap(json.dumps(sent_by.enveloped("{}", Timestamp="2026-12-03T00:00:00.000Z")), CONTEXT)
    assert isinstance(letter, Letter)
    assert letter.context.sent == NOW


def test_an_envelope_in_an_envelope_is_not_opened_twice() -> None:
    inner = json.dumps(sent_by.enveloped(json.dumps(sent_by.alarm())))
    assert told(read(json.dumps(sent_by.enveloped(inner)), CONTEXT)) == ("unreadable",)


def test_texts_are_cut_to_their_bounds() -> None:
    long = "x" * 100_000
    found = only(sent_by.alarm(long, AlarmDescription=long, NewStateReason=long, AlarmArn=long))
    for field in fields(found):
        assert len(str(getattr(found, field.name))) < 20_000
    assert len(found.name) == 255
    assert found.at <= NOW + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("announced", "done"),
    [("0230", "0027"), ("0230", "0047"), ("0155", "0268")],
)
def test_what_rds_has_announced_is_over_once_it_is_done(announced: str, done: str) -> None:
    """By an event that doesn't name it: else it would be announced for ever."""

    def planned(number: str) -> list[Planned]:
        found = read(json.dumps(sent_by.database_event(number, "…", "maintenance")), CONTEXT)
        return [each for each in found if isinstance(each, Planned)]

    [before] = planned(announced)
    assert not before.is_over
    assert before.id in {each.id for each in planned(done) if each.is_over}
