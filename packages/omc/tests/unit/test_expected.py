# ruff: noqa: E501 - a table has a row on a line
"""What should be there against what is there: each kind of thing gone, each of its values changed, or all as it should be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omc.checks.expected import _plural, expected
from omc.checks.finding import Finding, Level
from omc.config import load
from omc.facts.alarms import Alarms
from omc.facts.deviations import Count, Deviations, counts_below, deviations
from omc.facts.expected import Expected, Thing
from omc.facts.expected_kinds import KINDS
from omc.facts.found import Found, NotListed
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services
from omc.facts.temporary import AlarmsOff, ScaledForAWhile, ScaledForGood, Temporary
from omc.facts.trail import Author
from support import expected_facts as example

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
NOW = datetime(2026, 11, 23, 22, 15, tzinfo=UTC)
STATE = Expected((), written=datetime(2026, 11, 23, 22, 2, tzinfo=UTC), place="s3://bucket/key")
OK, WARN, FAIL, UNKNOWN = Level.OK, Level.WARN, Level.FAIL, Level.UNKNOWN
SOURCE = "(Terraform's state of 09:02)"
EVERYTHING = tuple(example.healthy().values())


def judged(
    things: Sequence[Thing] = EVERYTHING,
    *,
    wanted: Sequence[Thing] = EVERYTHING,
    not_listed: tuple[NotListed, ...] = (),
    state: Expected = STATE,
    alarms: Alarms = Alarms(()),  # noqa: B008 - frozen
    scope: Scope = Scope(NOW),  # noqa: B008 - frozen
    in_pairs: frozenset[str] = frozenset(),
    environment: Any = STAGING,
    **more: Any,
) -> list[Finding]:
    found = Found(tuple(wanted), tuple(things), not_listed)
    response = Deviations(deviations(found, in_pairs), **more)
    findings = list(expected(response, found, state, alarms, environment, scope))
    assert all(finding.evidence and finding.place for finding in findings), "what is said can be proved and has a place"
    assert all(finding.level is OK or finding.procedure for finding in findings), "what isn't ok has an answer"
    return findings


def only(findings: Sequence[Finding]) -> Finding:
    assert len(findings) == 1, [finding.sentence for finding in findings]
    return findings[0]


def test_all_is_there() -> None:
    finding = only(judged())
    assert finding.level is OK
    assert finding.sentence == (
        f"All {len(EVERYTHING)} things that Terraform's state of 09:02 names are there, as they should be."
    )


def test_there_is_a_healthy_thing_of_every_kind() -> None:
    assert list(example.HEALTHY) == [kind.type for kind in KINDS]


GONE = {
    "aws_lb": (FAIL, "load-balancer", "The load balancer ohmycoins-staging is gone"),
    "aws_lb_target_group": (FAIL, "targets/ohmycoins-staging-backend", "gets no request"),
    "aws_lb_listener": (FAIL, "load-balancer", "The listener on port 443 of ohmycoins-staging is gone, and with it"),
    "aws_lb_listener_rule": (FAIL, "load-balancer", "The listener's rule for path-pattern /api/* of ohmycoins-staging"),
    "aws_ecs_cluster": (FAIL, "services", "The ECS cluster ohmycoins-staging is gone"),
    "aws_ecs_service": (FAIL, "services/backend", "The service backend is gone"),
    "aws_appautoscaling_target": (WARN, "services/backend", "The autoscaling of backend is gone"),
    "aws_appautoscaling_policy": (WARN, "services/backend", "The scaling policy ohmycoins-staging-backend-cpu is gone"),
    "aws_cloudwatch_metric_alarm": (FAIL, "alarms/ohmycoins-staging-rds-connections-high", "it wakes nobody"),
    "aws_cloudwatch_composite_alarm": (FAIL, "alarms/ohmycoins-staging-backend-at-max", "it wakes nobody"),
    "aws_sns_topic": (FAIL, "infrastructure/ohmycoins-staging-sev-1", "The topic ohmycoins-staging-sev-1 is gone"),
    "aws_sns_topic_subscription": (
        FAIL,
        "infrastructure/ohmycoins-staging-sev-1",
        "The subscription of sqs ohmycoins-staging-alerts to ohmycoins-staging-sev-1 is gone",
    ),
    "aws_sqs_queue": (FAIL, "infrastructure/ohmycoins-staging-alerts", "The queue ohmycoins-staging-alerts is gone"),
    "aws_sns_topic_policy": (
        FAIL,
        "infrastructure/ohmycoins-staging-sev-1",
        "The topic's policy ohmycoins-staging-sev-1 is gone: nobody may send to it",
    ),
    "aws_sqs_queue_policy": (
        FAIL,
        "infrastructure/ohmycoins-staging-alerts",
        "The queue's policy ohmycoins-staging-alerts is gone: nobody may send to it",
    ),
    "aws_cloudwatch_event_rule": (FAIL, "infrastructure/ohmycoins-staging-deployment-failed", "reach nobody"),
    "aws_cloudwatch_event_target": (FAIL, "infrastructure/ohmycoins-staging-deployment-failed", "don't get there"),
    "aws_cloudwatch_log_group": (FAIL, "logs//ecs/ohmycoins-staging/backend", "/ecs/ohmycoins-staging/backend is gone"),
    "aws_db_instance": (FAIL, "database", "The database ohmycoins-staging is gone"),
    "aws_elasticache_replication_group": (FAIL, "cache", "The cache ohmycoins-staging-redis is gone"),
    "aws_cloudtrail": (WARN, "infrastructure/ohmycoins-staging", "The trail ohmycoins-staging is gone"),
    "aws_flow_log": (WARN, "infrastructure/fl-1", "The flow log of ohmycoins-staging is gone"),
    "aws_vpc_security_group_ingress_rule": (
        FAIL,
        "infrastructure/ohmycoins-staging-database",
        "ohmycoins-staging-database (tcp port 5432 from ohmycoins-staging-backend) is gone: that way is closed",
    ),
    "aws_vpc_security_group_egress_rule": (
        FAIL,
        "infrastructure/ohmycoins-staging-backend",
        "ohmycoins-staging-backend (all ports to 0.0.0.0/0) is gone",
    ),
    "aws_nat_gateway": (FAIL, "infrastructure/nat-1", "The NAT gateway nat-1 is gone"),
    "aws_route": (FAIL, "infrastructure/rtb-1", "The route to 0.0.0.0/0 in ohmycoins-staging-app-a is gone"),
    "aws_secretsmanager_secret": (FAIL, "secrets/ohmycoins-staging/secret-key", "can't start"),
    "aws_kms_key": (FAIL, "infrastructure/k-1", "The key ohmycoins-staging: logs is gone"),
    "aws_iam_role": (FAIL, "infrastructure/ohmycoins-staging-backend-task", "what assumes it can't start"),
    "aws_s3_bucket": (WARN, "infrastructure/ohmycoins-staging-audit", "The bucket ohmycoins-staging-audit is gone"),
}


@pytest.mark.parametrize("kind", [kind.type for kind in KINDS])
def test_what_is_gone_is_a_finding(kind: str) -> None:
    """With the things that go with it, which are no findings of their own."""
    level, place, words = GONE[kind]
    things = [thing for thing in example.found_instead(kind, None) if not goes_with(thing, kind)]
    finding = only(judged(things))
    assert (finding.level, finding.place) == (level, place)
    assert words in finding.sentence
    assert SOURCE in finding.sentence
    assert finding.procedure
    assert finding.procedure.command == "omc infra plan --env staging"


def goes_with(thing: Thing, kind: str) -> bool:
    above = thing.kind.parent(thing.values)
    while above:
        if above[0] == kind:
            return True
        above = example.healthy()[above[0]].kind.parent(example.HEALTHY[above[0]])
    return False


TOPIC = example.TOPIC
MORE = json.dumps(
    {
        "Statement": [
            *json.loads(example.HEALTHY["aws_sqs_queue_policy"]["policy"])["Statement"],
            {"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Principal": {"AWS": "100000000001"}},
        ]
    }
)
CHANGED: list[tuple[str, Mapping[str, Any], Level, str]] = [
    ("aws_lb", {"security_groups": ["sg-1"]}, FAIL, "security groups without sg-2"),
    ("aws_lb_target_group", {"port": 9000}, FAIL, "port is 9000, not 8000"),
    ("aws_lb_target_group", {"protocol": "HTTPS"}, FAIL, "protocol is HTTPS, not HTTP"),
    ("aws_lb_target_group", {"health_check": example.check(path="/none")}, FAIL, "health check is HTTP /none on"),
    ("aws_lb_target_group", {"health_check": example.check(matcher="404")}, FAIL, "traffic-port, 404, not HTTP"),
    ("aws_lb_target_group", {"health_check": example.check(interval=300)}, WARN, "timing is every 300 s, timeout 5 s"),
    ("aws_lb_listener", {"port": 8443}, FAIL, "port is 8443, not 443"),
    ("aws_lb_listener", {"protocol": "HTTP"}, FAIL, "protocol is HTTP, not HTTPS"),
    ("aws_lb_listener", {"default_action": example.forward("other")}, FAIL, "is to ohmycoins-staging-other, not to ohmycoins-staging-frontend"),
    ("aws_lb_listener", {"default_action": [{"type": "fixed-response", "fixed_response": [{"status_code": "503"}]}]}, FAIL, "a fixed response with status 503"),
    ("aws_lb_listener", {"default_action": [{"type": "redirect", "redirect": [{"protocol": "HTTPS", "host": "x", "port": "443", "path": "/", "status_code": "HTTP_301"}]}]}, FAIL, "redirect to HTTPS://x:443/ (301)"),
    ("aws_lb_listener", {"certificate_arn": "arn:aws:acm:x:1:certificate/c-2"}, FAIL, "certificate is certificate/c-2"),
    ("aws_lb_listener", {"ssl_policy": "ELBSecurityPolicy-2016-08"}, WARN, "TLS policy is ELBSecurityPolicy-2016-08"),
    ("aws_lb_listener_rule", {"action": example.forward("frontend")}, FAIL, "action is to ohmycoins-staging-frontend"),
    ("aws_lb_listener_rule", {"action": [{"type": "authenticate-oidc", "order": 1}, {**example.forward("backend")[0], "order": 2}]}, FAIL, "action is authenticate-oidc, then to ohmycoins-staging-backend, not to ohmycoins-staging-backend"),
    ("aws_lb_listener_rule", {"condition": [{"path_pattern": [{"values": ["/x"]}]}]}, FAIL, "without path-pattern /api/* and with path-pattern /x"),
    ("aws_lb_listener_rule", {"priority": 500}, WARN, "priority is 500, not 10"),
    ("aws_ecs_service", {"alarms": []}, WARN, "deployment alarms are off, not ohmycoins-staging-backend-unhealthy"),
    ("aws_ecs_service", {"alarms": [{"alarm_names": [f"{example.NAME}-backend-unhealthy"], "enable": False}]}, WARN, "deployment alarms are off"),
    ("aws_ecs_service", {"deployment_circuit_breaker": [{"enable": False}]}, WARN, "circuit breaker is off, not on"),
    ("aws_ecs_service", {"load_balancer": []}, FAIL, "target groups without ohmycoins-staging-backend"),
    ("aws_appautoscaling_target", {"min_capacity": 1}, WARN, "minimum is 1, not 2"),
    ("aws_appautoscaling_target", {"max_capacity": 3}, WARN, "maximum is 3, not 10"),
    ("aws_appautoscaling_target", {"max_capacity": 30}, WARN, "maximum is 30, not 10"),
    ("aws_appautoscaling_target", {"suspended_state": example.off(dynamic_scaling_out_suspended=True)}, WARN, "suspended with scaling out"),
    ("aws_appautoscaling_policy", {"target_tracking_scaling_policy_configuration": [{"target_value": 95, "disable_scale_in": True}]}, WARN, "target is 95 of its metric, not 70 of ECSServiceAverageCPUUtilization"),
    ("aws_cloudwatch_metric_alarm", {"threshold": 5000.0}, FAIL, "threshold is 5000, not 64"),
    ("aws_cloudwatch_metric_alarm", {"threshold": 10.0}, WARN, "threshold is 10, not 64"),
    ("aws_cloudwatch_metric_alarm", {"comparison_operator": "LessThanThreshold"}, FAIL, "comparison is LessThanThreshold"),
    ("aws_cloudwatch_metric_alarm", {"evaluation_periods": 60, "datapoints_to_alarm": 60}, FAIL, "datapoints are 60 of 60, not 5 of 5"),
    ("aws_cloudwatch_metric_alarm", {"datapoints_to_alarm": 3}, WARN, "datapoints are 3 of 5, not 5 of 5"),
    ("aws_cloudwatch_metric_alarm", {"treat_missing_data": "notBreaching"}, FAIL, "missing data is notBreaching, not breaching"),
    ("aws_cloudwatch_metric_alarm", {"period": 3600}, FAIL, "period is 3600, not 60"),
    ("aws_cloudwatch_metric_alarm", {"period": 10}, WARN, "period is 10, not 60"),
    ("aws_cloudwatch_metric_alarm", {"dimensions": {"DBInstanceIdentifier": "other"}}, FAIL, "[DBInstanceIdentifier=other]"),
    ("aws_cloudwatch_metric_alarm", {"statistic": "Minimum"}, FAIL, "metric is Minimum of AWS/RDS DatabaseConnections"),
    ("aws_cloudwatch_metric_alarm", {"actions_enabled": False}, FAIL, "actions are off, not on"),
    ("aws_cloudwatch_metric_alarm", {"alarm_actions": []}, FAIL, "receivers without ohmycoins-staging-sev-1"),
    ("aws_cloudwatch_metric_alarm", {"alarm_actions": [TOPIC, "arn:aws:sns:x:1:more"]}, WARN, "receivers with more"),
    ("aws_cloudwatch_metric_alarm", {"ok_actions": []}, WARN, "receivers for OK without ohmycoins-staging-sev-1"),
    ("aws_cloudwatch_composite_alarm", {"alarm_rule": "FALSE"}, FAIL, 'rule is FALSE, not ALARM("a") AND ALARM("b")'),
    ("aws_cloudwatch_composite_alarm", {"actions_enabled": False}, FAIL, "actions are off, not on"),
    ("aws_cloudwatch_composite_alarm", {"actions_suppressor": [{"alarm": "arn:aws:cloudwatch:x:1:alarm:always"}]}, FAIL, "suppressor is always, not none"),
    ("aws_sns_topic_subscription", {"pending_confirmation": True}, FAIL, "state is waits for its receiver's confirmation"),
    ("aws_cloudwatch_event_rule", {"state": "DISABLED"}, FAIL, "state is DISABLED, not ENABLED"),
    ("aws_cloudwatch_event_rule", {"event_pattern": '{"source": ["x"]}'}, FAIL, 'pattern is {"source": ["x"]}'),
    ("aws_cloudwatch_log_group", {"retention_in_days": 1}, WARN, "retention is 1 days, not 365 days"),
    ("aws_cloudwatch_log_group", {"retention_in_days": None}, WARN, "retention is for ever, not 365 days"),
    ("aws_cloudwatch_log_group", {"kms_key_id": ""}, WARN, "key is CloudWatch's own, not k-1"),
    ("aws_db_instance", {"backup_retention_period": 0}, WARN, "days of backups are 0, not 7"),
    ("aws_db_instance", {"deletion_protection": False}, WARN, "deletion protection is off, not on"),
    ("aws_db_instance", {"multi_az": False}, WARN, "Multi-AZ is off, not on"),
    ("aws_db_instance", {"publicly_accessible": True}, WARN, "public access is on, not off"),
    ("aws_db_instance", {"instance_class": "db.t4g.micro"}, WARN, "instance class is db.t4g.micro, not db.t4g.small"),
    ("aws_db_instance", {"vpc_security_group_ids": ["sg-9"]}, FAIL, "security groups without sg-3 and with sg-9"),
    ("aws_db_instance", {"parameter_group_name": "default"}, WARN, "parameter group is default"),
    ("aws_db_instance", {"performance_insights_enabled": False}, WARN, "Performance Insights are off, not on"),
    ("aws_elasticache_replication_group", {"snapshot_retention_limit": 0}, WARN, "days of snapshots are 0, not 1"),
    ("aws_elasticache_replication_group", {"automatic_failover_enabled": False}, WARN, "failover is off, not on"),
    ("aws_elasticache_replication_group", {"num_cache_clusters": 1}, WARN, "members are 1, not 2"),
    ("aws_elasticache_replication_group", {"node_type": "cache.t4g.micro"}, WARN, "node type is cache.t4g.micro"),
    ("aws_elasticache_replication_group", {"security_group_ids": ["sg-9"]}, FAIL, "security groups without sg-4"),
    ("aws_cloudtrail", {"enable_logging": False}, WARN, "logging is off, not on"),
    ("aws_cloudtrail", {"is_multi_region_trail": False}, WARN, "all regions are off, not on"),
    ("aws_cloudtrail", {"s3_bucket_name": "x"}, WARN, "bucket is x, not ohmycoins-staging-audit"),
    ("aws_flow_log", {"traffic_type": "ACCEPT"}, WARN, "traffic is ACCEPT, not ALL"),
    ("aws_vpc_security_group_ingress_rule", {"from_port": 1, "to_port": 2}, FAIL, "is tcp ports 1-2 from ohmycoins-staging-backend"),
    ("aws_route", {"nat_gateway_id": None, "gateway_id": "igw-1"}, FAIL, "target is igw-1, not nat-1"),
    ("aws_kms_key", {"_state": "PendingDeletion"}, FAIL, "state is PendingDeletion, not Enabled"),
    ("aws_sqs_queue_policy", {"policy": "{}"}, FAIL, "policy without Allow sqs:SendMessage by sns.amazonaws.com"),
    ("aws_sqs_queue_policy", {"policy": example.policy("sqs:SendMessage", "sns.amazonaws.com", effect="Deny")}, FAIL, "and with Deny sqs:SendMessage by sns.amazonaws.com"),
    ("aws_sqs_queue_policy", {"policy": example.policy("sqs:SendMessage", "events.amazonaws.com")}, FAIL, "with Allow sqs:SendMessage by events.amazonaws.com"),
    ("aws_sqs_queue_policy", {"policy": MORE}, WARN, "policy with Allow sqs:ReceiveMessage by 100000000001"),
    ("aws_sns_topic_policy", {"policy": "{}"}, FAIL, "policy without Allow sns:Publish by cloudwatch.amazonaws.com"),
    ("aws_iam_role", {"assume_role_policy": example.policy("sts:AssumeRole", "ec2.amazonaws.com")}, FAIL, "trust without Allow sts:AssumeRole by ecs-tasks.amazonaws.com"),
    ("aws_iam_role", {"assume_role_policy": {"Statement": []}}, FAIL, "trust without Allow sts:AssumeRole by ecs-tasks.amazonaws.com"),
    ("aws_iam_role", {"assume_role_policy": {"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*"}}}, FAIL, "and with Deny * by *"),
    ("aws_kms_key", {"_state": "Disabled"}, FAIL, "state is Disabled, not Enabled"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "level", "words"), CHANGED)
def test_what_is_changed_is_a_finding(kind: str, changes: Mapping[str, Any], level: Level, words: str) -> None:
    finding = only(judged(example.found_instead(kind, changes)))
    assert finding.level is level, finding.sentence
    assert words in finding.sentence
    assert " is changed: " in finding.sentence
    assert SOURCE in finding.sentence


def test_every_field_of_every_kind_is_changed_by_the_table() -> None:
    seen: set[tuple[str, str]] = set()
    for kind, changes, _, _ in CHANGED:
        found = Found(EVERYTHING, example.found_instead(kind, changes))
        seen |= {(kind, change.label) for one in deviations(found) for change in one.changes}
    every = {(kind.type, field.label) for kind in KINDS for field in kind.fields}
    left = {
        # the same field as another kind's, tried there
        ("aws_cloudwatch_composite_alarm", "receivers"),
        ("aws_cloudwatch_composite_alarm", "receivers for OK"),
        ("aws_cloudwatch_composite_alarm", "receivers for INSUFFICIENT_DATA"),
        ("aws_cloudwatch_metric_alarm", "receivers for INSUFFICIENT_DATA"),
        ("aws_cloudwatch_event_rule", "schedule"),
        ("aws_vpc_security_group_egress_rule", "what it lets through"),
        ("aws_elasticache_replication_group", "Multi-AZ"),
        ("aws_cloudtrail", "log file validation"),
    }
    assert every - seen <= left


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"metric_query": []}, None, ""),
        ({"threshold": 99.0}, FAIL, "threshold is 99, not 64"),
        (
            {
                "metric_query": [
                    example.query(),
                    example.query(id="result", expression="0", return_data=True, metric=[]),
                ]
            },
            FAIL,
            "returned result = 0",
        ),
    ],
)
def test_an_alarm_on_an_expression(changes: Mapping[str, Any], level: Level | None, words: str) -> None:
    alarm = Thing("aws_cloudwatch_metric_alarm", example.MATH_ALARM)
    there = replace(alarm, values={**alarm.values, **changes})
    if level is None:  # AWS always tells what an alarm watches: an answer without it is no change
        assert only(judged([there], wanted=[alarm])).level is OK
        return
    finding = only(judged([there], wanted=[alarm]))
    assert finding.level is level
    assert words in " ".join([finding.sentence, *(evidence.text for evidence in finding.evidence)])


@pytest.mark.parametrize("operator", ["LessThanThreshold", "LessThanOrEqualToThreshold"])
def test_a_threshold_below_which_it_rings_is_weaker_when_it_is_lower(operator: str) -> None:
    alarm = Thing("aws_cloudwatch_metric_alarm", {**example.METRIC_ALARM, "comparison_operator": operator})
    lower = Thing(alarm.type, {**alarm.values, "threshold": 1.0})
    higher = Thing(alarm.type, {**alarm.values, "threshold": 100.0})
    assert only(judged([lower], wanted=[alarm])).level is FAIL
    assert only(judged([higher], wanted=[alarm])).level is WARN


# What is the same though it is called otherwise


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("aws_lb_listener", {"arn": f"{example.LISTENER}-new"}),
        ("aws_lb_listener_rule", {"arn": f"{example.RULE}-new"}),
        ("aws_sns_topic_subscription", {"arn": f"{TOPIC}:new"}),
        ("aws_vpc_security_group_ingress_rule", {"security_group_rule_id": "sgr-new"}),
        ("aws_vpc_security_group_egress_rule", {"security_group_rule_id": "sgr-new", "from_port": -1, "to_port": -1}),
        ("aws_flow_log", {"id": "fl-new"}),
        ("aws_cloudwatch_event_rule", {"event_pattern": '{"source":["aws.ecs"]}'}),
        ("aws_lb", {"security_groups": ["sg-2", "sg-1"]}),
        ("aws_cloudwatch_metric_alarm", {"threshold": 64.0}),
        ("aws_lb_listener", {"default_action": [{"type": "forward", "forward": [{"target_group": [{"arn": example.group("frontend"), "weight": 1}]}]}]}),
        ("aws_lb_listener_rule", {"priority": "10"}),
        ("aws_vpc_security_group_ingress_rule", {"ip_protocol": "6"}),
        ("aws_vpc_security_group_ingress_rule", {"ip_protocol": "TCP", "security_group_rule_id": "sgr-new"}),
        ("aws_iam_role", {"assume_role_policy": json.loads(example.HEALTHY["aws_iam_role"]["assume_role_policy"])}),
        ("aws_iam_role", {"assume_role_policy": {"Statement": [{"Sid": "", "Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"Service": ["ecs-tasks.amazonaws.com"]}, "Condition": {"StringEquals": {"aws:SourceAccount": [example.ACCOUNT]}}}]}}),
    ],
)  # fmt: skip
def test_what_was_made_by_hand_again_as_it_was_is_there(kind: str, changes: Mapping[str, Any]) -> None:
    assert only(judged(example.found_instead(kind, changes))).level is OK


def test_what_the_state_does_not_have_is_not_expected() -> None:
    more = Thing("aws_cloudwatch_metric_alarm", {**example.METRIC_ALARM, "alarm_name": "another team's"})
    assert only(judged([*EVERYTHING, more])).level is OK
    assert only(judged((), wanted=())).sentence.startswith("All 0 things")


def test_requests_that_a_deployment_moves_between_two_groups_are_its_business() -> None:
    blue, green = f"{example.NAME}-backend", f"{example.NAME}-green"
    moved = example.found_instead("aws_lb_listener_rule", {"action": example.forward("green")})
    assert only(judged(moved)).level is FAIL
    assert only(judged(moved, in_pairs=frozenset({blue, green}))).level is OK


def test_the_weight_zero_is_a_weight() -> None:
    """Users are moved from one group to the other, and nothing else is changed."""

    def weighted(blue: int, green: int) -> list[dict[str, Any]]:
        groups = [{"arn": example.group("blue"), "weight": blue}, {"arn": example.group("green"), "weight": green}]
        return [{"type": "forward", "forward": [{"target_group": groups}]}]

    wanted = example.found_instead("aws_lb_listener_rule", {"action": weighted(1, 0)})
    there = example.found_instead("aws_lb_listener_rule", {"action": weighted(0, 1)})
    finding = only(judged(there, wanted=wanted))
    assert finding.level is FAIL
    assert (
        f"is to {example.NAME}-blue (0), {example.NAME}-green (1), not to {example.NAME}-blue (1)" in finding.sentence
    )


# Many at once


def test_several_of_each_kind_are_reported_in_english() -> None:
    words = {_plural(kind.noun) for kind in KINDS}
    assert {"load balancers", "target groups", "listeners' rules", "log groups", "scaling policies"} <= words
    assert {"topics' policies", "NAT gateways", "autoscaling settings", "rules of the security group"} <= words
    assert {"ECS clusters", "EventBridge rules", "flow logs", "targets of the EventBridge rule", "alarms"} <= words


def test_many_of_one_kind_with_the_same_trouble_are_one_finding() -> None:
    alarms = [
        Thing("aws_cloudwatch_metric_alarm", {**example.METRIC_ALARM, "alarm_name": f"{example.NAME}-{number}"})
        for number in range(24)
    ]
    silent = [replace(alarm, values={**alarm.values, "actions_enabled": False}) for alarm in alarms]
    finding = only(judged(silent, wanted=alarms))
    assert finding.level is FAIL
    assert finding.place == "alarms"
    assert finding.sentence == (
        f"24 alarms are changed: actions are off, not on {SOURCE}: ohmycoins-staging-0, ohmycoins-staging-1, "
        "ohmycoins-staging-2 and 21 more."
    )
    assert len(finding.evidence) == 24
    assert only(judged((), wanted=alarms)).sentence.startswith(f"24 alarms are gone: it wakes nobody {SOURCE}")


def test_things_of_different_kinds_are_findings_of_their_own() -> None:
    things = [one for one in EVERYTHING if one.type not in {"aws_cloudtrail", "aws_sqs_queue", "aws_flow_log"}]
    assert [finding.level for finding in judged(things)] == [FAIL, WARN, WARN]


# Counts


def service(**changes: Any) -> EcsService:
    made = EcsService("backend", "ACTIVE", 2, 2, 0, "ohmycoins-backend:7", (), ())
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "limits", "count"),
    [
        ({}, {}, ()),
        ({"desired": 0}, {}, (Count("backend", 0, 2),)),
        ({"desired": 1}, {}, (Count("backend", 1, 2),)),
        ({"desired": 3}, {"min_capacity": 4}, (Count("backend", 3, 4),)),
        ({"desired": 0}, {"min_capacity": 0}, ()),
        ({"desired": 0, "status": "DRAINING"}, {}, ()),
        ({"desired": 0, "scheduling": "DAEMON"}, {}, ()),
        ({"desired": 0}, {"resource_id": "service/another-cluster/backend", "min_capacity": 0}, (Count("backend", 0, 2),)),
    ],
)  # fmt: skip
def test_a_count_below_the_minimum_that_should_be(
    changes: Mapping[str, Any], limits: Mapping[str, Any], count: tuple[Count, ...]
) -> None:
    target = Thing("aws_appautoscaling_target", {**example.HEALTHY["aws_appautoscaling_target"], **limits})
    assert counts_below(Found((target,), ()), Services((service(**changes),)), STAGING) == count


NOBODY_SERVED = f"backend wants no task, not at least 2 {SOURCE}: it serves nobody."


def test_a_service_scaled_to_zero_is_a_failure_with_the_way_back() -> None:
    finding = next(one for one in judged(counts=(Count("backend", 0, 2),)) if one.level is FAIL)
    assert (finding.sentence, finding.place) == (NOBODY_SERVED, "services/backend")
    assert finding.procedure
    assert finding.procedure.command == "omc scale backend 2 --env staging"


UNTIL = NOW + timedelta(hours=2)
SCALED = ScaledForAWhile("backend", "t1", "alice", UNTIL, (0, 1), (2, 10))


@pytest.mark.parametrize(
    ("desired", "level"),
    [(0, WARN), (1, WARN)],
)
def test_what_omc_scaled_down_for_a_while_is_named_with_its_end(desired: int, level: Level) -> None:
    findings = judged(counts=(Count("backend", desired, 2),), temporary=Temporary(scaled=(SCALED,)))
    finding = only([one for one in findings if one.level is not OK])
    assert finding.level is level
    assert "alice scaled it for a while, until Tue 24 Nov 11:15:00 AEDT" in finding.sentence
    assert "timer t1" in finding.sentence


def test_a_count_that_omc_did_not_set_stays_a_failure() -> None:
    other = replace(SCALED, now=(1, 1))
    findings = judged(counts=(Count("backend", 0, 2),), temporary=Temporary(scaled=(other,)))
    assert only([one for one in findings if one.level is not OK]).level is FAIL


def test_without_omcs_record_it_is_said_that_the_reason_is_not_known() -> None:
    findings = judged(counts=(Count("backend", 0, 2),), temporary=Temporary(unknown="the store doesn't answer."))
    finding = only([one for one in findings if one.level is not OK])
    assert finding.level is FAIL
    assert finding.sentence == (
        f"{NOBODY_SERVED} Whether this is a temporary change of omc's is unknown: the store doesn't answer."
    )


@pytest.mark.parametrize(
    ("found", "level"),
    [
        ({"min_capacity": 0, "max_capacity": 1}, OK),
        ({"min_capacity": 0}, OK),
        ({"max_capacity": 4}, WARN),
        ({"min_capacity": 0, "suspended_state": example.off(dynamic_scaling_out_suspended=True)}, WARN),
    ],
)
def test_limits_that_omc_set_for_a_while_are_no_fault(found: Mapping[str, Any], level: Level) -> None:
    things = example.found_instead("aws_appautoscaling_target", found)
    finding = only(judged(things, temporary=Temporary(scaled=(SCALED,))))
    assert finding.level is level
    assert ("alice scaled it for a while, until" in finding.sentence) == (level is OK)


@pytest.mark.parametrize(("limits", "is_named"), [((1, 10), True), ((3, 10), False)])
def test_limits_that_omc_set_for_good_differ_and_name_the_run(limits: tuple[int, int], is_named: bool) -> None:
    good = ScaledForGood("backend", "r7", "alice", NOW, limits)
    things = example.found_instead("aws_appautoscaling_target", {"min_capacity": 1})
    finding = only(judged(things, temporary=Temporary(for_good=(good,))))
    assert finding.level is WARN
    assert ("alice set it for good with `omc scale`" in finding.sentence) == is_named


@pytest.mark.parametrize(("is_under_way", "level"), [(True, OK), (False, WARN)])
def test_deployment_alarms_that_a_run_turned_off(is_under_way: bool, level: Level) -> None:
    off = AlarmsOff("backend", "r1", "alice", NOW, is_under_way)
    things = example.found_instead("aws_ecs_service", {"alarms": []})
    finding = only(judged(things, temporary=Temporary(alarms_off=(off,))))
    assert finding.level is level
    assert ("while the run r1 by alice is in progress" in finding.sentence) == is_under_way


# Autoscaling that is needed


@pytest.mark.parametrize(
    ("found", "level"),
    [
        ({"suspended_state": example.off(dynamic_scaling_out_suspended=True)}, FAIL),
        ({"suspended_state": example.off(dynamic_scaling_in_suspended=True)}, WARN),
        ({"suspended_state": example.off(scheduled_scaling_suspended=True)}, WARN),
        ({"max_capacity": 2}, FAIL),
        ({"max_capacity": 20}, WARN),
        (None, FAIL),
    ],
)
def test_autoscaling_that_is_off_fails_when_more_tasks_are_needed(
    found: Mapping[str, Any] | None, level: Level
) -> None:
    things = example.found_instead("aws_appautoscaling_target", found)
    if found is None:
        things = tuple(thing for thing in things if thing.type != "aws_appautoscaling_policy")
    finding = only(judged(things, alarms=Alarms((), wanting=(example.SERVICE,))))
    assert finding.level is level
    assert ("it needs more tasks now" in finding.sentence) == (level is FAIL)
    assert only(judged(things, alarms=Alarms((), wanting=("service/x/other",)))).level is WARN


# What could not be read


def test_a_listing_without_an_answer_is_unknown_and_never_ok() -> None:
    denied = NotListed(("aws_sns_topic",), "The credentials lack sns:ListTopics.", "sns:ListTopics")
    without = [thing for thing in EVERYTHING if thing.type != "aws_sns_topic"]
    unknown, rest = judged(without, not_listed=(denied,))
    assert (unknown.level, unknown.action, unknown.unread) == (UNKNOWN, "sns:ListTopics", True)
    assert unknown.sentence == "It is unknown whether every sns_topic is there: The credentials lack sns:ListTopics."
    assert rest.level is OK
    assert rest.sentence.startswith(f"All {len(EVERYTHING) - 1} things")


def test_what_hangs_on_an_unknown_thing_is_still_reported() -> None:
    denied = NotListed(("aws_sns_topic",), "no", "sns:ListTopics")
    without = [one for one in EVERYTHING if one.type not in ("aws_sns_topic", "aws_sns_topic_subscription")]
    assert sorted(finding.level for finding in judged(without, not_listed=(denied,))) == sorted([UNKNOWN, FAIL])


def test_without_a_right_to_the_state_it_is_said_what_is_compared_instead() -> None:
    state = Expected((), place="s3://b/k", problem="The credentials lack s3:GetObject.", action="s3:GetObject")
    warning, rest = judged((), wanted=(), state=state)
    assert (warning.level, warning.action) == (WARN, "s3:GetObject")
    assert 'set terraform_state = "" in [environments.staging]' in warning.sentence
    assert rest.sentence == "All 0 things that omc.toml names are there, as they should be."


def test_without_a_state_there_is_nothing_to_warn_of() -> None:
    state = Expected((), place="s3://b/k", problem="There is no Terraform state at s3://b/k.", is_none=True)
    finding = only(judged((), wanted=(), state=state))
    assert finding.level is OK
    assert finding.sentence.endswith("There is no Terraform state at s3://b/k.")


# Only some services


def test_for_some_services_only_what_is_theirs_is_reported() -> None:
    part = replace(STAGING, services=STAGING.services[1:])
    scope = Scope(NOW, is_part=True)
    theirs = Thing(
        "aws_cloudwatch_metric_alarm", {**example.METRIC_ALARM, "alarm_name": f"{example.NAME}-frontend-unhealthy"}
    )
    findings = judged((), wanted=(*EVERYTHING, theirs), scope=scope, environment=part)
    assert only(findings).place == "alarms/ohmycoins-staging-frontend-unhealthy"


# Who


def test_who_changed_it_is_said_where_it_is_known() -> None:
    found = Found(EVERYTHING, example.found_instead("aws_lb_listener", {"port": 8443}))
    every = tuple(replace(one, author=Author("mallory", NOW)) for one in deviations(found))
    finding = only(list(expected(Deviations(every), found, STATE, Alarms(()), STAGING, Scope(NOW))))
    assert finding.sentence.endswith("By mallory, Tue 24 Nov 09:15:00 AEDT (Mon 22:15 UTC).")
    assert finding.since == NOW


def test_a_state_of_another_day_is_reported_with_its_date() -> None:
    state = replace(STATE, written=NOW - timedelta(days=3))
    assert "Terraform's state of 21 Nov 09:15" in only(judged(state=state)).sentence
