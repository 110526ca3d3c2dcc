"""What kinds of resource are looked for, one row each: a new kind is a row here, and a listing that shows it.

Both sides are compared in Terraform's words. ``omc.facts.expected`` takes the values from Terraform's state,
``omc.facts.found`` writes AWS's answers down in the same shape, and the row's functions are applied to either. Nothing
of a resource is kept but what its row names, so no secret of the state gets any further than the reader.

What no row is about, Terraform itself sees: ``omc infra drift``. The policies of IAM's roles are among that (a call for
each of them), as are the firewall of a load balancer (a client whose model alone takes 50 ms to read), a bucket's own
settings, dashboards, subnets and records of DNS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from omc.facts import terraform_values as tv
from omc.facts.terraform_values import Key, Values, by, get


class Harm(StrEnum):
    """Who suffers where the thing is not as it should be."""

    USERS = "users"
    """Users aren't served, or the next task can't start."""
    ALERTS = "alerts"
    """Nobody hears of trouble."""
    LOAD = "load"
    """Nothing yet: a service can't follow its load."""
    SAFETY = "safety"
    """Nothing yet: a backup, a trail or a protection is missing."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing about a resource that is compared."""

    label: str
    """``threshold``, ``actions``."""
    of: Callable[[Values], Any]
    """A plain value, or a tuple of such; None is not compared."""
    harm: Harm
    weaker: Callable[[Values, Values], bool] = lambda expected, found: True  # noqa: ARG005
    """Of what is expected and what is found, whether the change does that harm; otherwise it is only worth knowing."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of resource."""

    type: str
    """Terraform's."""
    noun: str
    name: Callable[[Values], str]
    """How people know it. ``_names`` among the values maps identifiers to names."""
    ids: tuple[Callable[[Values], Key], ...]
    """What it is found by: its identifier, else what makes it the same thing where somebody made it again by hand."""
    keeps: str
    """Attributes of the state that the row's functions need; all others are dropped."""
    harm: Harm
    """The harm of its being gone."""
    without: str
    """What follows when it is gone."""
    place: Callable[[Values], str]
    fields: tuple[Field, ...] = ()
    parent: Callable[[Values], tuple[str, Key] | None] = lambda values: None  # noqa: ARG005
    """Type and key of what it belongs to: where that is gone too, this is no finding of its own."""
    events: tuple[str, ...] = ()
    """The operations that delete or change it, as CloudTrail calls them."""
    mention: Callable[[Values], str] = lambda values: str(values.get("name") or "")
    """What the parameters of those name."""


_ACTIONS = (
    Field("actions", tv.acts, Harm.ALERTS, lambda _, found: tv.acts(found) == "off"),
    Field("receivers", tv.some_of("alarm_actions"), Harm.ALERTS, tv.fewer("alarm_actions")),
    Field("receivers for OK", tv.some_of("ok_actions"), Harm.SAFETY),
    Field("receivers for INSUFFICIENT_DATA", tv.some_of("insufficient_data_actions"), Harm.SAFETY),
)
_ALARM_EVENTS = ("DeleteAlarms", "DisableAlarmActions", "PutMetricAlarm", "PutCompositeAlarm")


def _of_balancer(values: Values) -> str:  # noqa: ARG001
    return "load-balancer"


def _infrastructure(values: Values) -> str:
    name = values.get("name") or values.get("bucket") or values.get("key_id") or values.get("id")
    return f"infrastructure/{tv.tail(name)}"


def _of_service(values: Values) -> str:
    return f"services/{values.get('name') or ''}"


def _of_scaled(values: Values) -> str:
    return f"services/{tv.service_name(values)}"


def _of_database(values: Values) -> str:  # noqa: ARG001
    return "database"


def _of_cache(values: Values) -> str:  # noqa: ARG001
    return "cache"


def _of_alarm(values: Values) -> str:
    return f"alarms/{values.get('alarm_name')}"


def _of_group(values: Values) -> str:
    return f"infrastructure/{tv.name_in(values, values.get('security_group_id'))}"


def _rule_of(kind: str, event: str) -> Kind:
    return Kind(
        kind,
        "the rule of the security group",
        lambda values: f"{tv.name_in(values, values.get('security_group_id'))} ({tv.rule_words(values)})",
        (by("security_group_rule_id"), tv.rule_key),
        "security_group_rule_id security_group_id ip_protocol from_port to_port cidr_ipv4 cidr_ipv6 prefix_list_id "
        "referenced_security_group_id",
        Harm.USERS,
        "that way is closed",
        _of_group,
        (Field("what it lets through", tv.rule_words, Harm.USERS),),
        events=(event, "ModifySecurityGroupRules"),
        mention=lambda values: str(values.get("security_group_id")),
    )


def _policy_of(
    kind: str, noun: str, of: str, above: str, key: Callable[[Values], Key], events: tuple[str, ...]
) -> Kind:
    """Of a topic or a queue: who may send to it."""
    return Kind(
        kind,
        noun,
        lambda values: tv.tail(values.get(of)),
        (lambda values: (tv.tail(values.get(of)),),),
        f"{of} policy",
        Harm.ALERTS,
        "nobody may send to it, and alerts are lost there",
        lambda values: f"infrastructure/{tv.tail(values.get(of))}",
        (Field("policy", tv.statements("policy"), Harm.ALERTS, tv.allows_less("policy")),),
        parent=lambda values: (above, key(values)),
        events=(events[0], *events),
        mention=lambda values: tv.tail(values.get(of)),
    )


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws_lb",
        "the load balancer",
        lambda values: str(values.get("name")),
        (by("name"),),
        "name security_groups",
        Harm.USERS,
        "nobody reaches the services",
        _of_balancer,
        (Field("security groups", tv.some_of("security_groups"), Harm.USERS),),
        events=("DeleteLoadBalancer", "SetSecurityGroups"),
    ),
    Kind(
        "aws_lb_target_group",
        "the target group",
        lambda values: str(values.get("name")),
        (by("name"),),
        "name port protocol health_check",
        Harm.USERS,
        "its service gets no request",
        lambda values: f"targets/{values.get('name')}",
        (
            Field("port", get("port"), Harm.USERS),
            Field("protocol", get("protocol"), Harm.USERS),
            Field("health check", tv.health_check, Harm.USERS),
            Field("health check timing", tv.health_times, Harm.SAFETY),
        ),
        events=("DeleteTargetGroup", "ModifyTargetGroup"),
    ),
    Kind(
        "aws_lb_listener",
        "the listener",
        lambda values: f"on port {values.get('port')} of {tv.balancer_of(values.get('load_balancer_arn'))}",
        (by("arn"), lambda values: (tv.balancer_of(values.get("load_balancer_arn")), values.get("port"))),
        "arn load_balancer_arn port protocol default_action certificate_arn ssl_policy",
        Harm.USERS,
        "nobody is served on that port",
        _of_balancer,
        (
            Field("port", get("port"), Harm.USERS),
            Field("protocol", get("protocol"), Harm.USERS),
            Field("default action", lambda values: tv.action(values, "default_action"), Harm.USERS),
            Field("certificate", lambda values: values.get("certificate_arn") or None, Harm.USERS),
            Field("TLS policy", lambda values: values.get("certificate_arn") and values.get("ssl_policy"), Harm.SAFETY),
        ),
        parent=lambda values: ("aws_lb", (tv.balancer_of(values.get("load_balancer_arn")),)),
        events=("DeleteListener", "ModifyListener"),
        mention=lambda values: str(values.get("arn")),
    ),
    Kind(
        "aws_lb_listener_rule",
        "the listener's rule",
        lambda values: f"for {', '.join(tv.conditions(values))} of {tv.balancer_of(values.get('arn'))}",
        (by("arn"), lambda values: (tv.balancer_of(values.get("arn")), values.get("_port"), tv.conditions(values))),
        "arn listener_arn priority action condition",
        Harm.USERS,
        "those requests go where the listener sends all others",
        _of_balancer,
        (
            Field("conditions", tv.conditions, Harm.USERS),
            Field("action", lambda values: tv.action(values, "action"), Harm.USERS),
            Field("priority", lambda values: int(values["priority"]), Harm.SAFETY),
        ),
        parent=lambda values: ("aws_lb_listener", (values.get("listener_arn"),)),
        events=("DeleteRule", "ModifyRule", "SetRulePriorities"),
        mention=lambda values: str(values.get("arn")),
    ),
    Kind(
        "aws_ecs_cluster",
        "the ECS cluster",
        lambda values: str(values.get("name")),
        (by("name"),),
        "name",
        Harm.USERS,
        "no service runs",
        lambda _: "services",
        events=("DeleteCluster",),
    ),
    Kind(
        "aws_ecs_service",
        "the service",
        lambda values: str(values.get("name")),
        (lambda values: (tv.tail(values.get("cluster")), values.get("name")),),
        "name cluster alarms deployment_circuit_breaker load_balancer",
        Harm.USERS,
        "it serves nobody",
        _of_service,
        (
            Field("target groups", tv.groups_behind, Harm.USERS),
            Field("deployment alarms", tv.heeded_alarms, Harm.SAFETY),
            Field("circuit breaker", tv.circuit_breaker, Harm.SAFETY),
        ),
        parent=lambda values: ("aws_ecs_cluster", (tv.tail(values.get("cluster")),)),
        events=("DeleteService", "UpdateService"),
    ),
    Kind(
        "aws_appautoscaling_target",
        "the autoscaling of",
        tv.service_name,
        (by("resource_id"),),
        "resource_id min_capacity max_capacity suspended_state",
        Harm.LOAD,
        "its count stays as it is, whatever the load",
        _of_scaled,
        (
            Field("minimum", get("min_capacity"), Harm.SAFETY),
            Field(
                "maximum", get("max_capacity"), Harm.LOAD, lambda old, new: new["max_capacity"] < old["max_capacity"]
            ),
            Field("suspended", tv.suspended, Harm.LOAD, lambda _, new: "scaling out" in tv.suspended(new)),
        ),
        parent=lambda values: ("aws_ecs_service", tuple(str(values.get("resource_id")).split("/")[1:])),
        events=("DeregisterScalableTarget", "RegisterScalableTarget"),
        mention=lambda values: str(values.get("resource_id")),
    ),
    Kind(
        "aws_appautoscaling_policy",
        "the scaling policy",
        lambda values: str(values.get("name")),
        (by("resource_id", "name"),),
        "name resource_id target_tracking_scaling_policy_configuration",
        Harm.LOAD,
        "the service doesn't follow that load",
        _of_scaled,
        (Field("target", tv.scaling_target, Harm.SAFETY), Field("scaling in", tv.scales_in, Harm.SAFETY)),
        parent=lambda values: ("aws_appautoscaling_target", (values.get("resource_id"),)),
        events=("DeleteScalingPolicy", "PutScalingPolicy"),
    ),
    Kind(
        "aws_cloudwatch_metric_alarm",
        "the alarm",
        lambda values: str(values.get("alarm_name")),
        (by("alarm_name"),),
        "alarm_name threshold comparison_operator evaluation_periods datapoints_to_alarm treat_missing_data period "
        "metric_query metric_name namespace statistic extended_statistic dimensions actions_enabled alarm_actions "
        "ok_actions insufficient_data_actions threshold_metric_id",
        Harm.ALERTS,
        "it wakes nobody",
        _of_alarm,
        (
            Field("threshold", tv.threshold, Harm.ALERTS, tv.rings_later),
            Field("comparison", get("comparison_operator"), Harm.ALERTS),
            Field("metric", tv.watched, Harm.ALERTS),
            Field("period", tv.period, Harm.ALERTS, lambda old, new: (tv.period(new) or 0) > (tv.period(old) or 0)),
            Field("datapoints", tv.datapoints, Harm.ALERTS, tv.takes_longer),
            Field("missing data", tv.missing_data, Harm.ALERTS, lambda old, _: tv.missing_data(old) == "breaching"),
            *_ACTIONS,
        ),
        events=_ALARM_EVENTS,
        mention=lambda values: str(values.get("alarm_name")),
    ),
    Kind(
        "aws_cloudwatch_composite_alarm",
        "the alarm",
        lambda values: str(values.get("alarm_name")),
        (by("alarm_name"),),
        "alarm_name alarm_rule actions_enabled alarm_actions ok_actions insufficient_data_actions actions_suppressor",
        Harm.ALERTS,
        "it wakes nobody",
        _of_alarm,
        (
            Field("rule", tv.alarm_rule, Harm.ALERTS),
            Field("suppressor", tv.suppressor, Harm.ALERTS),
            *_ACTIONS,
        ),
        events=_ALARM_EVENTS,
        mention=lambda values: str(values.get("alarm_name")),
    ),
    Kind(
        "aws_sns_topic",
        "the topic",
        lambda values: str(values.get("name")),
        (by("arn"),),
        "arn name",
        Harm.ALERTS,
        "what is sent to it reaches nobody",
        _infrastructure,
        events=("DeleteTopic",),
        mention=lambda values: str(values.get("arn")),
    ),
    Kind(
        "aws_sns_topic_subscription",
        "the subscription",
        tv.subscriber,
        (by("arn"), lambda values: (values.get("topic_arn"), values.get("protocol"), values.get("endpoint"))),
        "arn topic_arn protocol endpoint pending_confirmation",
        Harm.ALERTS,
        "alerts don't get there",
        lambda values: f"infrastructure/{tv.tail(values.get('topic_arn'))}",
        (Field("state", tv.confirmation, Harm.ALERTS, lambda _, new: tv.confirmation(new) != "confirmed"),),
        parent=lambda values: ("aws_sns_topic", (values.get("topic_arn"),)),
        events=("Unsubscribe",),
        mention=lambda values: str(values.get("arn")),
    ),
    Kind(
        "aws_sqs_queue",
        "the queue",
        lambda values: str(values.get("name")),
        (by("name"),),
        "name",
        Harm.ALERTS,
        "what is sent to it is lost",
        _infrastructure,
        events=("DeleteQueue",),
    ),
    _policy_of(
        "aws_sns_topic_policy",
        "the topic's policy",
        "arn",
        "aws_sns_topic",
        lambda values: (values.get("arn"),),
        ("SetTopicAttributes", "RemovePermission", "AddPermission"),
    ),
    _policy_of(
        "aws_sqs_queue_policy",
        "the queue's policy",
        "queue_url",
        "aws_sqs_queue",
        lambda values: (tv.tail(values.get("queue_url")),),
        ("SetQueueAttributes", "RemovePermission", "AddPermission"),
    ),
    Kind(
        "aws_cloudwatch_event_rule",
        "the EventBridge rule",
        lambda values: str(values.get("name")),
        (by("event_bus_name", "name"),),
        "name event_bus_name state event_pattern schedule_expression",
        Harm.ALERTS,
        "those events reach nobody",
        _infrastructure,
        (
            Field("state", get("state"), Harm.ALERTS, lambda _, new: new.get("state") == "DISABLED"),
            Field("pattern", tv.pattern, Harm.ALERTS),
            Field("schedule", lambda values: values.get("schedule_expression") or None, Harm.ALERTS),
        ),
        events=("DeleteRule", "DisableRule", "PutRule"),
    ),
    Kind(
        "aws_cloudwatch_event_target",
        "the target of the EventBridge rule",
        lambda values: f"{values.get('rule')} ({tv.tail(values.get('arn'))})",
        (lambda values: (values.get("event_bus_name"), values.get("rule"), values.get("arn")),),
        "event_bus_name rule arn",
        Harm.ALERTS,
        "those events don't get there",
        lambda values: f"infrastructure/{values.get('rule')}",
        parent=lambda values: ("aws_cloudwatch_event_rule", (values.get("event_bus_name"), values.get("rule"))),
        events=("RemoveTargets", "PutTargets"),
        mention=lambda values: str(values.get("rule")),
    ),
    Kind(
        "aws_cloudwatch_log_group",
        "the log group",
        lambda values: str(values.get("name")),
        (by("name"),),
        "name retention_in_days kms_key_id",
        Harm.SAFETY,
        "its lines are gone, and what writes to it may not start",
        lambda values: f"logs/{values.get('name')}",
        (
            Field("retention", tv.retention, Harm.SAFETY),
            Field("key", tv.log_key, Harm.SAFETY),
        ),
        events=("DeleteLogGroup", "PutRetentionPolicy", "DeleteRetentionPolicy"),
    ),
    Kind(
        "aws_db_instance",
        "the database",
        lambda values: str(values.get("identifier")),
        (by("identifier"),),
        "identifier backup_retention_period deletion_protection multi_az instance_class publicly_accessible "
        "vpc_security_group_ids parameter_group_name performance_insights_enabled",
        Harm.USERS,
        "the services have no database",
        _of_database,
        (
            Field("security groups", tv.some_of("vpc_security_group_ids"), Harm.USERS),
            Field("days of backups", get("backup_retention_period"), Harm.SAFETY),
            Field("deletion protection", tv.flag("deletion_protection"), Harm.SAFETY),
            Field("Multi-AZ", tv.flag("multi_az"), Harm.SAFETY),
            Field("public access", tv.flag("publicly_accessible"), Harm.SAFETY),
            Field("instance class", get("instance_class"), Harm.SAFETY),
            Field("parameter group", get("parameter_group_name"), Harm.SAFETY),
            Field("Performance Insights", tv.flag("performance_insights_enabled"), Harm.SAFETY),
        ),
        events=("DeleteDBInstance", "ModifyDBInstance"),
        mention=lambda values: str(values.get("identifier")),
    ),
    Kind(
        "aws_elasticache_replication_group",
        "the cache",
        lambda values: str(values.get("replication_group_id")),
        (by("replication_group_id"),),
        "replication_group_id snapshot_retention_limit automatic_failover_enabled multi_az_enabled node_type "
        "num_cache_clusters security_group_ids",
        Harm.USERS,
        "the services have no cache",
        _of_cache,
        (
            Field("security groups", tv.some_of("security_group_ids"), Harm.USERS),
            Field("days of snapshots", get("snapshot_retention_limit"), Harm.SAFETY),
            Field("failover", tv.flag("automatic_failover_enabled"), Harm.SAFETY),
            Field("Multi-AZ", tv.flag("multi_az_enabled"), Harm.SAFETY),
            Field("node type", get("node_type"), Harm.SAFETY),
            Field("members", get("num_cache_clusters"), Harm.SAFETY),
        ),
        events=("DeleteReplicationGroup", "ModifyReplicationGroup", "DecreaseReplicaCount"),
        mention=lambda values: str(values.get("replication_group_id")),
    ),
    Kind(
        "aws_cloudtrail",
        "the trail",
        lambda values: str(values.get("name")),
        (by("name"),),
        "name arn enable_logging is_multi_region_trail enable_log_file_validation s3_bucket_name",
        Harm.SAFETY,
        "the history of API calls is kept for only 90 days",
        _infrastructure,
        (
            Field("logging", tv.flag("enable_logging"), Harm.SAFETY),
            Field("all regions", tv.flag("is_multi_region_trail"), Harm.SAFETY),
            Field("log file validation", tv.flag("enable_log_file_validation"), Harm.SAFETY),
            Field("bucket", get("s3_bucket_name"), Harm.SAFETY),
        ),
        events=("DeleteTrail", "StopLogging", "UpdateTrail"),
    ),
    Kind(
        "aws_flow_log",
        "the flow log",
        lambda values: f"of {tv.name_in(values, tv.flowing(values))}",
        (by("id"), lambda values: (tv.flowing(values), values.get("log_destination"))),
        "id vpc_id subnet_id eni_id log_destination traffic_type",
        Harm.SAFETY,
        "what was refused on the network is not recorded",
        _infrastructure,
        (Field("traffic", get("traffic_type"), Harm.SAFETY),),
        events=("DeleteFlowLogs",),
        mention=lambda values: str(values.get("id")),
    ),
    _rule_of("aws_vpc_security_group_ingress_rule", "RevokeSecurityGroupIngress"),
    _rule_of("aws_vpc_security_group_egress_rule", "RevokeSecurityGroupEgress"),
    Kind(
        "aws_nat_gateway",
        "the NAT gateway",
        lambda values: str(values.get("id")),
        (by("id"),),
        "id",
        Harm.USERS,
        "tasks behind it can't reach anything outside",
        _infrastructure,
        events=("DeleteNatGateway",),
        mention=lambda values: str(values.get("id")),
    ),
    Kind(
        "aws_route",
        "the route",
        lambda values: f"to {tv.destination(values)} in {tv.name_in(values, values.get('route_table_id'))}",
        (lambda values: (values.get("route_table_id"), tv.destination(values)),),
        "route_table_id destination_cidr_block destination_ipv6_cidr_block destination_prefix_list_id nat_gateway_id "
        "gateway_id transit_gateway_id vpc_peering_connection_id vpc_endpoint_id network_interface_id",
        Harm.USERS,
        "nothing gets out that way",
        lambda values: f"infrastructure/{values.get('route_table_id')}",
        (Field("target", tv.route_target, Harm.USERS),),
        parent=lambda values: ("aws_nat_gateway", (values.get("nat_gateway_id"),)),
        events=("DeleteRoute", "ReplaceRoute"),
        mention=lambda values: str(values.get("route_table_id")),
    ),
    Kind(
        "aws_secretsmanager_secret",
        "the secret",
        lambda values: str(values.get("name")),
        (by("name"),),
        "name",
        Harm.USERS,
        "a task that needs it can't start",
        lambda values: f"secrets/{values.get('name')}",
        events=("DeleteSecret",),
    ),
    Kind(
        "aws_kms_key",
        "the key",
        lambda values: str(values.get("description") or values.get("key_id")),
        (by("key_id"),),
        "key_id description",
        Harm.USERS,
        "what it encrypts can't be read",
        _infrastructure,
        (Field("state", lambda values: values.get("_state", "Enabled"), Harm.USERS),),
        events=("ScheduleKeyDeletion", "DisableKey"),
        mention=lambda values: str(values.get("key_id")),
    ),
    Kind(
        "aws_iam_role",
        "the role",
        lambda values: str(values.get("name")),
        (by("name"),),
        "name assume_role_policy",
        Harm.USERS,
        "what assumes it can't start",
        _infrastructure,
        (Field("trust", tv.statements("assume_role_policy"), Harm.USERS, tv.allows_less("assume_role_policy")),),
        events=("DeleteRole", "UpdateAssumeRolePolicy"),
    ),
    Kind(
        "aws_s3_bucket",
        "the bucket",
        lambda values: str(values.get("bucket")),
        (by("bucket"),),
        "bucket",
        Harm.SAFETY,
        "what was in it is gone",
        _infrastructure,
        events=("DeleteBucket",),
        mention=lambda values: str(values.get("bucket")),
    ),
)
"""In the order in which findings are shown: what users notice first."""

BY_TYPE = {kind.type: kind for kind in KINDS}
ALIASES = {
    "aws_alb": "aws_lb",
    "aws_alb_target_group": "aws_lb_target_group",
    "aws_alb_listener": "aws_lb_listener",
    "aws_alb_listener_rule": "aws_lb_listener_rule",
}
"""Terraform's older names for the same types."""
