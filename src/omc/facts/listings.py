"""One listing for each kind of ``omc.facts.expected_kinds``: AWS's answer, written down in Terraform's words.

A listing gets the things of its types that are expected, and tells all that it finds of them. What a fact has read
already is taken from there.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omc.aws.batches import batches
from omc.aws.calls import side_by_side
from omc.aws.gateway import Gateway
from omc.errors import NotFound
from omc.facts.alarms import Alarm, Alarms
from omc.facts.collector import Unreadable
from omc.facts.expected import Thing
from omc.facts.load_balancers import LoadBalancers, TargetGroups
from omc.facts.pending import Pending
from omc.facts.scaling import DIMENSION, MOST_NAMES, NAMESPACE
from omc.facts.services import EcsService, Services, services_of
from omc.facts.terraform_values import Values, tail

LOG_GROUPS_A_CALL = 50
"""DescribeLogGroups takes so many names."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What has been read already, or why not."""

    alarms: Alarms | Unreadable
    balancers: LoadBalancers | Unreadable
    groups: TargetGroups | Unreadable
    services: Services | Unreadable
    pending: Pending | Unreadable


Wanted = Sequence[Thing]
Listing = Callable[[Gateway, Wanted, Facts], Iterable[Thing]]


def _fact(value: Any) -> Any:
    if isinstance(value, Unreadable):
        raise value.error
    return value


def _named(wanted: Wanted, name: str, *types: str) -> list[str]:
    found = (thing.values.get(name) for thing in wanted if not types or thing.type in types)
    return sorted({str(value) for value in found if value})


# -- the way in ------------------------------------------------------------------------------------------------------


def _balancers(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for name, told in _fact(facts.balancers).every.items():
        yield Thing("aws_lb", {"name": name, "security_groups": told.get("SecurityGroups") or []})


def _target_groups(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for name, told in _fact(facts.groups).every.items():
        check = {
            "protocol": told.get("HealthCheckProtocol"),
            "path": told.get("HealthCheckPath"),
            "port": told.get("HealthCheckPort"),
            "matcher": (told.get("Matcher") or {}).get("HttpCode") or (told.get("Matcher") or {}).get("GrpcCode"),
            "interval": told.get("HealthCheckIntervalSeconds"),
            "timeout": told.get("HealthCheckTimeoutSeconds"),
            "healthy_threshold": told.get("HealthyThresholdCount"),
            "unhealthy_threshold": told.get("UnhealthyThresholdCount"),
        }
        settings = {"port": told.get("Port"), "protocol": told.get("Protocol"), "health_check": [check]}
        yield Thing("aws_lb_target_group", {"name": name, **settings})


def _listeners(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:
    """Listeners of each load balancer that is there, then the rules of each of them of which rules are expected."""
    elb, balancers = aws.client("elbv2"), _fact(facts.balancers).every
    names = {str(thing.keys[-1][0]) for thing in wanted}

    def listeners_of(arn: str) -> list[Mapping[str, Any]]:
        pages = elb.get_paginator("describe_listeners").paginate(LoadBalancerArn=arn)
        return [dict(one) for page in pages for one in page["Listeners"]]

    def rules_of(arn: str) -> list[Mapping[str, Any]]:
        pages = elb.get_paginator("describe_rules").paginate(ListenerArn=arn)
        return [dict(one) for page in pages for one in page["Rules"] if not one.get("IsDefault")]

    arns = [str(balancers[name]["LoadBalancerArn"]) for name in sorted(names) if name in balancers]
    found = [one for listeners in side_by_side(listeners_of, arns) for one in listeners]
    for one in found:
        certificates = [each.get("CertificateArn") for each in one.get("Certificates") or ()]
        yield Thing(
            "aws_lb_listener",
            {
                "arn": one["ListenerArn"],
                "load_balancer_arn": one.get("LoadBalancerArn") or one["ListenerArn"],
                "port": one.get("Port"),
                "protocol": one.get("Protocol"),
                "default_action": [_action(each) for each in one.get("DefaultActions") or ()],
                "certificate_arn": certificates[0] if certificates else None,
                "ssl_policy": one.get("SslPolicy"),
            },
        )
    rules = [thing for thing in wanted if thing.type == "aws_lb_listener_rule"]
    known = {thing.values.get("listener_arn") for thing in rules}
    ports = {thing.values.get("_port") for thing in rules}
    asked = [one for one in found if one["ListenerArn"] in known or one.get("Port") in ports]
    for listener, some in zip(asked, side_by_side(rules_of, [one["ListenerArn"] for one in asked]), strict=True):
        for one in some:
            yield Thing(
                "aws_lb_listener_rule",
                {
                    "arn": one["RuleArn"],
                    "_port": listener.get("Port"),
                    "priority": one.get("Priority", 0),
                    "action": [_action(each) for each in one.get("Actions") or ()],
                    "condition": [_condition(each) for each in one.get("Conditions") or ()],
                },
            )


def _action(told: Mapping[str, Any]) -> dict[str, Any]:
    groups = (told.get("ForwardConfig") or {}).get("TargetGroups") or ()
    redirect, fixed = told.get("RedirectConfig") or {}, told.get("FixedResponseConfig") or {}
    return {
        "type": told.get("Type"),
        "order": told.get("Order"),
        "target_group_arn": told.get("TargetGroupArn"),
        "forward": [{"target_group": [{"arn": one.get("TargetGroupArn"), "weight": one.get("Weight")} for one in groups]}]
        if len(groups) > 1 or not told.get("TargetGroupArn")
        else [],
        "redirect": [{name.lower(): value for name, value in redirect.items()} | {"status_code": redirect["StatusCode"]}]
        if redirect
        else [],
        "fixed_response": [{"status_code": fixed.get("StatusCode")}] if fixed else [],
    }


CONDITIONS = {
    "host-header": ("host_header", "HostHeaderConfig"),
    "path-pattern": ("path_pattern", "PathPatternConfig"),
    "http-header": ("http_header", "HttpHeaderConfig"),
    "http-request-method": ("http_request_method", "HttpRequestMethodConfig"),
    "query-string": ("query_string", "QueryStringConfig"),
    "source-ip": ("source_ip", "SourceIpConfig"),
}
"""ELB's name of a condition to Terraform's block and ELB's settings of it."""


def _condition(told: Mapping[str, Any]) -> dict[str, Any]:
    name, settings = CONDITIONS.get(str(told.get("Field")), (str(told.get("Field")), ""))
    said = told.get(settings) or {}
    values: Any = said.get("Values") or told.get("Values") or []
    if name == "query_string":
        return {name: [{"key": one.get("Key") or "", "value": one.get("Value")} for one in values]}
    header = {"http_header_name": said["HttpHeaderName"]} if said.get("HttpHeaderName") else {}
    return {name: [{"values": values, **header}]}


# -- services and their scaling --------------------------------------------------------------------------------------


def _services(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:
    """Those that omc.toml doesn't name are asked for beside."""
    known: Services = _fact(facts.services)
    cluster = aws.environment.cluster
    if not known.cluster_missing:
        yield Thing("aws_ecs_cluster", {"name": cluster})
    every = list(known.services)
    here = {service.name for service in known.services} | set(known.missing)
    others: dict[str, list[str]] = {}
    for thing in wanted:
        if thing.type == "aws_ecs_cluster" and thing.values.get("name") != cluster:
            others.setdefault(str(thing.values["name"]), [])
        if thing.type == "aws_ecs_service":
            where, name = tail(thing.values.get("cluster")), str(thing.values.get("name"))
            if where != cluster or name not in here:
                others.setdefault(where, []).append(name)
    yield from (_service(cluster, service) for service in every)
    for where, names in others.items():
        if where == cluster and known.cluster_missing:
            continue
        try:
            yield from (_service(where, one) for one in services_of(aws, where, sorted(set(names))))
        except NotFound:
            continue
        if where != cluster:
            yield Thing("aws_ecs_cluster", {"name": where})


def _service(cluster: str, service: EcsService) -> Thing:
    names = [*service.alarms, *service.alarms_off]
    is_gone = service.status == "INACTIVE"
    return Thing(
        "aws_ecs_service",
        {
            "name": f"{service.name} (deleted)" if is_gone else service.name,
            "cluster": cluster,
            "alarms": [{"alarm_names": names, "enable": bool(service.alarms)}] if names else [],
            "deployment_circuit_breaker": [{"enable": service.breaker, "rollback": service.breaker}],
            "load_balancer": [{"target_group_arn": arn} for arn in service.target_groups],
        },
    )


def _scaling(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    client = aws.client("application-autoscaling")
    for some in batches(_named(wanted, "resource_id"), MOST_NAMES):
        pages = client.get_paginator("describe_scalable_targets").paginate(
            ServiceNamespace=NAMESPACE, ResourceIds=list(some), ScalableDimension=DIMENSION
        )
        for one in (one for page in pages for one in page["ScalableTargets"]):
            state = one.get("SuspendedState") or {}
            off = {
                "dynamic_scaling_in_suspended": state.get("DynamicScalingInSuspended", False),
                "dynamic_scaling_out_suspended": state.get("DynamicScalingOutSuspended", False),
                "scheduled_scaling_suspended": state.get("ScheduledScalingSuspended", False),
            }
            limits = {"min_capacity": one["MinCapacity"], "max_capacity": one["MaxCapacity"]}
            yield Thing(
                "aws_appautoscaling_target", {"resource_id": one["ResourceId"], **limits, "suspended_state": [off]}
            )


def _policies(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    """Of all ECS services: there is no asking for several."""
    client = aws.client("application-autoscaling")
    pages = client.get_paginator("describe_scaling_policies").paginate(ServiceNamespace=NAMESPACE)
    for one in (one for page in pages for one in page["ScalingPolicies"]):
        said: Mapping[str, Any] = {**one.get("TargetTrackingScalingPolicyConfiguration", {})}
        metric = said.get("PredefinedMetricSpecification") or {}
        settings = {
            "target_value": said.get("TargetValue"),
            "disable_scale_in": said.get("DisableScaleIn", False),
            "predefined_metric_specification": [{"predefined_metric_type": metric.get("PredefinedMetricType")}],
        }
        yield Thing(
            "aws_appautoscaling_policy",
            {
                "name": one["PolicyName"],
                "resource_id": one["ResourceId"],
                "target_tracking_scaling_policy_configuration": [settings] if said else [],
            },
        )


# -- alerts ----------------------------------------------------------------------------------------------------------


def _alarms(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    names = set(_named(wanted, "alarm_name"))
    return (_alarm(alarm) for alarm in _fact(facts.alarms).alarms if alarm.name in names)


def _alarm(alarm: Alarm) -> Thing:
    told = alarm.told
    common = {
        "alarm_name": alarm.name,
        "actions_enabled": bool(told.get("ActionsEnabled")),
        "alarm_actions": told.get("AlarmActions") or [],
        "ok_actions": told.get("OKActions") or [],
        "insufficient_data_actions": told.get("InsufficientDataActions") or [],
    }
    if alarm.kind == "composite":
        rule = {"alarm_rule": told.get("AlarmRule"), "actions_suppressor": [{"alarm": told.get("ActionsSuppressor")}]}
        return Thing("aws_cloudwatch_composite_alarm", common | rule)
    settings = {
        "threshold": told.get("Threshold"),
        "threshold_metric_id": told.get("ThresholdMetricId"),
        "comparison_operator": told.get("ComparisonOperator"),
        "evaluation_periods": told.get("EvaluationPeriods"),
        "datapoints_to_alarm": told.get("DatapointsToAlarm"),
        "treat_missing_data": told.get("TreatMissingData"),
        "period": told.get("Period"),
        "statistic": told.get("Statistic"),
        "extended_statistic": told.get("ExtendedStatistic"),
        **_metric(told),
        "metric_query": [_query(query) for query in told.get("Metrics") or ()],
    }
    return Thing("aws_cloudwatch_metric_alarm", common | settings)


def _metric(told: Mapping[str, Any]) -> dict[str, Any]:
    dimensions = {one["Name"]: one["Value"] for one in told.get("Dimensions") or ()}
    return {"namespace": told.get("Namespace"), "metric_name": told.get("MetricName"), "dimensions": dimensions}


def _query(told: Mapping[str, Any]) -> dict[str, Any]:
    stat = told.get("MetricStat") or {}
    metric = {**_metric(stat.get("Metric") or {}), "period": stat.get("Period"), "stat": stat.get("Stat")}
    return {
        "id": told.get("Id"),
        "expression": told.get("Expression") or "",
        "return_data": told.get("ReturnData", True),
        "period": told.get("Period"),
        "metric": [metric] if stat else [],
    }


def _topics(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for page in aws.client("sns").get_paginator("list_topics").paginate():
        for one in page["Topics"]:
            yield Thing("aws_sns_topic", {"arn": one["TopicArn"], "name": tail(one["TopicArn"])})


def _subscriptions(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for page in aws.client("sns").get_paginator("list_subscriptions").paginate():
        for one in page["Subscriptions"]:
            arn = one.get("SubscriptionArn", "")
            yield Thing(
                "aws_sns_topic_subscription",
                {
                    "arn": arn,
                    "topic_arn": one.get("TopicArn"),
                    "protocol": one.get("Protocol"),
                    "endpoint": one.get("Endpoint"),
                    "pending_confirmation": not arn.startswith("arn:"),
                },
            )


def _queues(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    prefix = os.path.commonprefix(_named(wanted, "name"))
    pages = aws.client("sqs").get_paginator("list_queues").paginate(**({"QueueNamePrefix": prefix} if prefix else {}))
    for url in (url for page in pages for url in page.get("QueueUrls") or ()):
        yield Thing("aws_sqs_queue", {"name": tail(url)})


def _event_rules(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    """A listing for each event bus, one more for the targets of each rule."""
    events = aws.client("events")
    rules = {(str(one.values.get("event_bus_name")), str(one.values.get("name") or one.values["rule"])) for one in wanted}
    found: set[tuple[str, str]] = set()
    for bus in sorted({bus for bus, _ in rules}):
        prefix = os.path.commonprefix([name for where, name in rules if where == bus])
        names = {"NamePrefix": prefix} if prefix else {}
        for page in events.get_paginator("list_rules").paginate(EventBusName=bus, **names):
            for one in page["Rules"]:
                found.add((bus, one["Name"]))
                yield Thing(
                    "aws_cloudwatch_event_rule",
                    {
                        "name": one["Name"],
                        "event_bus_name": bus,
                        "state": one.get("State"),
                        "event_pattern": one.get("EventPattern"),
                        "schedule_expression": one.get("ScheduleExpression"),
                    },
                )
    targeted = {
        (str(one.values.get("event_bus_name")), str(one.values.get("rule")))
        for one in wanted
        if one.type == "aws_cloudwatch_event_target"
    }

    def targets_of(rule: tuple[str, str]) -> list[Thing]:
        bus, name = rule
        pages = events.get_paginator("list_targets_by_rule").paginate(Rule=name, EventBusName=bus)
        arns = [one["Arn"] for page in pages for one in page["Targets"]]
        return [Thing("aws_cloudwatch_event_target", {"event_bus_name": bus, "rule": name, "arn": arn}) for arn in arns]

    for some in side_by_side(targets_of, sorted(targeted & found)):
        yield from some


# -- what keeps it safe ----------------------------------------------------------------------------------------------


def _log_groups(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    logs = aws.client("logs")
    for some in batches(_named(wanted, "name"), LOG_GROUPS_A_CALL):
        for page in logs.get_paginator("describe_log_groups").paginate(logGroupIdentifiers=list(some)):
            for one in page["logGroups"]:
                values = {"retention_in_days": one.get("retentionInDays"), "kms_key_id": one.get("kmsKeyId", "")}
                yield Thing("aws_cloudwatch_log_group", {"name": one.get("logGroupName"), **values})


def _databases(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:
    """The environment's own is read already; others are listed beside."""
    told = _fact(facts.pending).database
    every: list[Mapping[str, Any]] = [told] if told else []
    if set(_named(wanted, "identifier")) - {aws.environment.database}:
        pages = aws.client("rds").get_paginator("describe_db_instances").paginate()
        every = [dict(one) for page in pages for one in page["DBInstances"]]
    for one in every:
        groups = [group["DBParameterGroupName"] for group in one.get("DBParameterGroups") or ()]
        yield Thing(
            "aws_db_instance",
            {
                "identifier": one["DBInstanceIdentifier"],
                "backup_retention_period": one.get("BackupRetentionPeriod"),
                "deletion_protection": one.get("DeletionProtection"),
                "multi_az": one.get("MultiAZ"),
                "instance_class": one.get("DBInstanceClass"),
                "publicly_accessible": one.get("PubliclyAccessible"),
                "vpc_security_group_ids": [group["VpcSecurityGroupId"] for group in one.get("VpcSecurityGroups") or ()],
                "parameter_group_name": groups[0] if groups else None,
                "performance_insights_enabled": one.get("PerformanceInsightsEnabled"),
            },
        )


def _caches(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:
    """The environment's own is read already; others are listed beside, without their members' security groups."""
    told = _fact(facts.pending).cache
    every: list[Mapping[str, Any]] = [told] if told else []
    others = set(_named(wanted, "replication_group_id")) - {aws.environment.cache}
    if others:
        pages = aws.client("elasticache").get_paginator("describe_replication_groups").paginate()
        every += [one for page in pages for one in page["ReplicationGroups"] if one["ReplicationGroupId"] in others]
    for one in every:
        groups = one.get("SecurityGroups")
        yield Thing(
            "aws_elasticache_replication_group",
            {
                "replication_group_id": one["ReplicationGroupId"],
                "snapshot_retention_limit": one.get("SnapshotRetentionLimit"),
                "automatic_failover_enabled": one.get("AutomaticFailover") in ("enabled", "enabling"),
                "multi_az_enabled": one.get("MultiAZ") == "enabled",
                "node_type": one.get("CacheNodeType"),
                "num_cache_clusters": len(one.get("MemberClusters") or ()),
                "security_group_ids": [group["SecurityGroupId"] for group in groups] if groups else None,
            },
        )


def _trails(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    cloudtrail, names = aws.client("cloudtrail"), set(_named(wanted, "name"))
    for one in cloudtrail.describe_trails(includeShadowTrails=False)["trailList"]:
        if one["Name"] in names:
            yield Thing(
                "aws_cloudtrail",
                {
                    "name": one["Name"],
                    "enable_logging": bool(cloudtrail.get_trail_status(Name=one["TrailARN"]).get("IsLogging")),
                    "is_multi_region_trail": one.get("IsMultiRegionTrail"),
                    "enable_log_file_validation": one.get("LogFileValidationEnabled"),
                    "s3_bucket_name": one.get("S3BucketName"),
                },
            )


def _flow_logs(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for page in aws.client("ec2").get_paginator("describe_flow_logs").paginate():
        for one in page["FlowLogs"]:
            values = {"log_destination": one.get("LogDestination"), "traffic_type": one.get("TrafficType")}
            yield Thing("aws_flow_log", {"id": one.get("FlowLogId"), "vpc_id": one.get("ResourceId"), **values})


def _group_rules(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for some in batches(_named(wanted, "security_group_id"), 200):
        pages = aws.client("ec2").get_paginator("describe_security_group_rules")
        for page in pages.paginate(Filters=[{"Name": "group-id", "Values": list(some)}]):
            for one in page["SecurityGroupRules"]:
                egress = bool(one.get("IsEgress"))
                yield Thing(
                    f"aws_vpc_security_group_{'egress' if egress else 'ingress'}_rule",
                    {
                        "security_group_rule_id": one["SecurityGroupRuleId"],
                        "security_group_id": one["GroupId"],
                        "egress": egress,
                        "ip_protocol": one["IpProtocol"],
                        "from_port": one.get("FromPort"),
                        "to_port": one.get("ToPort"),
                        "cidr_ipv4": one.get("CidrIpv4"),
                        "cidr_ipv6": one.get("CidrIpv6"),
                        "prefix_list_id": one.get("PrefixListId"),
                        "referenced_security_group_id": one.get("ReferencedGroupInfo", {}).get("GroupId"),
                    },
                )


def _gateways(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    states: Any = [{"Name": "state", "Values": ["pending", "available"]}]
    for page in aws.client("ec2").get_paginator("describe_nat_gateways").paginate(Filters=states):
        for one in page["NatGateways"]:
            yield Thing("aws_nat_gateway", {"id": one.get("NatGatewayId")})


def _routes(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    names = {
        "destination_cidr_block": "DestinationCidrBlock",
        "destination_ipv6_cidr_block": "DestinationIpv6CidrBlock",
        "destination_prefix_list_id": "DestinationPrefixListId",
        "nat_gateway_id": "NatGatewayId",
        "gateway_id": "GatewayId",
        "transit_gateway_id": "TransitGatewayId",
        "vpc_peering_connection_id": "VpcPeeringConnectionId",
        "network_interface_id": "NetworkInterfaceId",
    }
    tables: Any = [{"Name": "route-table-id", "Values": _named(wanted, "route_table_id")}]
    for page in aws.client("ec2").get_paginator("describe_route_tables").paginate(Filters=tables):
        for table in page["RouteTables"]:
            for one in table.get("Routes") or ():
                values: Values = {name: one.get(theirs) for name, theirs in names.items()}
                yield Thing("aws_route", {"route_table_id": table["RouteTableId"], **values})


def _secrets(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    """Those that wait for their deletion are not listed."""
    names = _named(wanted, "name")
    prefix = os.path.commonprefix(names)
    filters: Any = [{"Key": "name", "Values": [prefix]}] if prefix else []
    for page in aws.client("secretsmanager").get_paginator("list_secrets").paginate(Filters=filters):
        for one in page["SecretList"]:
            yield Thing("aws_secretsmanager_secret", {"name": one.get("Name")})


def _keys(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    """A call for each: no listing tells a key's state."""

    def described(key: str) -> list[Thing]:
        try:
            told: Any = aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]
        except NotFound:
            return []
        return [Thing("aws_kms_key", {"key_id": told["KeyId"], "_state": told.get("KeyState")})]

    for some in side_by_side(described, _named(wanted, "key_id")):
        yield from some


def _buckets(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for page in aws.client("s3").get_paginator("list_buckets").paginate():
        for one in page["Buckets"]:
            yield Thing("aws_s3_bucket", {"bucket": one.get("Name")})


def _firewalls(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    wafv2 = aws.client("wafv2")
    for arn in _named(wanted, "resource_arn"):
        try:
            acl = wafv2.get_web_acl_for_resource(ResourceArn=arn).get("WebACL")
        except NotFound:  # the resource itself is gone
            continue
        if acl:
            yield Thing("aws_wafv2_web_acl_association", {"resource_arn": arn, "web_acl_arn": acl.get("ARN")})


LISTINGS: tuple[tuple[tuple[str, ...], Listing], ...] = (
    (("aws_lb",), _balancers),
    (("aws_lb_target_group",), _target_groups),
    (("aws_lb_listener", "aws_lb_listener_rule"), _listeners),
    (("aws_ecs_cluster", "aws_ecs_service"), _services),
    (("aws_appautoscaling_target",), _scaling),
    (("aws_appautoscaling_policy",), _policies),
    (("aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm"), _alarms),
    (("aws_sns_topic",), _topics),
    (("aws_sns_topic_subscription",), _subscriptions),
    (("aws_sqs_queue",), _queues),
    (("aws_cloudwatch_event_rule", "aws_cloudwatch_event_target"), _event_rules),
    (("aws_cloudwatch_log_group",), _log_groups),
    (("aws_db_instance",), _databases),
    (("aws_elasticache_replication_group",), _caches),
    (("aws_cloudtrail",), _trails),
    (("aws_flow_log",), _flow_logs),
    (("aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule"), _group_rules),
    (("aws_nat_gateway",), _gateways),
    (("aws_route",), _routes),
    (("aws_secretsmanager_secret",), _secrets),
    (("aws_kms_key",), _keys),
    (("aws_s3_bucket",), _buckets),
    (("aws_wafv2_web_acl_association",), _firewalls),
)
"""Types, and what tells of them."""
