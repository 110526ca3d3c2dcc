"""One listing for each kind of ``omc.facts.expected_kinds``: AWS's answer, written down in Terraform's words.

A listing gets the things of its types that are expected, and returns all of them that it finds. What a fact has read
already is taken from there.
"""

from omc.facts.listings import alerts, entrance, network, safety, services
from omc.facts.listings.common import Facts, Listing, NotRead

__all__ = ["LISTINGS", "OF_FACTS", "Facts", "Listing", "NotRead"]

LISTINGS: tuple[tuple[tuple[str, ...], Listing], ...] = (
    (("aws_lb",), entrance.balancers),
    (("aws_lb_target_group",), entrance.target_groups),
    (("aws_lb_listener",), entrance.listeners),
    (("aws_lb_listener_rule",), entrance.rules),
    (("aws_ecs_cluster", "aws_ecs_service"), services.services),
    (("aws_appautoscaling_target",), services.scaling),
    (("aws_appautoscaling_policy",), services.policies),
    (("aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm"), alerts.alarms),
    (("aws_sns_topic",), alerts.topics),
    (("aws_sns_topic_subscription",), alerts.subscriptions),
    (("aws_sqs_queue",), alerts.queues),
    (("aws_sns_topic_policy",), alerts.topic_policies),
    (("aws_sqs_queue_policy",), alerts.queue_policies),
    (("aws_cloudwatch_event_rule", "aws_cloudwatch_event_target"), alerts.event_rules),
    (("aws_cloudwatch_log_group",), safety.log_groups),
    (("aws_db_instance",), safety.databases),
    (("aws_elasticache_replication_group",), safety.caches),
    (("aws_cloudtrail",), safety.trails),
    (("aws_flow_log",), network.flow_logs),
    (("aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule"), network.group_rules),
    (("aws_nat_gateway",), network.gateways),
    (("aws_route",), network.routes),
    (("aws_secretsmanager_secret",), safety.secrets),
    (("aws_kms_key",), safety.keys),
    (("aws_iam_role",), safety.roles),
    (("aws_s3_bucket",), safety.buckets),
)
"""Types, and the listing that finds them."""

OF_FACTS: frozenset[Listing] = frozenset(
    {
        *(entrance.balancers, entrance.target_groups, entrance.listeners, entrance.rules),
        *(services.services, alerts.alarms, safety.databases, safety.caches),
    }
)
"""Those that take something from other facts; the others rest on AWS's answers alone."""
