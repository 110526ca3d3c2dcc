"""One healthy environment in Terraform's words: a thing of every kind that is looked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from omc.facts.expected import Thing

ACCOUNT, REGION, NAME = "100000000000", "ap-southeast-2", "ohmycoins-staging"
ELB = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:{NAME}-sev-1"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{NAME}-alerts"
BALANCER, LISTENER = f"{ELB}:loadbalancer/app/{NAME}/1a", f"{ELB}:listener/app/{NAME}/1a/2b"
RULE = f"{ELB}:listener-rule/app/{NAME}/1a/2b/3c"
SERVICE = f"service/{NAME}/backend"


def group(name: str) -> str:
    """A target group's ARN."""
    return f"{ELB}:targetgroup/{NAME}-{name}/4d"


def check(**changes: Any) -> list[dict[str, Any]]:
    """A target group's health check."""
    usual = {"protocol": "HTTP", "path": "/health/ready", "port": "traffic-port", "matcher": "200"}
    pace = {"interval": 30, "timeout": 5, "healthy_threshold": 2, "unhealthy_threshold": 3}
    return [{**usual, **pace, **changes}]


def policy(action: str, who: str, resource: str = "", effect: str = "Allow") -> str:
    """A policy of one statement, as Terraform's state holds it."""
    of = {"Resource": resource} if resource else {}
    condition = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    statement = {"Action": action, "Effect": effect, "Principal": {"Service": who}, "Condition": condition, **of}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def forward(name: str) -> list[dict[str, Any]]:
    return [{"type": "forward", "order": 1, "target_group_arn": group(name)}]


def off(**changes: bool) -> list[dict[str, bool]]:
    kinds = ("dynamic_scaling_in_suspended", "dynamic_scaling_out_suspended", "scheduled_scaling_suspended")
    return [{**dict.fromkeys(kinds, False), **changes}]


def query(**changes: Any) -> dict[str, Any]:
    metric = {"namespace": "AWS/X", "metric_name": "Errors", "dimensions": {"A": "b"}, "period": 60, "stat": "Sum"}
    usual = {"id": "e", "expression": "", "return_data": False, "period": None, "metric": [metric]}
    return {**usual, **changes}


METRIC_ALARM: Mapping[str, Any] = {
    "alarm_name": f"{NAME}-rds-connections-high",
    "threshold": 64,
    "comparison_operator": "GreaterThanThreshold",
    "evaluation_periods": 5,
    "datapoints_to_alarm": 5,
    "treat_missing_data": "breaching",
    "period": 60,
    "namespace": "AWS/RDS",
    "metric_name": "DatabaseConnections",
    "statistic": "Maximum",
    "dimensions": {"DBInstanceIdentifier": NAME},
    "actions_enabled": True,
    "alarm_actions": [TOPIC],
    "ok_actions": [TOPIC],
    "insufficient_data_actions": [],
}
MATH_ALARM: Mapping[str, Any] = {
    **METRIC_ALARM,
    "alarm_name": f"{NAME}-alb-5xx-percent",
    **dict.fromkeys(("period", "namespace", "metric_name", "statistic")),
    "dimensions": {},
    "metric_query": [query(), query(id="result", expression="FILL(e, 0)", return_data=True, metric=[])],
}

HEALTHY: Mapping[str, Mapping[str, Any]] = {
    "aws_lb": {"name": NAME, "security_groups": ["sg-1", "sg-2"]},
    "aws_lb_target_group": {
        "name": f"{NAME}-backend",
        "port": 8000,
        "protocol": "HTTP",
        "health_check": check(),
    },
    "aws_lb_listener": {
        "arn": LISTENER,
        "load_balancer_arn": BALANCER,
        "port": 443,
        "protocol": "HTTPS",
        "default_action": forward("frontend"),
        "certificate_arn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/c-1",
        "ssl_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
    },
    "aws_lb_listener_rule": {
        "arn": RULE,
        "listener_arn": LISTENER,
        "_port": 443,
        "priority": 10,
        "action": forward("backend"),
        "condition": [{"path_pattern": [{"values": ["/api/*"]}], "host_header": []}],
    },
    "aws_ecs_cluster": {"name": NAME},
    "aws_ecs_service": {
        "name": "backend",
        "cluster": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{NAME}",
        "alarms": [{"alarm_names": [f"{NAME}-backend-unhealthy"], "enable": True, "rollback": True}],
        "deployment_circuit_breaker": [{"enable": True, "rollback": True}],
        "load_balancer": [{"target_group_arn": group("backend")}],
    },
    "aws_appautoscaling_target": {
        "resource_id": SERVICE,
        "min_capacity": 2,
        "max_capacity": 10,
        "suspended_state": off(),
    },
    "aws_appautoscaling_policy": {
        "name": f"{NAME}-backend-cpu",
        "resource_id": SERVICE,
        "target_tracking_scaling_policy_configuration": [
            {
                "target_value": 70,
                "disable_scale_in": False,
                "predefined_metric_specification": [{"predefined_metric_type": "ECSServiceAverageCPUUtilization"}],
            }
        ],
    },
    "aws_cloudwatch_metric_alarm": METRIC_ALARM,
    "aws_cloudwatch_composite_alarm": {
        "alarm_name": f"{NAME}-backend-at-max",
        "alarm_rule": 'ALARM("a") AND ALARM("b")',
        "actions_enabled": True,
        "alarm_actions": [TOPIC],
        "ok_actions": [],
        "insufficient_data_actions": [],
        "actions_suppressor": [],
    },
    "aws_sns_topic": {"arn": TOPIC, "name": f"{NAME}-sev-1"},
    "aws_sns_topic_subscription": {
        "arn": f"{TOPIC}:5e",
        "topic_arn": TOPIC,
        "protocol": "sqs",
        "endpoint": QUEUE,
        "pending_confirmation": False,
    },
    "aws_sqs_queue": {"name": f"{NAME}-alerts"},
    "aws_sns_topic_policy": {"arn": TOPIC, "policy": policy("sns:Publish", "cloudwatch.amazonaws.com", TOPIC)},
    "aws_sqs_queue_policy": {
        "queue_url": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{NAME}-alerts",
        "policy": policy("sqs:SendMessage", "sns.amazonaws.com", QUEUE),
    },
    "aws_cloudwatch_event_rule": {
        "name": f"{NAME}-deployment-failed",
        "event_bus_name": "default",
        "state": "ENABLED",
        "event_pattern": '{"source": ["aws.ecs"]}',
        "schedule_expression": "",
    },
    "aws_cloudwatch_event_target": {"event_bus_name": "default", "rule": f"{NAME}-deployment-failed", "arn": TOPIC},
    "aws_cloudwatch_log_group": {
        "name": f"/ecs/{NAME}/backend",
        "retention_in_days": 365,
        "kms_key_id": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k-1",
    },
    "aws_db_instance": {
        "identifier": NAME,
        "backup_retention_period": 7,
        "deletion_protection": True,
        "multi_az": True,
        "instance_class": "db.t4g.small",
        "publicly_accessible": False,
        "vpc_security_group_ids": ["sg-3"],
        "parameter_group_name": f"{NAME}-17",
        "performance_insights_enabled": True,
    },
    "aws_elasticache_replication_group": {
        "replication_group_id": f"{NAME}-redis",
        "snapshot_retention_limit": 1,
        "automatic_failover_enabled": True,
        "multi_az_enabled": True,
        "node_type": "cache.t4g.small",
        "num_cache_clusters": 2,
        "security_group_ids": ["sg-4"],
    },
    "aws_cloudtrail": {
        "name": NAME,
        "enable_logging": True,
        "is_multi_region_trail": True,
        "enable_log_file_validation": True,
        "s3_bucket_name": f"{NAME}-audit",
    },
    "aws_flow_log": {
        "id": "fl-1",
        "vpc_id": "vpc-1",
        "log_destination": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/vpc/{NAME}/flow",
        "traffic_type": "ALL",
        "_names": {"vpc-1": NAME},
    },
    "aws_vpc_security_group_ingress_rule": {
        "security_group_rule_id": "sgr-1",
        "security_group_id": "sg-3",
        "egress": False,
        "ip_protocol": "tcp",
        "from_port": 5432,
        "to_port": 5432,
        "referenced_security_group_id": "sg-1",
        "_names": {"sg-3": f"{NAME}-database", "sg-1": f"{NAME}-backend"},
    },
    "aws_vpc_security_group_egress_rule": {
        "security_group_rule_id": "sgr-2",
        "security_group_id": "sg-1",
        "egress": True,
        "ip_protocol": "-1",
        "from_port": None,
        "to_port": None,
        "cidr_ipv4": "0.0.0.0/0",
        "_names": {"sg-1": f"{NAME}-backend"},
    },
    "aws_nat_gateway": {"id": "nat-1"},
    "aws_route": {
        "route_table_id": "rtb-1",
        "destination_cidr_block": "0.0.0.0/0",
        "nat_gateway_id": "nat-1",
        "_names": {"rtb-1": f"{NAME}-app-a"},
    },
    "aws_secretsmanager_secret": {"name": f"{NAME}/secret-key"},
    "aws_kms_key": {"key_id": "k-1", "description": f"{NAME}: logs"},
    "aws_iam_role": {
        "name": f"{NAME}-backend-task",
        "assume_role_policy": policy("sts:AssumeRole", "ecs-tasks.amazonaws.com"),
    },
    "aws_s3_bucket": {"bucket": f"{NAME}-audit"},
}
"""A thing of every kind, as it should be and as it is."""


def healthy() -> dict[str, Thing]:
    return {kind: Thing(kind, values) for kind, values in HEALTHY.items()}


def found_instead(kind: str, changes: Mapping[str, Any] | None) -> tuple[Thing, ...]:
    """The healthy environment with one thing changed, or (None) without it."""
    things = healthy()
    if changes is None:
        del things[kind]
    else:
        things[kind] = Thing(kind, {**things[kind].values, **changes})
    return tuple(things.values())
