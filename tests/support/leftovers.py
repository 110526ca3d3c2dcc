"""What an AWS still holds once something was destroyed."""

from __future__ import annotations

from typing import Any


def left(aws: Any) -> dict[str, list[str]]:
    """Everything that AWS would still hold, and bill, by kind; what AWS itself keeps for a while isn't counted."""
    ec2, iam = aws("ec2"), aws("iam")
    gone = {"deleted", "deleting"}
    nats = ec2.describe_nat_gateways()["NatGateways"]
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    found = {
        "alarms": [alarm["AlarmName"] for kind in aws("cloudwatch").describe_alarms().values()
                   if isinstance(kind, list) for alarm in kind],
        "caches": [group["ReplicationGroupId"] for group in
                   aws("elasticache").describe_replication_groups()["ReplicationGroups"]],
        "clusters": aws("ecs").list_clusters()["clusterArns"],
        "dashboards": [entry["DashboardName"] for entry in aws("cloudwatch").list_dashboards()["DashboardEntries"]],
        "databases": [one["DBInstanceIdentifier"] for one in aws("rds").describe_db_instances()["DBInstances"]],
        "elastic addresses": [one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]],
        "endpoints": [one["VpcEndpointId"] for one in endpoints if one.get("State", "").lower() not in gone],
        "flow logs": [one["FlowLogId"] for one in ec2.describe_flow_logs()["FlowLogs"]],
        "images": [one["repositoryName"] for one in aws("ecr").describe_repositories()["repositories"]],
        "keys' names": [one["AliasName"] for one in aws("kms").list_aliases()["Aliases"]
                        if not one["AliasName"].startswith("alias/aws/")],
        "load balancers": [one["LoadBalancerName"] for one in aws("elbv2").describe_load_balancers()["LoadBalancers"]],
        "log groups": [one["logGroupName"] for one in aws("logs").describe_log_groups()["logGroups"]],
        "nat gateways": [one["NatGatewayId"] for one in nats if one["State"] not in gone],
        "policies": [one["PolicyName"] for one in iam.list_policies(Scope="Local")["Policies"]],
        "queues": aws("sqs").list_queues().get("QueueUrls", []),
        "roles": [one["RoleName"] for one in iam.list_roles()["Roles"]
                  if not one["Path"].startswith("/aws-service-role/")],
        "rules": [one["Name"] for one in aws("events").list_rules()["Rules"]],
        "saved queries": [one["name"] for one in aws("logs").describe_query_definitions()["queryDefinitions"]],
        "scaling targets": [one["ResourceId"] for one in aws("application-autoscaling").describe_scalable_targets(
            ServiceNamespace="ecs")["ScalableTargets"]],
        "secrets": [one["Name"] for one in aws("secretsmanager").list_secrets()["SecretList"]],
        "target groups": [one["TargetGroupName"] for one in aws("elbv2").describe_target_groups()["TargetGroups"]],
        "topics": [one["TopicArn"] for one in aws("sns").list_topics()["Topics"]],
        "trails": [one["Name"] for one in aws("cloudtrail").describe_trails()["trailList"]],
        "buckets": [one["Name"] for one in aws("s3").list_buckets()["Buckets"]],
        "vpcs": [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]],
        "web acls": [one["Name"] for one in aws("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"]],
    }  # fmt: skip
    return {kind: names for kind, names in found.items() if names}
