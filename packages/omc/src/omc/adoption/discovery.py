"""What an account has of stacks like ours: clusters and services with all that belongs to them. Reads only.

Everything is asked side by side, each list in as few calls as AWS allows. What may not be read is a ``Gap``, and all
else is found nevertheless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from omc.adoption.model import (
    Found,
    FoundAlarm,
    FoundBalancer,
    FoundCluster,
    FoundContainer,
    FoundGroup,
    FoundScaling,
    FoundSchedule,
    FoundService,
    FoundState,
    FoundStore,
    Gap,
)
from omc.aws.batches import batches
from omc.aws.calls import parallel_map, recording
from omc.aws.gateway import Gateway
from omc.errors import AccessDenied, NotFound, OmcError, Unknown, WrongUse, lacking

CLUSTERS_A_CALL, SERVICES_A_CALL, TAGS_A_CALL = 100, 10, 20
"""What DescribeClusters, DescribeServices and ELB's DescribeTags take."""
MOST_STATES = 200
"""Objects of a bucket that are looked through for Terraform's states: those of a bucket of states are few."""
STATE_BUCKET = re.compile(r"terraform|tfstate|tf-state")
STATE_KEY = re.compile(r"\.tfstate$")
SCHEDULES, RULES, LOG_GROUPS = "schedules of EventBridge Scheduler", "rules of EventBridge", "log groups"
TRACKING = "TargetTracking-"
"""How Application Auto Scaling calls the alarms that it makes for a policy of target tracking: they page nobody."""
TRACKED = {"ECSServiceAverageCPUUtilization": "cpu_target", "ECSServiceAverageMemoryUtilization": "memory_target"}


def discover(aws: Gateway, clusters: Sequence[str] = ()) -> Found:
    """All of this region; with ``clusters``, of these alone. Raises what makes everything unknown: no credentials, no
    answer, no right to list ECS's services."""
    with recording() as calls:
        account, gaps = _account(aws), list[Gap]()
        around: dict[str, Callable[[], Any]] = {
            SCHEDULES: lambda: _schedules(aws),
            "Terraform states": lambda: _states(aws, gaps),
            "dashboards": lambda: _dashboards(aws),
        }
        answers = _side_by_side({**_parts(aws, clusters, gaps), **around}, gaps)
        found = _found(account, aws.environment.region, answers)
        known = {each.arn: each.name for each in found.clusters}
        rules = _attempt(RULES, lambda: _rules(aws, list(known)), gaps) or []
        scheduled: dict[str, tuple[str, str, str]] = answers[SCHEDULES] or {}
        starts = [*rules, *((name, *spec) for name, spec in scheduled.items() if spec[0] in known)]
        jobs: tuple[FoundSchedule, ...] = _attempt("scheduled tasks", lambda: _jobs(aws, starts, known), gaps) or ()
        containers = [*(each.containers for each in found.services), *(each.containers for each in jobs)]
        wanted = {each.log_group for some in containers for each in some if each.log_group}
        log_groups = _attempt(LOG_GROUPS, lambda: _log_groups(aws, wanted), gaps) or frozenset()
        buckets, states = answers["Terraform states"] or ((), ())
    return replace(
        found,
        schedules=jobs,
        log_groups=log_groups,
        buckets=buckets,
        states=states,
        dashboards=answers["dashboards"] or (),
        gaps=_in_order(gaps),
        calls=sum(call.requests for call in calls),
    )


def discover_named(aws: Gateway, clusters: Sequence[str]) -> Found:
    """What a stack file names, of these clusters: for comparing it. Raises as ``discover`` does."""
    with recording() as calls:
        account, gaps = _account(aws), list[Gap]()
        answers = _side_by_side(_parts(aws, clusters, gaps), gaps)
    found = _found(account, aws.environment.region, answers)
    return replace(found, gaps=_in_order(gaps), calls=sum(call.requests for call in calls))


def _account(aws: Gateway) -> str:
    return str(aws.client("sts").get_caller_identity()["Account"])


def _parts(aws: Gateway, clusters: Sequence[str], gaps: list[Gap]) -> dict[str, Callable[[], Any]]:
    return {
        "services": lambda: _ecs(aws, clusters, gaps),
        "target groups": lambda: _groups(aws),
        "load balancers": lambda: _balancers(aws),
        "databases": lambda: _databases(aws),
        "caches": lambda: _caches(aws, gaps),
        "autoscaling": lambda: _scalings(aws),
        "alarms": lambda: _alarms(aws),
    }


def _side_by_side(parts: Mapping[str, Callable[[], Any]], gaps: list[Gap]) -> dict[str, Any]:
    return dict(zip(parts, parallel_map(lambda name: _attempt(name, parts[name], gaps), parts), strict=True))


def _found(account: str, region: str, answers: Mapping[str, Any]) -> Found:
    clusters, services = answers["services"]
    return Found(
        account=account,
        region=region,
        clusters=clusters,
        services=services,
        groups=answers["target groups"] or (),
        balancers=answers["load balancers"] or (),
        databases=answers["databases"] or (),
        caches=answers["caches"] or (),
        scalings=answers["autoscaling"] or (),
        alarms=answers["alarms"] or (),
    )


def _in_order(gaps: list[Gap]) -> tuple[Gap, ...]:
    return tuple(sorted(gaps, key=lambda gap: gap.what))


def _attempt(what: str, read: Callable[[], Any], gaps: list[Gap]) -> Any:
    """What is read, or None with a gap. Without the services there is nothing to say."""
    try:
        return read()
    except AccessDenied as error:
        if what == "services":
            raise
        gaps.append(Gap(what, error.message, error.action))
    except WrongUse:
        raise
    except OmcError as error:
        if what == "services":
            raise
        gaps.append(Gap(what, error.message))
    except KeyError as error:
        if what == "services":
            raise lacking(error, what) from error
        gaps.append(Gap(what, lacking(error).message))
    return None


# ── ECS ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ecs(
    aws: Gateway, only: Sequence[str], gaps: list[Gap]
) -> tuple[tuple[FoundCluster, ...], tuple[FoundService, ...]]:
    ecs = aws.client("ecs")
    arns = list(only)
    if not arns:
        arns = [arn for page in ecs.get_paginator("list_clusters").paginate() for arn in page["clusterArns"]]
    answers = parallel_map(
        lambda some: ecs.describe_clusters(clusters=list(some), include=["TAGS"]), batches(arns, CLUSTERS_A_CALL)
    )
    described: list[Any] = [each for answer in answers for each in answer["clusters"]]
    clusters = tuple(
        FoundCluster(each["clusterName"], each["clusterArn"], _tags(each.get("tags", ())))
        for each in described
        if each.get("status", "ACTIVE") == "ACTIVE"
    )
    services = [one for some in parallel_map(lambda each: _services(aws, each), clusters) for one in some]
    families = {one["taskDefinition"] for one in services if one.get("taskDefinition")}
    definitions = dict(parallel_map(lambda arn: (arn, _definition(aws, arn, gaps)), sorted(families)))
    return clusters, tuple(_service(one, definitions.get(one.get("taskDefinition", ""))) for one in services)


def _services(aws: Gateway, cluster: FoundCluster) -> list[Any]:
    ecs = aws.client("ecs")
    pages = ecs.get_paginator("list_services").paginate(cluster=cluster.arn, PaginationConfig={"PageSize": 100})
    arns = [arn for page in pages for arn in page["serviceArns"]]
    answers = parallel_map(
        lambda some: ecs.describe_services(cluster=cluster.arn, services=list(some), include=["TAGS"]),
        batches(arns, SERVICES_A_CALL),
    )
    active = [each for answer in answers for each in answer["services"] if each["status"] != "INACTIVE"]
    return [{**each, "cluster": cluster.name} for each in sorted(active, key=lambda each: each["serviceName"])]


def _definition(aws: Gateway, arn: str, gaps: list[Gap]) -> tuple[FoundContainer, ...]:
    def read() -> tuple[FoundContainer, ...]:
        answer = aws.client("ecs").describe_task_definition(taskDefinition=arn)
        return tuple(_container(each) for each in answer["taskDefinition"].get("containerDefinitions", ()))

    found: tuple[FoundContainer, ...] | None = _attempt(f"task definition {arn.rpartition('/')[2]}", read, gaps)
    return found or ()


def _container(record: Any) -> FoundContainer:
    logging = record.get("logConfiguration") or {}
    options = logging.get("options") or {}
    driver = str(logging.get("logDriver", ""))
    group = options.get("awslogs-group") if driver == "awslogs" else options.get("log_group_name")
    return FoundContainer(
        name=record["name"],
        ports=tuple(each["containerPort"] for each in record.get("portMappings", ()) if "containerPort" in each),
        log_group=group or None,
        log_driver=driver,
        essential=record.get("essential", True),
        is_router=bool(record.get("firelensConfiguration")),
        variables={each["name"]: each.get("value", "") for each in record.get("environment", ()) if "name" in each},
        secrets=tuple(each["name"] for each in record.get("secrets", ()) if "name" in each),
        image=record.get("image", ""),
    )


def _service(record: Any, containers: tuple[FoundContainer, ...] | None) -> FoundService:
    family = record.get("taskDefinition", "").rpartition("/")[2].rpartition(":")[0]
    providers = [each["capacityProvider"] for each in record.get("capacityProviderStrategy", ())]
    entries = [each for each in record.get("loadBalancers", ()) if each.get("targetGroupArn")]
    return FoundService(
        name=record["serviceName"],
        cluster=record["cluster"],
        family=family,
        containers=containers or (),
        targets=tuple(
            (each["targetGroupArn"], each.get("containerName", ""), int(each.get("containerPort", 0)))
            for each in entries
        ),
        tags=_tags(record.get("tags", ())),
        launch=" ".join(providers) or record.get("launchType", ""),
        controller=record.get("deploymentController", {}).get("type", "ECS"),
        scheduling=record.get("schedulingStrategy", "REPLICA"),
        desired=record.get("desiredCount", 0),
    )


def _tags(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """ECS writes ``key``, the others ``Key``."""
    return {
        str(each.get("key", each.get("Key", ""))): str(each.get("value", each.get("Value", "")) or "")
        for each in records
    }


# ── Load balancers ───────────────────────────────────────────────────────────────────────────────────────────────


def _groups(aws: Gateway) -> tuple[FoundGroup, ...]:
    pages = aws.client("elbv2").get_paginator("describe_target_groups").paginate()
    return tuple(
        FoundGroup(
            each["TargetGroupName"],
            each["TargetGroupArn"],
            tuple(each.get("LoadBalancerArns", ())),
            each.get("VpcId", ""),
        )
        for page in pages
        for each in page["TargetGroups"]
    )


def _balancers(aws: Gateway) -> tuple[FoundBalancer, ...]:
    elb = aws.client("elbv2")
    found = [one for page in elb.get_paginator("describe_load_balancers").paginate() for one in page["LoadBalancers"]]
    arns = [each["LoadBalancerArn"] for each in found]
    answers = parallel_map(lambda some: elb.describe_tags(ResourceArns=list(some)), batches(arns, TAGS_A_CALL))
    tags = {each["ResourceArn"]: _tags(each["Tags"]) for answer in answers for each in answer["TagDescriptions"]}
    return tuple(
        FoundBalancer(
            name=each["LoadBalancerName"],
            arn=each["LoadBalancerArn"],
            kind=each.get("Type", "application"),
            scheme=each.get("Scheme", ""),
            vpc=each.get("VpcId", ""),
            tags=tags.get(each["LoadBalancerArn"], {}),
        )
        for each in found
    )


# ── Data stores ──────────────────────────────────────────────────────────────────────────────────────────────────


def _databases(aws: Gateway) -> tuple[FoundStore, ...]:
    """Instances that are in no cluster and copy no other one, and clusters."""
    rds = aws.client("rds")

    def instances_there() -> list[Any]:
        return [each for page in rds.get_paginator("describe_db_instances").paginate() for each in page["DBInstances"]]

    def clusters_there() -> list[Any]:
        return [each for page in rds.get_paginator("describe_db_clusters").paginate() for each in page["DBClusters"]]

    instances, clusters = parallel_map(lambda read: read(), (instances_there, clusters_there))
    vpcs = {
        each["DBClusterIdentifier"]: each.get("DBSubnetGroup", {}).get("VpcId", "")
        for each in instances
        if each.get("DBClusterIdentifier")
    }
    alone = [
        FoundStore(
            each["DBInstanceIdentifier"],
            "instance",
            each.get("Engine", ""),
            tuple(filter(None, [each.get("Endpoint", {}).get("Address")])),
            each.get("DBSubnetGroup", {}).get("VpcId", ""),
            _tags(each.get("TagList", ())),
        )
        for each in instances
        if not each.get("DBClusterIdentifier") and not each.get("ReadReplicaSourceDBInstanceIdentifier")
    ]
    together = [
        FoundStore(
            each["DBClusterIdentifier"],
            "cluster",
            each.get("Engine", ""),
            tuple(filter(None, [each.get("Endpoint"), each.get("ReaderEndpoint"), *each.get("CustomEndpoints", ())])),
            vpcs.get(each["DBClusterIdentifier"], ""),
            _tags(each.get("TagList", ())),
        )
        for each in clusters
        if each.get("Engine") not in ("docdb", "neptune") and not each.get("ReplicationSourceIdentifier")
    ]
    return tuple(sorted([*alone, *together], key=lambda each: (each.kind, each.name)))


def _caches(aws: Gateway, gaps: list[Gap]) -> tuple[FoundStore, ...]:
    elasticache = aws.client("elasticache")
    groups = [
        each
        for page in elasticache.get_paginator("describe_replication_groups").paginate()
        for each in page["ReplicationGroups"]
    ]
    nodes = [
        each
        for page in elasticache.get_paginator("describe_cache_clusters").paginate()
        for each in page["CacheClusters"]
    ]

    def serverless() -> list[Any]:
        pages = elasticache.get_paginator("describe_serverless_caches").paginate()
        return [each for page in pages for each in page["ServerlessCaches"]]

    found = [
        FoundStore(each["ReplicationGroupId"], "group", each.get("Engine", ""), tuple(_addresses(each)))
        for each in groups
        if each.get("Status") != "deleting"
    ]
    found += [
        FoundStore(each["CacheClusterId"], "alone", each.get("Engine", ""), tuple(_addresses(each)))
        for each in nodes
        if not each.get("ReplicationGroupId")
    ]
    found += [
        FoundStore(each["ServerlessCacheName"], "serverless", each.get("Engine", ""), tuple(_addresses(each)))
        for each in _attempt("serverless caches", serverless, gaps) or ()
    ]
    return tuple(found)


def _addresses(record: Any) -> Iterable[str]:
    """Names by which a cache is reached."""
    ends = [record.get(name) or {} for name in ("Endpoint", "ConfigurationEndpoint", "ReaderEndpoint")]
    for group in record.get("NodeGroups", ()):
        ends += [group.get("PrimaryEndpoint") or {}, group.get("ReaderEndpoint") or {}]
    ends += [node.get("Endpoint") or {} for node in record.get("CacheNodes", ())]
    return [end["Address"] for end in ends if end.get("Address")]


# ── Around them ──────────────────────────────────────────────────────────────────────────────────────────────────


def _scalings(aws: Gateway) -> tuple[FoundScaling, ...]:
    client = aws.client("application-autoscaling")
    targets = [
        each
        for page in client.get_paginator("describe_scalable_targets").paginate(ServiceNamespace="ecs")
        for each in page["ScalableTargets"]
    ]
    policies = [
        each
        for page in client.get_paginator("describe_scaling_policies").paginate(ServiceNamespace="ecs")
        for each in page["ScalingPolicies"]
    ]
    return tuple(
        _scaling(each, [one for one in policies if one["ResourceId"] == each["ResourceId"]]) for each in targets
    )


def _scaling(target: Any, policies: Iterable[Any]) -> FoundScaling:
    _, _, place = target["ResourceId"].partition("/")
    cluster, _, service = place.partition("/")
    targets: dict[str, float] = {}
    others: list[str] = []
    for policy in policies:
        tracking = policy.get("TargetTrackingScalingPolicyConfiguration") or {}
        metric = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType", "")
        if metric in TRACKED and TRACKED[metric] not in targets:
            targets[TRACKED[metric]] = tracking["TargetValue"]
        else:
            others.append(metric or policy["PolicyName"])
    return FoundScaling(
        cluster,
        service,
        target["MinCapacity"],
        target["MaxCapacity"],
        targets.get("cpu_target"),
        targets.get("memory_target"),
        tuple(others),
    )


def _alarms(aws: Gateway) -> tuple[FoundAlarm, ...]:
    pages = (
        aws.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"], PaginationConfig={"PageSize": 100})
    )
    return tuple(
        _alarm(each)
        for page in pages
        for each in [*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())]
        if not each["AlarmName"].startswith(TRACKING)
    )


def _alarm(record: Any) -> FoundAlarm:
    dimensions = [*record.get("Dimensions", ())]
    for metric in record.get("Metrics", ()):
        dimensions += metric.get("MetricStat", {}).get("Metric", {}).get("Dimensions", ())
    topics = (arn.rpartition(":")[2] for arn in record.get("AlarmActions", ()) if ":sns:" in arn)
    about = dict.fromkeys(each["Value"] for each in dimensions if "Value" in each)
    return FoundAlarm(record["AlarmName"], tuple(dict.fromkeys(topics)), tuple(about))


def _log_groups(aws: Gateway, names: Iterable[str]) -> frozenset[str]:
    """One call a name: an account has thousands of groups, a stack names a few."""

    def exists(name: str) -> bool:
        answer = aws.client("logs").describe_log_groups(logGroupNamePrefix=name, limit=50)
        return any(each.get("logGroupName") == name for each in answer["logGroups"])

    wanted = sorted(names)
    return frozenset(name for name, there in zip(wanted, parallel_map(exists, wanted), strict=True) if there)


def _dashboards(aws: Gateway) -> tuple[str, ...]:
    pages = aws.client("cloudwatch").get_paginator("list_dashboards").paginate()
    return tuple(each["DashboardName"] for page in pages for each in page["DashboardEntries"])


def _states(aws: Gateway, gaps: list[Gap]) -> tuple[tuple[str, ...], tuple[FoundState, ...]]:
    s3 = aws.client("s3")
    buckets = tuple(each["Name"] for each in s3.list_buckets().get("Buckets", ()))

    def keys(bucket: str) -> list[FoundState]:
        def read() -> list[FoundState]:
            answer = s3.list_objects_v2(Bucket=bucket, MaxKeys=MOST_STATES)
            return [
                FoundState(bucket, each["Key"]) for each in answer.get("Contents", ()) if STATE_KEY.search(each["Key"])
            ]

        found: list[FoundState] = _attempt(f"states in {bucket}", read, gaps) or []
        return found

    likely = [name for name in buckets if STATE_BUCKET.search(name)]
    return buckets, tuple(state for some in parallel_map(keys, likely) for state in some)


# ── What starts tasks ────────────────────────────────────────────────────────────────────────────────────────────


def _rules(aws: Gateway, clusters: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """(name, cluster's ARN, task definition's ARN, expression): a rule's target for ECS is the cluster."""
    events = aws.client("events")
    pages = parallel_map(
        lambda arn: [
            (arn, name)
            for page in events.get_paginator("list_rule_names_by_target").paginate(TargetArn=arn)
            for name in page["RuleNames"]
        ],
        clusters,
    )
    found = [one for some in pages for one in some]

    def read(one: tuple[str, str]) -> list[tuple[str, str, str, str]]:
        arn, name = one
        try:
            rule = events.describe_rule(Name=name)
            targets = events.list_targets_by_rule(Rule=name)["Targets"]
        except NotFound:
            return []
        return [
            (name, arn, each["EcsParameters"]["TaskDefinitionArn"], rule.get("ScheduleExpression", ""))
            for each in targets
            if each["Arn"] == arn and each.get("EcsParameters")
        ]

    return [one for some in parallel_map(read, found) for one in some]


def _schedules(aws: Gateway) -> dict[str, tuple[str, str, str]]:
    """Of those whose target is a cluster: (cluster's ARN, task definition's ARN, expression)."""
    scheduler = aws.client("scheduler")
    pages = scheduler.get_paginator("list_schedules").paginate()
    summaries = [
        each for page in pages for each in page["Schedules"] if ":cluster/" in each.get("Target", {}).get("Arn", "")
    ]

    def read(summary: Any) -> tuple[str, tuple[str, str, str]] | None:
        group = summary.get("GroupName", "default")
        try:
            whole = scheduler.get_schedule(Name=summary["Name"], GroupName=group)
        except NotFound:
            return None
        target = whole["Target"]
        definition = (target.get("EcsParameters") or {}).get("TaskDefinitionArn", "")
        name = summary["Name"] if group == "default" else f"{group}/{summary['Name']}"
        return (name, (target["Arn"], definition, whole.get("ScheduleExpression", ""))) if definition else None

    return dict(one for one in parallel_map(read, summaries) if one)


def _jobs(
    aws: Gateway, found: Sequence[tuple[str, str, str, str]], clusters: Mapping[str, str]
) -> tuple[FoundSchedule, ...]:
    def containers(arn: str) -> tuple[str, tuple[FoundContainer, ...]]:
        try:
            answer = aws.client("ecs").describe_task_definition(taskDefinition=arn)
        except (NotFound, Unknown):
            return arn, ()  # the rule is told of nevertheless
        return arn, tuple(_container(each) for each in answer["taskDefinition"].get("containerDefinitions", ()))

    read = dict(parallel_map(containers, sorted({arn for _, _, arn, _ in found})))
    return tuple(
        FoundSchedule(name, clusters[cluster], _family(definition), expression, read[definition])
        for name, cluster, definition, expression in found
    )


def _family(definition: str) -> str:
    """Of an ARN with or without a revision."""
    return re.sub(r":[0-9]+$", "", definition.rpartition("/")[2])
